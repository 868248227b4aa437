#include "ops/sorting/black_box.hpp"

#include <algorithm>
#include <limits>

#include "op_table.hpp"
#include "ops/mask.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// min over all permutations pi of <a, pi>, by enumeration; a is the scores, which ranks make least.
double least(const std::vector<double>& a) {
  std::vector<double> pi(a.size());
  for (std::size_t i = 0; i < pi.size(); ++i) pi[i] = double(i + 1);
  double best = std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * pi[i];
    best = std::min(best, sum);
  } while (std::next_permutation(pi.begin(), pi.end()));
  return best;
}

// The interpolation of <u, r(s)>: <u, r'> - (<s, r> - <s, r'>) / lambda, where r and r' make <s, .>
// and <s + lambda u, .> least.
double interpolation(const std::vector<double>& s, const std::vector<double>& u, double lambda) {
  std::vector<double> moved = s;
  for (std::size_t i = 0; i < s.size(); ++i) moved[i] += lambda * u[i];
  return (least(moved) - least(s)) / lambda;
}

}  // namespace

TEST_CASE("black-box ranks are ranks") {
  const Var<float> s = constant(Array<float>{{0.3f, -1.0f, 2.0f}, {5.0f, 7.0f, 5.0f}});
  CHECK(black_box_rank(s, 1).value() == Array<float>{{2, 3, 1}, {2, 1, 3}});
  CHECK(black_box_rank(s, 1, Direction::ascending).value() == Array<float>{{2, 1, 3}, {1, 3, 2}});
}

TEST_CASE_TEMPLATE("black-box ranks' gradient is that of the piecewise linear interpolation", T,
                   float, double) {
  Generator random(3);
  for (const double lambda : {0.05, 0.5, 5.0}) {
    for (const Direction direction : {Direction::descending, Direction::ascending}) {
      const double sign = direction == Direction::descending ? 1 : -1;
      for (int trial = 0; trial < 10; ++trial) {
        const Array<T> s = random.normal<T>({6}), u = random.normal<T>({6});
        Tape<T> tape;
        const Var<T> x = tape.leaf(s);
        tape.backward(black_box_rank(x, lambda, direction), u);
        for (std::size_t j = 0; j < 6; ++j) {
          const auto at = [&](double h) {
            std::vector<double> moved(6), weights(6);
            for (std::size_t i = 0; i < 6; ++i) {
              moved[i] = sign * (double(s(i)) + (i == j ? h : 0));
              weights[i] = double(u(i));
            }
            return interpolation(moved, weights, lambda);
          };
          const double h = 1e-7;  // linear between the kinks, none of which is so near
          CHECK(double(x.grad()(j)) == doctest::Approx((at(h) - at(-h)) / (2 * h)).epsilon(1e-5));
        }
      }
    }
  }
}

TEST_CASE("black-box ranks: a small lambda looks nowhere, masks, and what is refused") {
  Tape<double> tape;
  const Var<double> x = tape.leaf({0.0, 1.0, 2.0});
  tape.backward(black_box_rank(x, 0.1), Array<double>{1.0, 0.0, -1.0});
  CHECK(x.grad() == zeros<double>({3}));
  const ItemMask mask(Array<bool>{true, false, true});
  const Var<double> y = tape.leaf({0.0, NAN, 2.0});
  const Var<double> r = masked(
      mask, By::item, [](const auto& s) { return black_box_rank(s, 4.0); }, y);
  CHECK(r.value() == Array<double>{2.0, 0.0, 1.0});
  tape.backward(r, Array<double>{1.0, NAN, 0.0});
  CHECK(y.grad() == Array<double>{-0.25, 0.0, 0.25});
  CHECK(error_of([&] { black_box_rank(x, 0.0); }) ==
        "invalid_argument: black_box_rank: lambda must be > 0 and finite, got 0");
  CHECK(error_of([&] { black_box_rank(y, 1.0); }).find("black_box_rank: score 1 of row 0 is nan") !=
        std::string::npos);
}
