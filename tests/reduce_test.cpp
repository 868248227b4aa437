#include "ops/reduce.hpp"

#include <limits>

#include "op_table.hpp"
#include "ops/elementwise.hpp"

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
      {"norm", {{2, 3}}, anywhere, [](const auto& x) { return norm(x[0]); }},
      {"norm, axis", {{2, 3, 2}}, anywhere, [](const auto& x) { return norm(x[0], 1, true); }},
      {"standard_deviation",
       {{2, 3}},
       anywhere,
       [](const auto& x) { return standard_deviation(x[0]); }},
      {"standard_deviation, axis, ddof 1",
       {{2, 4, 2}},
       anywhere,
       [](const auto& x) { return standard_deviation(x[0], 1, true, 1); }},
      {"max", {{2, 3}}, distinct, [](const auto& x) { return max(x[0]); }},
      {"max, axis", {{2, 3, 2}}, distinct, [](const auto& x) { return max(x[0], 1); }},
      {"min, axis kept", {{2, 3}}, distinct, [](const auto& x) { return min(x[0], 0, true); }},
      {"logsumexp", {{2, 3}}, anywhere, [](const auto& x) { return logsumexp(x[0]); }},
      {"logsumexp, axis", {{2, 3, 2}}, anywhere, [](const auto& x) { return logsumexp(x[0], 1); }},
      {"cumsum", {{2, 3, 2}}, anywhere, [](const auto& x) { return cumsum(x[0], 1); }},
      {"cumsum, last axis", {{2, 5}}, anywhere, [](const auto& x) { return cumsum(x[0], -1); }},
  });
}

TEST_CASE_TEMPLATE("norm and standard deviation: by hand, at zero and near the ends of the type", T,
                   float, double) {
  using Limits = std::numeric_limits<T>;
  Tape<T> tape;
  const Var<T> x = tape.leaf(Array<T>{{3, 4}, {0, 0}, {-5, 12}});
  const Var<T> y = norm(x, -1);
  CHECK(y.value() == Array<T>{5, 0, 13});
  tape.backward(y, Array<T>{5, 7, 13});
  CHECK(distance(convert<double>(x.grad()), {{3.0, 4.0}, {0.0, 0.0}, {-5.0, 12.0}}) <
        4 * double(Limits::epsilon()));
  const Var<T> z = tape.leaf(Array<T>{{1, 3, 5, 7}, {9, 9, 9, 9}});
  const Var<T> deviation = standard_deviation(z, 1);
  CHECK(double(deviation.value()(0)) == doctest::Approx(std::sqrt(5.0)));
  CHECK(deviation.value()(1) == 0);
  tape.backward(deviation, Array<T>{T(4 * std::sqrt(5.0)), 3});
  CHECK(distance(convert<double>(z.grad()), {{-3.0, -1.0, 1.0, 3.0}, {0.0, 0.0, 0.0, 0.0}}) <
        4 * double(Limits::epsilon()));
  // A tenth added ten times is no tenth of a sum; still equal elements deviate by nothing.
  const Var<T> tenths = tape.leaf(full<T>({10}, T(0.1)));
  const Var<T> none = standard_deviation(tenths);
  tape.backward(none);
  CHECK(none.item() == 0);
  CHECK(tenths.grad() == zeros<T>({10}));

  const T large = Limits::max() / 4, small = Limits::min();
  CHECK(norm(constant(Array<T>{3 * (large / 4), large})).item() == 5 * (large / 4));
  CHECK(norm(constant(Array<T>{3 * small, 4 * small})).item() == 5 * small);
  CHECK(standard_deviation(constant(Array<T>{-large, large})).item() == large);
  CHECK(norm(constant(Array<T>{1, -Limits::infinity()})).item() == Limits::infinity());
  CHECK(std::isnan(norm(constant(Array<T>{Limits::infinity(), Limits::quiet_NaN(), 1})).item()));
  CHECK(norm(constant(zeros<T>({0}))).item() == 0);
  CHECK(
      error_of([] {
        standard_deviation(constant(zeros<T>({2, 1})), 1, false, 1);
      }) ==
      "invalid_argument: standard_deviation: need more than ddof = 1 elements, got 1 in shape (2, "
      "1)");
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

TEST_CASE("max, min and argmax point at the first NaN") {
  for (std::size_t place : {0, 1, 7, 16, 39}) {
    Array<float> numbers = full<float>({40}, 1.0f);
    numbers.data()[place] = std::numeric_limits<float>::quiet_NaN();
    numbers.data()[39] = std::numeric_limits<float>::quiet_NaN();
    CAPTURE(place);
    CHECK(std::isnan(max(constant(numbers)).item()));
    CHECK(std::isnan(min(constant(numbers)).item()));
    CHECK(std::isnan(logsumexp(constant(numbers)).item()));
    CHECK(argmax(numbers) == Indices(scalar<Index>(Index(place))));
  }
}

TEST_CASE("long sums of floats keep their digits, whatever the axis") {
  const std::size_t n = 1000000;
  const double item = double(0.1f), exact = double(n) * item;
  const Var<float> row = constant(full<float>({n}, 0.1f));
  CHECK(relative_error(sum(row).item(), exact) < 1e-6);
  CHECK(relative_error(sum(constant(full<float>({n, 3}, 0.1f)), 0).value()(1), exact) < 1e-6);
  CHECK(relative_error(sum(constant(full<float>({n / 2, 1, 2}, 0.1f)), Axes{0, 2}).item(), exact) <
        1e-6);
  CHECK(relative_error(mean(constant(full<float>({n, 3}, 0.1f)), 0).value()(2), item) < 1e-6);
  CHECK(relative_error(cumsum(row, 0).value()(n - 1), exact) < 1e-6);
  CHECK(relative_error(cumsum(constant(full<float>({n, 2}, 0.1f)), 0).value()(n - 1, 1), exact) <
        1e-6);

  // The other direction: a stretched operand's gradient is a sum.
  Tape<float> tape;
  const Var<float> bias = tape.leaf(zeros<float>({3})), x = tape.leaf(full<float>({n}, 0.0f));
  tape.backward(bias + constant(zeros<float>({n, 3})), full<float>({n, 3}, 0.1f));
  CHECK(relative_error(bias.grad()(0), exact) < 1e-6);
  tape.backward(cumsum(x, 0), full<float>({n}, 0.1f));
  CHECK(relative_error(x.grad()(0), exact) < 1e-6);
}

TEST_CASE("a constant's variance is zero, far from the origin, too") {
  CHECK(var(constant(full<float>({100}, 10000.1f))).item() == 0);
  CHECK(var(constant(full<float>({777, 3}, -1234567.0f)), 0).value() == zeros<float>({3}));
  Tape<double> tape;
  const Var<double> x = tape.leaf(full<double>({100}, 1e15 + 0.3));
  const Var<double> y = var(x);
  tape.backward(y);
  CHECK(y.item() == 0);
  CHECK(x.grad() == zeros<double>({100}));
}

TEST_CASE("logsumexp keeps its digits, and so does its gradient") {
  CHECK(relative_error(logsumexp(constant(zeros<float>({std::size_t(1) << 25}))).item(),
                       17.328679513998633) < 1e-7);
  const auto gradient = [](auto numbers) {
    using T = typename decltype(numbers)::value_type;
    Tape<T> tape;
    const Var<T> x = tape.leaf(numbers);
    tape.backward(logsumexp(x));
    return x.grad();
  };
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(gradient(Array<double>{1e16, 1e16}) == Array<double>{0.5, 0.5});
  CHECK(gradient(Array<double>{-1e16, -1e16, -inf}) == Array<double>{0.5, 0.5, 0.0});
  CHECK(gradient(Array<double>{inf, 1.0, inf}) == Array<double>{0.5, 0.0, 0.5});
  const Array<float> far = gradient(Array<float>{1e6f, 1e6f + 1, 1e6f - 1});
  CHECK(relative_error(double(far(0)) + double(far(1)) + double(far(2)), 1) < 1e-6);
  CHECK(relative_error(far(1), 0.66524095577482180) < 1e-6);
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
