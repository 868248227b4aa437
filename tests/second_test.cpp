// Duals, forward mode, and second derivatives by forward mode over reverse mode.
#include <doctest/doctest.h>

#include <sstream>

#include "engine/print.hpp"
#include "gradcheck/derivatives.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/logits.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/soft_sort.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// The element type of a Var.
template <class V>
using Number = typename std::decay_t<decltype(std::declval<V>().value())>::value_type;

// Checks the second derivatives of f by differences of its gradient, and jvp beside the Jacobian.
template <class F>
void check_second(const char* name, const std::vector<Shape>& shapes, const Draw& draw,
                  const F& f) {
  CAPTURE(name);
  Generator random(2019);
  std::vector<Array<double>> x;
  for (const Shape& shape : shapes) x.push_back(draw(random, shape));
  const VarFunction<double> f_numbers = [&](auto&, const auto& x) { return f(x); };
  const VarFunction<Dual<double>> f_duals = [&](auto&, const auto& x) { return f(x); };
  for (const GradcheckMode mode : {GradcheckMode::automatic, GradcheckMode::taylor}) {
    const GradcheckReport report =
        tapesort::detail::check_second(f_numbers, f_duals, x, GradcheckOptions{mode});
    CHECK_MESSAGE(report.ok(), name << "\n" << report.text());
  }

  // Of the first input: the value and J v are those of the tape of doubles.
  const auto of_one = [&](const auto& first) {
    using T = Number<decltype(first)>;
    std::vector<Var<T>> all{first};
    for (std::size_t i = 1; i < x.size(); ++i) {
      all.push_back(constant(convert<T>(x[i])));
    }
    return f(all);
  };
  const Array<double> v = random.normal<double>(x[0].shape());
  const Array<double> J = jacobian(of_one, x[0]), Jv = jvp(of_one, x[0], v);
  for (std::size_t i = 0; i < Jv.size(); ++i) {
    double expected = 0, size = 0;
    for (std::size_t j = 0; j < v.size(); ++j) {
      expected += J.data()[i * v.size() + j] * v.data()[j];
      size += std::abs(J.data()[i * v.size() + j] * v.data()[j]);
    }
    CHECK(std::abs(Jv.data()[i] - expected) <= 1e-13 * (1 + size));
  }
}

}  // namespace

TEST_CASE("second derivatives: elementwise operators") {
  const std::vector<Shape> one{{2, 3}}, two{{2, 3}, {3}};
  check_second("add", two, anywhere, [](auto& x) { return x[0] + x[1] + 1.5; });
  check_second("sub", two, anywhere, [](auto& x) { return 2 - (x[0] - x[1]); });
  check_second("mul", two, anywhere, [](auto& x) { return x[0] * x[1] * 3; });
  check_second("div", two, positive, [](auto& x) { return 2 / (x[0] / x[1] / 2); });
  check_second("neg", one, anywhere, [](auto& x) { return -x[0] * x[0]; });
  check_second("exp", one, anywhere, [](auto& x) { return exp(x[0]); });
  check_second("log", one, positive, [](auto& x) { return log(x[0]); });
  check_second("sqrt", one, positive, [](auto& x) { return sqrt(x[0]); });
  check_second("square", one, anywhere, [](auto& x) { return square(x[0]); });
  check_second("abs", one, distinct, [](auto& x) { return abs(x[0]) * x[0]; });
  check_second("relu", one, distinct, [](auto& x) { return relu(x[0]) * x[0]; });
  check_second("tanh", one, anywhere, [](auto& x) { return tanh(x[0]); });
  check_second("sigmoid", one, anywhere, [](auto& x) { return sigmoid(x[0]); });
  check_second("softplus", one, anywhere, [](auto& x) { return softplus(x[0]); });
  check_second("maximum", two, distinct, [](auto& x) { return square(maximum(x[0], x[1])); });
  check_second("minimum", two, distinct, [](auto& x) { return square(minimum(x[0], x[1])); });
  check_second("clip", one, distinct, [](auto& x) { return square(clip(x[0], -0.1, 0.1)); });
  check_second("where", two, distinct,
               [](auto& x) { return where(greater(x[0], x[1]), exp(x[0]), square(x[1])); });
  check_second("stop_gradient, straight_through", one, anywhere, [](auto& x) {
    return straight_through(x[0].value(), square(x[0])) * 0 + exp(x[0]);
  });
  check_second("pow", one, positive, [](auto& x) { return pow(x[0], 2.5); });
  check_second("pow of two", two, positive, [](auto& x) { return pow(x[0], x[1]); });
}

TEST_CASE("second derivatives: reductions, shapes, products, softmax") {
  const std::vector<Shape> one{{3, 4}};
  check_second("sum", one, anywhere, [](auto& x) { return square(sum(x[0], 0)); });
  check_second("mean", one, anywhere, [](auto& x) { return exp(mean(x[0], 1)); });
  check_second("var", one, anywhere, [](auto& x) { return square(var(x[0], {0})); });
  check_second("norm", one, anywhere, [](auto& x) { return norm(x[0], 1); });
  check_second("standard_deviation", one, anywhere,
               [](auto& x) { return standard_deviation(x[0], 0); });
  check_second("max", one, distinct, [](auto& x) { return exp(max(x[0], 1)); });
  check_second("min", one, distinct, [](auto& x) { return exp(min(x[0])); });
  check_second("logsumexp", one, anywhere, [](auto& x) { return logsumexp(x[0], 1); });
  check_second("logsumexp of ties", {{2}}, anywhere, [](auto& x) {
    return logsumexp(concat<Number<decltype(x[0])>>({x[0], x[0]}), 0);
  });
  check_second("cumsum", one, anywhere, [](auto& x) { return square(cumsum(x[0], 0)); });
  check_second("reshape, transpose, slice", one, anywhere, [](auto& x) {
    return exp(slice(transpose(reshape(x[0], {2, -1})), 0, 1, 4));
  });
  check_second("concat, stack, take", one, anywhere, [](auto& x) {
    const auto twice = take(x[0], Indices{0, 2, 0});
    return square(concat<Number<decltype(twice)>>({x[0], twice}, 1)) +
           exp(sum(stack<Number<decltype(twice)>>({x[0], twice})));
  });
  check_second("take_along_axis, broadcast_to", {{4}}, anywhere, [](auto& x) {
    return exp(broadcast_to(take_along_axis(x[0], Indices{3, 3, 0}), {2, 3}));
  });
  check_second("matmul", {{3, 4}, {4, 2}}, anywhere, [](auto& x) { return matmul(x[0], x[1]); });
  check_second("matmul, batched", {{2, 3, 2}, {1, 2, 3}}, anywhere,
               [](auto& x) { return exp(matmul(x[0], x[1])); });
  check_second("softmax", one, anywhere, [](auto& x) { return softmax(x[0]); });
  check_second("log_softmax", one, anywhere, [](auto& x) { return log_softmax(x[0]); });
  check_second("cross_entropy", one, anywhere, [](auto& x) {
    return cross_entropy(x[0], Indices{1, 0, 3});
  });
  check_second("mse", {{3}, {3}}, anywhere, [](auto& x) { return square(mse(x[0], x[1])); });
}

TEST_CASE("second derivatives: sorting and Plackett-Luce") {
  for (const Direction direction : {Direction::descending, Direction::ascending}) {
    check_second("neural_sort", {{2, 5}}, distinct, [=](auto& x) {
      return neural_sort(x[0], {0.7, direction});
    });
    for (const double power : {1.0, 2.0, 1.5}) {
      check_second("soft_sort", {{2, 5}}, distinct,
                   [=](auto& x) { return soft_sort(x[0], 0.3, power, direction); });
    }
  }
  check_second("neural_sort_logits", {{4}}, distinct,
               [](auto& x) { return exp(neural_sort_logits(x[0], 2)); });
  check_second("neural_sort_smooth", {{4}}, distinct,
               [](auto& x) { return neural_sort_smooth(x[0], 2, 0.3); });
  // All equal: at the ties of every pair.
  check_second(
      "neural_sort_smooth at ties", {{3}},
      [](Generator&, const Shape& shape) { return full<double>(shape, 0.5); },
      [](auto& x) { return neural_sort_smooth(x[0], 2, 0.3); });
  check_second("soft_sort_logits", {{4}}, distinct,
               [](auto& x) { return exp(soft_sort_logits(x[0], 2)); });
  const auto log_prob = [](const Indices& order) {
    return [=](auto& x) { return PlackettLuce(x[0]).log_prob(order); };
  };
  check_second("log_prob", {{4}}, anywhere, log_prob({2, 0, 3, 1}));
  check_second("log_prob, first places", {{2, 4}}, anywhere,
               log_prob({{{2, 0}, {1, 3}}, {{0, 1}, {0, 3}}, {{3, 2}, {2, 1}}}));
}

TEST_CASE("hessian, hessian_vector and jvp give what the formulas say") {
  const Array<double> x{1.0, -2.0, 0.5};
  const auto cubes = [](auto x) { return sum(x * x * x); };
  CHECK(hessian(cubes, x) == Array<double>{{6.0, 0.0, 0.0}, {0.0, -12.0, 0.0}, {0.0, 0.0, 3.0}});
  CHECK(hessian_vector(cubes, x, {1.0, 1.0, 2.0}) == Array<double>{6.0, -12.0, 6.0});
  CHECK(jvp([](auto x) { return x * x; }, x, {1.0, 1.0, 2.0}) == Array<double>{2.0, -4.0, 2.0});
  // ln sum e^x: diag(p) - p p^T
  const Array<double> p = softmax(constant(x)).value();
  const Array<double> H = hessian([](auto x) { return logsumexp(x); }, x);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(H(i, j) == doctest::Approx(p(i) * ((i == j) - p(j))).epsilon(1e-14));
    }
  }
  CHECK(error_of([&] { jvp(cubes, x, {1.0}); }) ==
        "invalid_argument: jvp: shapes differ: x is (3), v is (1)");
  CHECK(error_of([&] { hessian([](auto x) { return x * x; }, x); }) ==
        "invalid_argument: hessian_vector: f gives (3); need one number");
  // The leaf's gradient of x^3 carries 6 x.
  Tape<Dual<double>> tape;
  const Var<Dual<double>> v = tape.leaf({Dual<double>(2, 1)});
  tape.backward(v * v * v);
  CHECK(v.grad()(0).value == 12);
  CHECK(v.grad()(0).tangent == 12);
  CHECK(hessian([](auto x) { return stop_gradient(x); }, Array<double>{1.0})(0, 0) == 0);
}

TEST_CASE("second derivatives at 0, where parts of a formula have a kink and the whole has none") {
  const auto slope = [](const auto& f) { return jvp(f, Array<double>{0.0}, {1.0})(0); };
  CHECK(slope([](auto x) { return sigmoid(x); }) == 0.25);
  CHECK(slope([](auto x) { return softplus(x); }) == 0.5);
  CHECK(slope([](auto x) { return tanh(x); }) == 1);
  CHECK(hessian([](auto x) { return sum(softplus(x)); }, Array<double>{0.0})(0, 0) == 0.25);
  CHECK(hessian([](auto x) { return sum(sigmoid(x)); }, Array<double>{0.0})(0, 0) == 0);
  // Powers of 0.
  CHECK(slope([](auto x) { return pow(x, 0.0); }) == 0);
  CHECK(slope([](auto x) { return pow(x, 1.0); }) == 1);
  CHECK(hessian([](auto x) { return sum(pow(x, 1.0)); }, Array<double>{0.0})(0, 0) == 0);
  CHECK(hessian([](auto x) { return sum(pow(x, 2.0)); }, Array<double>{0.0})(0, 0) == 2);
  CHECK(jvp([](auto x) { return pow(0.0, x); }, Array<double>{2.0}, {1.0})(0) == 0);
}

TEST_CASE("gradgradcheck finds a second derivative that is wrong") {
  // The gradient of x^3 with 3 x^2 taken for a constant in the pullback.
  const auto stale = [](auto x) {
    using T = Number<decltype(x)>;
    return record("stale", {x}, Array<T>(x.value() * x.value() * x.value()), [](Node<T>& y) {
      const Array<T>& x = y.input(0).value();
      Array<T> slope = uninitialized<T>(x.shape());
      for (std::size_t i = 0; i < x.size(); ++i)
        slope.data()[i] = T(double(3 * x.data()[i] * x.data()[i]));
      accumulate(y.input(0), y.cotangent() * slope);
    });
  };
  const Array<double> x{1.0, -2.0};
  CHECK(gradcheck([&](Var<double> x) { return stale(x); }, {x}).ok());
  CHECK_FALSE(gradgradcheck(stale, {x}).ok());
  const GradcheckReport taylor = gradgradcheck(stale, {x}, {GradcheckMode::taylor});
  CHECK_FALSE(taylor.ok());
  CHECK(taylor.text().find("second derivative: analytic 0, numeric ") != std::string::npos);
  const GradcheckReport right =
      gradgradcheck([](auto x) { return x * x * x * x; }, {x}, {GradcheckMode::taylor});
  REQUIRE(right.rows[0].orders.size() == 3);
  CHECK(right.rows[0].orders[2] == doctest::Approx(3).epsilon(0.1));
}

TEST_CASE("a dual is a number with its derivative") {
  using D = Dual<double>;
  const D x(3, 1);
  CHECK((x * x * x).value == 27);
  CHECK((x * x * x).tangent == 27);
  CHECK((1 / x).tangent == doctest::Approx(-1.0 / 9));
  CHECK(pow(x, D(2)).tangent == 6);
  CHECK(abs(-x).tangent == 1);
  CHECK(tanh(D(20, 1)).tangent == doctest::Approx(4 * std::exp(-40)).epsilon(1e-12));
  CHECK(tanh(D(1000, 1)).tangent == 0);
  CHECK(x == D(3, 7));  // comparisons look at the value
  CHECK(isnan(D(1, NAN)));
  std::ostringstream text;
  text << x;
  CHECK(text.str() == "3 + 1t");
}
