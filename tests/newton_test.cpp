#include "ops/newton.hpp"

#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// What a cotangent becomes on its way back.
template <class T> Array<T> passed_back(const Array<T>& ybar, double lambda) {
  Tape<T> tape;
  const Var<T> x = tape.leaf(zeros<T>(ybar.shape()));
  tape.backward(fisher_step(x, lambda), ybar);
  return x.grad();
}

}  // namespace

TEST_CASE("fisher_step divides cotangents by the Fisher matrix and lambda") {
  // Two examples: F = 2 (u u' + v v'), u = (1, 0), v = (1, 1): ((4, 2), (2, 2)), + I ((5, 2), (2, 3)).
  const Array<double> ybar{{1.0, 0.0}, {1.0, 1.0}};
  const Array<double> expected{{3.0 / 11, -2.0 / 11}, {1.0 / 11, 3.0 / 11}};
  CHECK(distance(passed_back(ybar, 1.0), expected) < 1e-14);
  CHECK(distance(convert<double>(passed_back(convert<float>(ybar), 1.0)), expected) < 1e-6);
  // More axes are one: (2, 1, 2) as (2, 2).
  CHECK(distance(passed_back(with_shape(ybar, {2, 1, 2}), 1.0), with_shape(expected, {2, 1, 2})) <
        1e-14);
  // A Fisher matrix without an inverse, and a lambda far below it: ybar / |ybar|^2.
  const Array<double> one{{1.0, 0.7, 0.3}};
  CHECK(distance(1.58 * passed_back(one, 1e-30), one) < 1e-14);
  CHECK(std::isnan(passed_back(Array<double>{{1.0, NAN}}, 1.0)(0, 0)));
  // A large lambda only scales.
  CHECK(distance(1e9 * passed_back(ybar, 1e9), ybar) < 1e-8);
}

TEST_CASE("fisher_step refuses what it cannot divide by") {
  CHECK(error_of([] { fisher_step(constant(Array<double>{1.0}), 0.0); }) ==
        "invalid_argument: fisher_step: lambda must be > 0 and finite, got 0");
  CHECK(error_of([] { fisher_step(constant(scalar(1.0)), 1.0); }) ==
        "invalid_argument: fisher_step: x is 0-d; need (m, ..)");
  CHECK(passed_back(zeros<double>({0, 3}), 1.0).shape() == Shape{0, 3});
}
