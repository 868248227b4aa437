// Gradient checks in tests by googletest: of an operator on tapesort's tape, and of a hand-written backward
// pass (cubes.hpp).
#include <gradcheck/googletest.hpp>
#include <gradcheck/vars.hpp>
#include <ops/elementwise.hpp>

#include "cubes.hpp"

TEST(Gradients, OfVars) {
  const tapesort::Array<double> x{0.5, -1.0}, y{2.0, 0.25};
  TAPESORT_CHECK_GRADIENT(
      [](tapesort::Var<double> a, tapesort::Var<double> b) { return exp(a) * b; }, {x, y});
}

TEST(Gradients, OfPlainFunctions) {
  TAPESORT_CHECK_GRADIENT(cubes, cubes_backward, {1.0, -2.0, 0.5});
}
