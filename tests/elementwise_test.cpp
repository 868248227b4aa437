#include "ops/elementwise.hpp"

#include <limits>

#include "engine/simd.hpp"
#include "op_table.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("elementwise operators pass gradcheck, and float agrees with double") {
  check_rows({
      {"a + b", {{2, 3}, {2, 3}}, anywhere, [](const auto& x) { return x[0] + x[1]; }},
      {"a + b, row broadcast", {{2, 3}, {3}}, anywhere, [](const auto& x) { return x[0] + x[1]; }},
      {"a + b, column broadcast",
       {{2, 1}, {2, 3}},
       anywhere,
       [](const auto& x) { return x[0] + x[1]; }},
      {"a - b, outer", {{2, 1}, {1, 3}}, anywhere, [](const auto& x) { return x[0] - x[1]; }},
      {"a * b", {{4}, {4}}, anywhere, [](const auto& x) { return x[0] * x[1]; }},
      {"a * b, scalar", {{}, {2, 2, 3}}, anywhere, [](const auto& x) { return x[0] * x[1]; }},
      {"x * x", {{2, 3}}, anywhere, [](const auto& x) { return x[0] * x[0]; }},
      {"a / b", {{2, 3}, {2, 1}}, positive, [](const auto& x) { return x[0] / x[1]; }},
      {"numbers",
       {{3}},
       positive,
       [](const auto& x) { return (2 - (x[0] * 3 + 1) / 4) + 5 / x[0]; }},
      {"-x", {{3}}, anywhere, [](const auto& x) { return -x[0]; }},
      {"exp", {{2, 3}}, anywhere, [](const auto& x) { return exp(x[0]); }},
      {"log", {{2, 3}}, positive, [](const auto& x) { return log(x[0]); }},
      {"sqrt", {{2, 3}}, positive, [](const auto& x) { return sqrt(x[0]); }},
      {"square", {{2, 3}}, anywhere, [](const auto& x) { return square(x[0]); }},
      {"abs", {{2, 3}}, distinct, [](const auto& x) { return abs(x[0]); }},
      {"pow, number", {{2, 3}}, positive, [](const auto& x) { return pow(x[0], 2.5); }},
      {"pow", {{2, 3}, {3}}, positive, [](const auto& x) { return pow(x[0], x[1]); }},
      {"tanh", {{2, 3}}, anywhere, [](const auto& x) { return tanh(x[0]); }},
      {"sigmoid", {{2, 3}}, anywhere, [](const auto& x) { return sigmoid(x[0]); }},
      {"relu", {{2, 3}}, distinct, [](const auto& x) { return relu(x[0]); }},
      {"softplus", {{2, 3}}, anywhere, [](const auto& x) { return softplus(x[0]); }},
      {"maximum",
       {{2, 3}, {3}},
       distinct,
       [](const auto& x) { return maximum(x[0], x[1] * 1.015625); }},
      {"minimum",
       {{2, 3}, {2, 1}},
       distinct,
       [](const auto& x) { return minimum(x[0], x[1] * 1.015625); }},
      {"clip", {{2, 5}}, distinct, [](const auto& x) { return clip(x[0], -0.1875, 0.3125); }},
      {"where",
       {{2, 3}, {1, 3}},
       distinct,
       [](const auto& x) { return where(greater(x[0], x[1] * 0.5), x[0], x[1]); }},
      {"stop_gradient",
       {{2, 3}},
       anywhere,
       [](const auto& x) { return x[0] + 0 * stop_gradient(x[0]); }},
  });
}

TEST_CASE("elementwise operators at kinks and extremes do what their header says") {
  Tape<double> tape;
  const auto gradient = [&](const Array<double>& at, auto op) {
    const Var<double> x = tape.leaf(at);
    const Var<double> y = op(x);
    tape.backward(y, full<double>(y.shape(), 1.0));
    return x.grad();
  };
  CHECK(gradient({0.0}, [](auto x) { return abs(x); }) == Array<double>{0.0});
  CHECK(gradient({0.0}, [](auto x) { return relu(x); }) == Array<double>{0.0});
  CHECK(gradient({0.0}, [](auto x) { return pow(x, 0.0); }) == Array<double>{0.0});
  CHECK(gradient({1.0}, [](auto x) { return maximum(x, tapesort::constant<double>({1.0})); }) ==
        Array<double>{0.5});
  CHECK(gradient({-1.0, 2.0}, [](auto x) { return clip(x, -1.0, 1.0); }) ==
        Array<double>{1.0, 0.0});
  CHECK(softplus(tape.constant({-800.0, 800.0})).value() == Array<double>{0.0, 800.0});
  CHECK(sigmoid(tape.constant({-800.0, 800.0})).value() == Array<double>{0.0, 1.0});
}

namespace {

// What `op` makes of x, at places 0 .. length - 1 of an array of that length.
template <class T, class F> std::vector<Array<T>> at_every_length(T x, F op) {
  std::vector<Array<T>> results;
  for (std::size_t length = 1; length <= 2 * Lanes<T>::size + 1; ++length) {
    Tape<T> tape;
    const Var<T> leaf = tape.leaf(full<T>({length}, x));
    const Var<T> y = op(leaf);
    results.push_back(y.value());
    if (!y.needs_grad()) continue;
    tape.backward(y, full<T>({length}, T(1)));
    results.push_back(leaf.grad());
  }
  return results;
}

template <class T> bool same(T a, T b) { return a == b || (std::isnan(a) && std::isnan(b)); }

template <class T> void check_places() {
  const T largest = std::numeric_limits<T>::max(), infinity = std::numeric_limits<T>::infinity();
  const T denormal = std::numeric_limits<T>::denorm_min();
  const auto none = std::numeric_limits<T>::quiet_NaN();
  const auto check = [&](const char* name, auto op) {
    CAPTURE(name);
    for (T x : {T(0), T(-0.0), T(0.3), T(-7), T(88.5), T(-103), T(709.5), T(-745), largest,
                -largest, infinity, -infinity, denormal, none}) {
      CAPTURE(x);
      const auto results = at_every_length(x, op);
      const std::size_t kinds = results[1].size() == results[0].size() ? 2 : 1;  // value, gradient
      for (std::size_t i = 0; i < results.size(); ++i) {
        for (T y : results[i]) CHECK(same(y, results[i % kinds].data()[0]));
      }
    }
  };
  check("exp", [](const Var<T>& x) { return exp(x); });
  check("log", [](const Var<T>& x) { return log(x); });
  check("sqrt", [](const Var<T>& x) { return sqrt(x); });
  check("abs", [](const Var<T>& x) { return abs(x); });
  check("tanh", [](const Var<T>& x) { return tanh(x); });
  check("sigmoid", [](const Var<T>& x) { return sigmoid(x); });
  check("softplus", [](const Var<T>& x) { return softplus(x); });
  check("relu", [](const Var<T>& x) { return relu(x); });
  check("maximum", [](const Var<T>& x) { return maximum(x, x * T(0.5)); });
  check("minimum", [](const Var<T>& x) { return minimum(x, x * T(0.5)); });
  check("clip", [](const Var<T>& x) { return clip(x, T(-1), T(1)); });
  check("where", [](const Var<T>& x) { return where(x, x + T(1), x - T(1)); });
  check("greater", [](const Var<T>& x) { return greater(x, T(2) * x); });
}

}  // namespace

TEST_CASE("the gradient of pow in float, where its value is out of a float's range") {
  const auto exponent_bar = [](float a, float ybar) {
    Tape<float> tape;
    const Var<float> b = tape.leaf({2.0f});
    tape.backward(pow(constant(Array<float>{a}), b), Array<float>{ybar});
    return b.grad()(0);
  };
  CHECK(exponent_bar(1e20f, 1e-10f) == doctest::Approx(4.605170e31));  // 1e40 ln 1e20
  CHECK(exponent_bar(1e20f, 0) == 0);
  CHECK(exponent_bar(1e-25f, 1e30f) == doctest::Approx(-5.756463e-19));  // 1e-50 ln 1e-25
}

TEST_CASE("an element's result does not depend on its place or on the array's length") {
  check_places<float>();
  check_places<double>();
}

TEST_CASE("exp and log reach as far as their type does") {
  const auto all = [](float x) { return constant(full<float>({16}, x)); };
  CHECK(relative_error(exp(all(88.5f)).value()(7), 2.7230878250681116e38) < 1e-6);
  CHECK(relative_error(exp(all(-100.0f)).value()(7), 3.720075976020836e-44) < 0.02);  // denormal
  CHECK(std::isinf(exp(all(88.8f)).value()(7)));
  CHECK(relative_error(exp(constant(full<double>({8}, 709.5))).value()(7), 1.3549863193146328e308) <
        1e-14);
  CHECK(relative_error(log(constant(full<double>({8}, 4.9406564584124654e-324))).value()(7),
                       -744.4400719213812) < 1e-15);
}

TEST_CASE("a NaN stays a NaN in every lane") {
  const float none = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t length : {1, 3, 16, 37}) {
    for (std::size_t place = 0; place < length; ++place) {
      Array<float> numbers = full<float>({length}, 0.25f);
      numbers.data()[place] = none;
      const Var<float> x = constant(numbers), zero = constant(scalar(0.0f));
      const auto check = [&](const char* name, const Var<float>& y) {
        CAPTURE(name);
        CAPTURE(length);
        CAPTURE(place);
        for (std::size_t i = 0; i < length; ++i) {
          CHECK(std::isnan(y.value().data()[i]) == (i == place));
        }
      };
      check("maximum(x, 0)", maximum(x, zero));
      check("maximum(0, x)", maximum(zero, x));
      check("minimum(x, 0)", minimum(x, zero));
      check("minimum(0, x)", minimum(zero, x));
      check("relu", relu(x));
      check("clip", clip(x, -1, 1));
      check("abs", abs(x));
      check("exp", exp(x));
      check("log", log(x));
      check("tanh", tanh(x));
      check("sigmoid", sigmoid(x));
      check("softplus", softplus(x));
      check("where, taken", where(constant(scalar(1.0f)), x, zero));
    }
  }
  // Not taken, and as a condition, which it meets.
  const Var<float> all_none = constant(full<float>({16}, none)), one = constant(scalar(1.0f));
  CHECK(where(constant(scalar(0.0f)), all_none, one).value() == full<float>({16}, 1.0f));
  CHECK(where(all_none, one, -one).value() == full<float>({16}, 1.0f));
}

TEST_CASE("slopes of saturated functions keep their digits") {
  const auto slope = [](auto op, auto x) {
    using T = decltype(x);
    Tape<T> tape;
    const Var<T> leaf = tape.leaf(scalar(x));
    tape.backward(op(leaf));
    return double(leaf.grad().data()[0]);
  };
  const auto sigmoid_ = [](const auto& x) { return sigmoid(x); };
  const auto tanh_ = [](const auto& x) { return tanh(x); };
  const auto softplus_ = [](const auto& x) { return softplus(x); };
  CHECK(relative_error(slope(sigmoid_, 18.0f), 1.522997928080807e-8) < 1e-6);
  CHECK(relative_error(slope(sigmoid_, -18.0f), 1.522997928080807e-8) < 1e-6);
  CHECK(relative_error(slope(sigmoid_, 40.0), 4.2483542552915889953e-18) < 1e-14);
  CHECK(relative_error(slope(tanh_, 10.0f), 8.244614455767397e-9) < 1e-6);
  CHECK(relative_error(slope(tanh_, -20.0), 1.6993417021166355e-17) < 1e-14);
  CHECK(relative_error(slope(softplus_, -100.0), 3.720075976020836e-44) < 1e-14);
}

TEST_CASE("elementwise operators name the shapes that do not broadcast") {
  Tape<float> tape;
  const Var<float> a = tape.leaf(zeros<float>({2, 3})), b = tape.leaf(zeros<float>({4}));
  CHECK(
      error_of([&] { a* b; }) ==
      "invalid_argument: mul: shapes (2, 3) and (4) do not broadcast; counted from the last axis, "
      "extents must be equal or 1");
  CHECK(error_of([&] { where(b, a, a); }).find("where: shapes (2, 3) and (4)") !=
        std::string::npos);
  CHECK(error_of([&] { clip(a, 1, 0); }) ==
        "invalid_argument: clip: need low <= high, got 1 and 0");
}

TEST_CASE("a number may bound, and a boolean array may choose") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{-1.0, 2.0, 3.0});
  CHECK(maximum(x, 0).value() == Array<double>{0.0, 2.0, 3.0});
  CHECK(minimum(x, 2.5).value() == Array<double>{-1.0, 2.0, 2.5});
  CHECK(argmax(x)() == 2);
  const auto y = where(x.value() > 0.0, x, -x);
  CHECK(y.value() == Array<double>{1.0, 2.0, 3.0});
  tape.backward(sum(y));
  CHECK(x.grad() == Array<double>{-1.0, 1.0, 1.0});
}

TEST_CASE(
    "straight-through factors that multiply gate each other's gradient; one of their product does "
    "not") {
  // Both gates are shut, and 1 - a b falls only when both open.
  const auto hard = [](const Var<double>& x) {
    return convert<double>(Array<bool>(x.value() > 0.0));
  };
  const auto descend = [&](const auto& product) {
    Array<double> x{-1.0, -2.0};
    for (int step = 0; step < 400; ++step) {
      Tape<double> tape;
      const Var<double> v = tape.leaf(x);
      tape.backward(1 - product(slice(v, 0, 0, 1), slice(v, 0, 1, 2)), full<double>({1}, 1.0));
      x -= 0.5 * v.grad();
    }
    return x;
  };
  const Array<double> of_each = descend([&](const Var<double>& x, const Var<double>& y) {
    return straight_through(hard(x), sigmoid(x)) * straight_through(hard(y), sigmoid(y));
  });
  CHECK(of_each == Array<double>{-1.0, -2.0});  // no step was made
  const Array<double> of_product = descend([&](const Var<double>& x, const Var<double>& y) {
    return straight_through(Array<double>(hard(x) * hard(y)), sigmoid(x) * sigmoid(y));
  });
  CHECK(of_product(0) > 0);
  CHECK(of_product(1) > 0);
  // A gate alone opens.
  const Array<double> alone = descend([&](const Var<double>& x, const Var<double>& y) {
    return straight_through(hard(x), sigmoid(x)) + straight_through(hard(y), sigmoid(y));
  });
  CHECK(alone(0) > 0);
  CHECK(alone(1) > 0);
}
