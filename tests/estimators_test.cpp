#include "ops/estimators/estimators.hpp"

#include <map>

#include "apps/estimators/spread.hpp"
#include "engine/parameter.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/control_variate.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "relative_distance.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

constexpr std::size_t n = 4;
const Array<double> scores{0.3, -0.8, 0.9, 0.0};
const Array<double> weights{
    {0.7, -0.3, 0.1, 0.4}, {-0.9, 0.5, 0.8, 0.0}, {0.2, 1.1, -0.6, 0.3}, {0.0, -0.4, 0.9, 1.2}};

// A cost that is neither linear nor symmetric: sum (P - W)^2 + 2 (sum P W)^2.
template <class T> Var<T> quadratic(const Var<T>& P) {
  const Var<T> w = constant(convert<T>(weights));
  return sum(square(P - w), Axes{-2, -1}) + square(sum(P * w, Axes{-2, -1})) * 2;
}

template <class T> RelaxedSort<T> relaxed(double tau) {
  return [tau](const Var<T>& s) { return neural_sort(s, tau); };
}

const MatrixCost<double> f = quadratic<double>;
const OrderCost<double> f_on_orders = on_orders(f);

using Estimator = std::function<Var<double>(const Var<double>& s, Generator& random)>;

struct Measured {
  Spread value, gradient;
};

Measured measure(const Estimator& estimator, const Array<double>& s, int repeats) {
  Measured measured;
  Generator random(31);
  for (int i = 0; i < repeats; ++i) {
    Tape<double> tape;
    const Var<double> leaf = tape.leaf(s);
    const Var<double> y = estimator(leaf, random);
    tape.backward(y, full<double>(y.shape(), 1.0));
    measured.value.add(y.value());
    measured.gradient.add(leaf.grad());
  }
  return measured;
}

Measured exact(const Array<double>& s) {
  return measure([](const Var<double>& s, Generator&) { return exact_expectation(s, f_on_orders); },
                 s, 1);
}

// RELAX's control with parameters that are not at their beginning.
ControlVariate<double> some_control() {
  Generator random(8);
  ControlVariate<double> control =
      sum_of(relaxed_control(f, relaxed<double>(0.7), 0.8), network_control<double>(n, 5, random));
  for (Parameter<double>& phi : control.phi) {
    phi.value = phi.value + random.normal<double>(phi.value.shape(), 0, 0.3);
  }
  return control;
}

}  // namespace

TEST_CASE("exact_expectation is the sum over all orders") {
  double expected = 0;
  const Indices all = all_orders(n);
  for (std::size_t r = 0; r < 24; ++r) {
    Indices order = uninitialized<Index>({n});
    std::copy_n(all.data() + n * r, n, order.data());
    expected += std::exp(PlackettLuce<double>(constant(scores)).log_prob(order).item()) *
                f_on_orders(order).item();
  }
  CHECK(exact_expectation(constant(scores), f_on_orders).item() ==
        doctest::Approx(expected).epsilon(1e-14));
  // at n = 1 there is one order
  const OrderCost<double> three = [](const Indices& z) {
    return constant(full<double>({1, z.shape()[1]}, 3.0));
  };
  CHECK(exact_expectation(constant(zeros<double>({2, 1})), three).value() ==
        Array<double>{3.0, 3.0});
  // f's gradient is the probabilities
  Tape<double> tape;
  const Var<double> costs = tape.leaf(zeros<double>({24}));
  tape.backward(exact_expectation(constant(scores),
                                  OrderCost<double>([&](const Indices&) { return costs; })));
  const Array<double> log_p = PlackettLuce<double>(constant(scores)).log_prob(all).value();
  CHECK(distance(costs.grad(), Array<double>(xt::exp(log_p))) < 1e-15);

  check_rows({{"exact_expectation", {{2, 4}}, anywhere, [](const auto& x) {
                 using T = std::decay_t<decltype(x[0].item())>;
                 return exact_expectation(x[0], on_orders<T>(quadratic<T>));
               }}});
}

TEST_CASE("unbiased estimators agree with the enumeration, value and gradient, in a batch") {
  Array<double> batch = uninitialized<double>({2, n});
  for (std::size_t i = 0; i < n; ++i) {
    batch(0, i) = scores(i);
    batch(1, i) = -2 * scores(i);
  }
  RunningMean<double> running(0.9);
  ControlVariate<double> rebar = relaxed_control(f, relaxed<double>(1.0)), relax = some_control();
  const std::vector<std::pair<const char*, Estimator>> estimators{
      {"reinforce",
       [](const auto& s, auto& random) { return reinforce(s, f_on_orders, 3, random); }},
      {"running mean",
       [&](const auto& s, auto& random) { return reinforce(s, f_on_orders, 3, random, running); }},
      {"leave-one-out",
       [](const auto& s, auto& random) {
         return reinforce(s, f_on_orders, 3, random, Baseline::leave_one_out);
       }},
      {"rebar",
       [&](const auto& s, auto& random) {
         return control_variate_expectation(s, f_on_orders, rebar, 3, random);
       }},
      {"relax", [&](const auto& s, auto& random) {
         return control_variate_expectation(s, f_on_orders, relax, 3, random);
       }}};
  const Measured truth = exact(batch);
  for (const auto& row : estimators) {
    CAPTURE(row.first);
    const Measured measured = measure(row.second, batch, 4000);
    REQUIRE(measured.value.mean().shape() == Shape{2});
    CHECK(measured.value.deviation(truth.value.mean()) < 4);
    CHECK(measured.gradient.deviation(truth.gradient.mean()) < 4);
  }
  // The same criterion sees the bias of an estimator that has one.
  const Measured biased = measure(
      [](const auto& s, auto& random) {
        return reparameterized_expectation(s, f, relaxed<double>(5.0), 3, random);
      },
      batch, 4000);
  CHECK(biased.gradient.deviation(truth.gradient.mean()) > 20);
}

TEST_CASE("the relaxed estimator's bias falls and its variance grows as tau falls") {
  const Array<double> truth = exact(scores).gradient.mean();
  double last_bias = 0, last_variance = std::numeric_limits<double>::infinity();
  for (const double tau : {0.2, 1.0, 5.0}) {
    const Spread gradient =
        measure(
            [&](const auto& s, auto& random) {
              return reparameterized_expectation(s, f, relaxed<double>(tau), 2, random);
            },
            scores, 6000)
            .gradient;
    const Array<double> difference = gradient.mean() - truth;
    const double bias = std::sqrt(sum(square(constant(difference))).item());
    CHECK(bias > last_bias + 3 * std::sqrt(gradient.variance() / 6000));
    CHECK(gradient.variance() < last_variance / 2);
    last_bias = bias;
    last_variance = gradient.variance();
  }
  // Straight-through takes the slope of f at permutations only. If f is curved, that is not the
  // average slope on the way from one to the next, and the bias stays when tau is small.
  const Spread straight =
      measure(
          [&](const auto& s, auto& random) {
            return straight_through_expectation(s, f, relaxed<double>(0.2), 2, random);
          },
          scores, 6000)
          .gradient;
  CHECK(straight.deviation(truth) > 6);
}

TEST_CASE("straight-through and relaxed gradients are one where the cost is linear") {
  const MatrixCost<double> linear = [](const Var<double>& P) {
    return sum(P * constant(weights), Axes{-2, -1});
  };
  Tape<double> tape;
  const Var<double> s = tape.leaf(scores), t = tape.leaf(scores);
  Generator a(3), b(3), c(3);
  tape.backward(reparameterized_expectation(s, linear, relaxed<double>(1.0), 5, a));
  const Var<double> y = straight_through_expectation(t, linear, relaxed<double>(1.0), 5, b);
  tape.backward(y);
  CHECK(distance(t.grad(), s.grad()) < 1e-14);
  // its value is that of the hard orders
  const Indices orders = PlackettLuce<double>(constant(scores)).sample(c, {5});
  CHECK(y.item() == doctest::Approx(mean(on_orders(linear)(orders)).item()).epsilon(1e-14));
}

TEST_CASE("what else the cost depends on gets its gradient") {
  // f(z; theta) = theta^2 f(z): dF/dtheta = 2 theta E f
  const double theta = 1.5;
  const double expected = 2 * theta * exact_expectation(constant(scores), f_on_orders).item();
  ControlVariate<double> control = relaxed_control(f, relaxed<double>(1.0));
  for (const bool controlled : {false, true}) {
    Spread estimates;
    Generator random(17);
    for (int i = 0; i < 1000; ++i) {
      Tape<double> tape;
      const Var<double> s = tape.leaf(scores), scale = tape.leaf(scalar(theta));
      const OrderCost<double> scaled = [scale](const Indices& z) {
        return square(scale) * f_on_orders(z);
      };
      tape.backward(controlled ? control_variate_expectation(s, scaled, control, 2, random)
                               : reinforce(s, scaled, 2, random));
      estimates.add(scale.grad());
    }
    CHECK(estimates.deviation(scalar(expected)) < 4);
  }
}

TEST_CASE("a control variate that would lead to another tape is refused") {
  Tape<double> tape;
  const Var<double> s = tape.leaf(scores), scale = tape.leaf(scalar(1.5));
  ControlVariate<double> control = relaxed_control<double>(
      [scale](const Var<double>& P) { return scale * f(P); }, relaxed<double>(1.0));
  Generator random(1);
  CHECK(error_of([&] {
          control_variate_expectation(s, f_on_orders, control, 2, random);
        }).substr(0, 11) == "logic_error");
}

TEST_CASE("Learn::yes gives the gradient of |g|^2 with respect to every parameter") {
  ControlVariate<double> control = some_control();
  const auto squared_norm = [&](std::uint64_t seed, Learn learn) {
    Tape<double> tape;
    const Var<double> s = tape.leaf(scores);
    Generator random(seed);
    tape.backward(control_variate_expectation(s, f_on_orders, control, 1, random, learn));
    const Array<double> g = s.grad();
    return sum(square(constant(g))).item();
  };
  for (const std::uint64_t seed : {1, 2, 3}) {
    for (Parameter<double>& phi : control.phi) phi.zero_grad();
    squared_norm(seed, Learn::yes);
    for (Parameter<double>& phi : control.phi) {
      CAPTURE(phi.name);
      Array<double> numeric = uninitialized<double>(phi.value.shape());
      for (std::size_t i = 0; i < phi.value.size(); ++i) {
        double& x = phi.value.data()[i];
        const double at = x, h = 1e-5;
        x = at + h;
        const double up = squared_norm(seed, Learn::no);
        x = at - h;
        numeric.data()[i] = (up - squared_norm(seed, Learn::no)) / (2 * h);
        x = at;
      }
      CHECK(distance(phi.grad, numeric) < 1e-6);
    }
  }
}

TEST_CASE("learning the control variate lowers the variance") {
  ControlVariate<double> control = relaxed_control(f, relaxed<double>(1.0));
  const Estimator estimator = [&](const Var<double>& s, Generator& random) {
    return control_variate_expectation(s, f_on_orders, control, 2, random);
  };
  const double before = measure(estimator, scores, 1000).gradient.variance();
  Generator random(23);
  for (int step = 0; step < 300; ++step) {
    for (Parameter<double>& phi : control.phi) phi.zero_grad();
    control_variate_expectation(constant(scores), f_on_orders, control, 8, random, Learn::yes);
    for (Parameter<double>& phi : control.phi) phi.value = phi.value - 0.002 * phi.grad;
  }
  CHECK(measure(estimator, scores, 1000).gradient.variance() < 0.5 * before);
}

TEST_CASE("control variates in float, and without a gradient of their own") {
  const auto gradient = [](auto zero) {
    using T = decltype(zero);
    ControlVariate<T> control = relaxed_control<T>(quadratic<T>, relaxed<T>(1.0));
    Tape<T> tape;
    const Var<T> s = tape.leaf(convert<T>(scores));
    Generator random(2);
    tape.backward(control_variate_expectation(s, on_orders<T>(quadratic<T>), control, 3, random));
    for (const Parameter<T>& phi : control.phi) CHECK(phi.grad.data()[0] == T(0));
    return convert<double>(s.grad());
  };
  CHECK(distance(gradient(0.0f), gradient(0.0)) < 1e-5);
}

TEST_CASE("exact_expectation has the small gradient of a choice that is almost certain") {
  Tape<double> tape;
  const Var<double> s = tape.leaf(Array<double>{40.0, 0.0});
  tape.backward(exact_expectation<double>(s, [](const Indices&) {
    return constant(Array<double>{1.0, 3.0});  // of the orders 0, 1 and 1, 0
  }));
  const double q = std::exp(-40.0);
  CHECK(relative_distance(s.grad(), {-2 * q, 2 * q}, 0) < 1e-14);
}

TEST_CASE_TEMPLATE("estimators do not see an offset of the scores", T, float, double) {
  const MatrixCost<T> cost = [](const Var<T>& P) {
    const Array<T> weights{{T(1), T(-2), T(0.5)}, {T(3), T(0), T(1)}, {T(-1), T(2), T(1.5)}};
    const Var<T> x = sum(sum(P * constant(weights), -1), -1);
    return x * x;
  };
  const RelaxedSort<T> relaxed = [](const Var<T>& s) { return neural_sort(s, 4.0); };
  using Estimate = std::function<Var<T>(const Var<T>&, Generator&)>;
  const std::map<std::string, Estimate> estimates{
      {"reinforce",
       [&](const auto& s, Generator& r) {
         return reinforce<T>(s, on_orders<T>(cost), 8, r, Baseline::leave_one_out);
       }},
      {"control variate",
       [&](const auto& s, Generator& r) {
         auto control = relaxed_control<T>(cost, relaxed);
         return control_variate_expectation<T>(s, on_orders<T>(cost), control, 8, r, Learn::yes);
       }},
      {"network control",
       [&](const auto& s, Generator& r) {
         auto control = network_control<T>(3, 5, r);
         return control_variate_expectation<T>(s, on_orders<T>(cost), control, 8, r, Learn::yes);
       }},
      {"relaxed",
       [&](const auto& s, Generator& r) {
         return reparameterized_expectation<T>(s, cost, relaxed, 8, r);
       }},
      {"straight-through", [&](const auto& s, Generator& r) {
         return straight_through_expectation<T>(s, cost, relaxed, 8, r);
       }}};
  for (const auto& row : estimates) {
    const std::string name = row.first;
    CAPTURE(name);
    const auto at = [&, &estimate = row.second](const Array<T>& scores) {
      Tape<T> tape;
      const Var<T> s = tape.leaf(scores);
      Generator random(31);
      const Var<T> y = estimate(s, random);
      tape.backward(y);
      return std::array<Array<double>, 2>{scalar(double(y.item())), convert<double>(s.grad())};
    };
    const auto a = at({T(0), T(8), T(16)}), b = at({T(1e8), T(1e8) + 8, T(1e8) + 16});
    CHECK(a[0] == b[0]);
    CHECK(distance(a[1], b[1]) == 0);
    // A masked item is last for certain.
    const auto far = at({T(0), T(1), T(-1e30)});
    for (double g : far[1]) CHECK(std::isfinite(g));
    CHECK(std::abs(far[1](2)) < 1e-6);
  }
}

TEST_CASE("baselines") {
  const Array<double> costs{{1.0, 10.0}, {2.0, 20.0}, {6.0, 0.0}};  // 3 samples of 2 rows
  CHECK(leave_one_out_mean(costs) == Array<double>{{4.0, 10.0}, {3.5, 5.0}, {1.5, 15.0}});

  // The others' mean does not pass through a sum with the one that is left out.
  CHECK(leave_one_out_mean(Array<float>{1e8f, 1.0f, 2.0f}) ==
        Array<float>{1.5f, 50000001.0f, 50000000.5f});
  CHECK(leave_one_out_mean(Array<double>{1e30, 1.0, 2.0})(0) == 1.5);
  const Array<float> many = full<float>({100000, 1}, 0.1f);
  CHECK(leave_one_out_mean(many)(5, 0) == 0.1f);
  RunningMean<float> of_many(0.0f);
  of_many.update(many);
  CHECK(of_many.value({1})(0) == 0.1f);

  RunningMean<double> running(0.5);
  CHECK(running.value({2}) == Array<double>{0.0, 0.0});
  running.update(costs);
  CHECK(distance(running.value({2}), {3.0, 10.0}) < 1e-15);
  running.update(Array<double>{{6.0, 1.0}});
  CHECK(distance(running.value({2}), {(3.0 + 2 * 6.0) / 3, (10.0 + 2 * 1.0) / 3}) < 1e-15);
}

TEST_CASE("estimators refuse what has no meaning") {
  Generator random(1);
  const Var<double> s = constant(scores);
  CHECK(error_of([&] { reinforce(s, f_on_orders, 1, random, Baseline::leave_one_out); }) ==
        "invalid_argument: leave_one_out_mean: f is (1); need S >= 2 samples");
  const OrderCost<double> wrong = [](const Indices&) { return constant(scalar(1.0)); };
  CHECK(error_of([&] { reinforce(s, wrong, 2, random); }) ==
        "invalid_argument: reinforce: the cost of samples (2, 4) is (); need (2)");
  CHECK(error_of([&] { exact_expectation(constant(zeros<double>({9})), f_on_orders); }) ==
        "invalid_argument: all_orders: n is 9; need n <= 8, whose 40,320 orders are the most that "
        "is held");
  ControlVariate<double> control;
  control.value = [](const Var<double>& z, const std::vector<Var<double>>&) { return sum(z); };
  CHECK(
      error_of([&] { control_variate_expectation(s, f_on_orders, control, 2, random); }) ==
      "invalid_argument: control_variate_expectation: the control variate gave () for (2, 4); need "
      "one number for each sample");
  CHECK(error_of([] { RunningMean<float>(1.0f); }) ==
        "invalid_argument: RunningMean: decay must be in [0, 1), got 1");
  RunningMean<double> running;
  running.update(zeros<double>({3, 2}));
  CHECK(error_of([&] { running.value({4}); }) ==
        "invalid_argument: RunningMean: shapes differ: wanted is (4), taken in is (2)");
}
