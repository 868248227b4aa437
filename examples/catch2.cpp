// Gradient checks in tests by catch2: of an operator on tapesort's tape, and of a hand-written backward
// pass that knows nothing of it.
#define CATCH_CONFIG_MAIN
#include <gradcheck/catch2.hpp>
#include <ops/elementwise.hpp>

namespace {
std::vector<double> cubes(const std::vector<double>& x) {
  std::vector<double> y;
  for (double v : x) y.push_back(v * v * v);
  return y;
}
std::vector<double> cubes_backward(const std::vector<double>& x, const std::vector<double>& ybar) {
  std::vector<double> xbar;
  for (std::size_t i = 0; i < x.size(); ++i) xbar.push_back(3 * x[i] * x[i] * ybar[i]);
  return xbar;
}
}  // namespace

TEST_CASE("gradients of a function of Vars") {
  const tapesort::Array<double> x{0.5, -1.0}, y{2.0, 0.25};
  TAPESORT_CHECK_GRADIENT(
      [](tapesort::Var<double> a, tapesort::Var<double> b) { return exp(a) * b; }, {x, y});
}

TEST_CASE("gradients of plain functions") {
  TAPESORT_CHECK_GRADIENT(cubes, cubes_backward, {1.0, -2.0, 0.5});
}
