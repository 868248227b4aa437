#include "ops/reduce.hpp"

#include <limits>

#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("reductions pass gradcheck, and float agrees with double") {
  check_rows({
      {"sum", {{2, 3}}, anywhere, [](const auto& x) { return sum(x[0]); }},
      {"sum, first axis", {{2, 3, 2}}, anywhere, [](const auto& x) { return sum(x[0], 0); }},
      {"sum, middle axis kept",
       {{2, 3, 2}},
       anywhere,
       [](const auto& x) { return sum(x[0], 1, true); }},
      {"sum, two axes",
       {{2, 3, 2}},
       anywhere,
       [](const auto& x) {
         return sum(x[0], Axes{0, -1});
       }},
      {"sum, extent 1", {{3, 1}}, anywhere, [](const auto& x) { return sum(x[0], 1); }},
      {"mean", {{2, 3}}, anywhere, [](const auto& x) { return mean(x[0]); }},
      {"mean, axis", {{2, 3}}, anywhere, [](const auto& x) { return mean(x[0], -1, true); }},
      {"var", {{2, 3}}, anywhere, [](const auto& x) { return var(x[0]); }},
      {"var, axis, ddof 1",
       {{4, 3}},
       anywhere,
       [](const auto& x) { return var(x[0], 0, false, 1); }},
      {"max", {{2, 3}}, distinct, [](const auto& x) { return max(x[0]); }},
      {"max, axis", {{2, 3, 2}}, distinct, [](const auto& x) { return max(x[0], 1); }},
      {"min, axis kept", {{2, 3}}, distinct, [](const auto& x) { return min(x[0], 0, true); }},
      {"logsumexp", {{2, 3}}, anywhere, [](const auto& x) { return logsumexp(x[0]); }},
      {"logsumexp, axis", {{2, 3, 2}}, anywhere, [](const auto& x) { return logsumexp(x[0], 1); }},
      {"cumsum", {{2, 3, 2}}, anywhere, [](const auto& x) { return cumsum(x[0], 1); }},
      {"cumsum, last axis", {{2, 5}}, anywhere, [](const auto& x) { return cumsum(x[0], -1); }},
  });
}

TEST_CASE("reductions at ties, infinities and nothing") {
  Tape<double> tape;
  const Var<double> x = tape.leaf(Array<double>{3.0, 5.0, 5.0});
  tape.backward(max(x));
  CHECK(x.grad() == Array<double>{0.0, 1.0, 0.0});  // to the first

  const double inf = std::numeric_limits<double>::infinity();
  const Var<double> y = tape.leaf(Array<double>{-inf, -inf});
  CHECK(logsumexp(y).item() == -inf);
  CHECK(logsumexp(constant(Array<double>{1000.0, -inf})).item() == 1000);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(logsumexp(constant(Array<double>{nan, -inf})).item()));
  CHECK(std::isnan(logsumexp(constant(Array<double>{inf, nan, 1.0})).item()));
  CHECK(sum(constant(zeros<double>({0, 3})), 0).value() == zeros<double>({3}));
  CHECK(sum(constant(zeros<double>({0}))).item() == 0);
  CHECK(argmax(Array<double>{{1.0, 3.0, 3.0}, {2.0, 0.0, 1.0}}) == Indices{1, 0});
}

TEST_CASE("sum of many floats keeps its digits") {
  const double exact = 1e6 * double(0.1f);
  CHECK(std::abs(double(sum(constant(full<float>({1000000}, 0.1f))).item()) - exact) <
        1e-4 * exact);
}

TEST_CASE("reductions name axis and shape") {
  const auto x = constant(zeros<float>({2, 3}));
  CHECK(error_of([&] { sum(x, 2); }) ==
        "invalid_argument: sum: axis 2 is out of range for shape (2, 3); need -2 <= axis < 2");
  CHECK(error_of([&] {
          sum(x, Axes{1, -1});
        }) == "invalid_argument: sum: axis -1 is named twice for shape (2, 3)");
  CHECK(error_of([&] {
          max(constant(zeros<float>({2, 0})), 1);
        }) == "invalid_argument: max: nothing to choose from along axis 1 of shape (2, 0)");
  CHECK(error_of([&] { mean(constant(zeros<float>({0}))); }) ==
        "invalid_argument: mean: nothing to average in shape (0)");
  CHECK(error_of([&] { var(constant(zeros<float>({1})), 0, false, 1); }) ==
        "invalid_argument: var: need more than ddof = 1 elements, got 1 in shape (1)");
  CHECK(error_of([&] { cumsum(x, -3); }) ==
        "invalid_argument: cumsum: axis -3 is out of range for shape (2, 3); need -2 <= axis < 2");
}
