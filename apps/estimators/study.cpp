#include "apps/estimators/study.hpp"

#include <cmath>

#include "apps/bench/measure.hpp"
#include "apps/estimators/spread.hpp"
#include "apps/training/finite.hpp"
#include "engine/check.hpp"
#include "engine/parameter.hpp"
#include "engine/trap.hpp"
#include "models/optimizers.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/neural_sort.hpp"

namespace tapesort {
namespace {

constexpr std::size_t largest_exact = 8;

// f(order) for each order (S, ..., n) -> (S, ...)
template <class F> OrderCost<double> for_each_order(F f) {
  return [f](const Indices& orders) {
    const std::size_t n = orders.shape().back();
    Array<double> cost =
        uninitialized<double>(Shape(orders.shape().begin(), orders.shape().end() - 1));
    for (std::size_t r = 0; r < cost.size(); ++r) cost.data()[r] = f(orders.data() + r * n, n);
    return constant(std::move(cost));
  };
}

Cost linear_cost(const Array<double>& C, double offset) {
  Cost cost;
  cost.of_orders = for_each_order([C, offset](const Index* z, std::size_t n) {
    double sum = offset;
    for (std::size_t i = 0; i < n; ++i) sum += C.data()[i * n + std::size_t(z[i])];
    return sum;
  });
  cost.of_matrices = [C, offset](const Var<double>& P) {
    return sum(P * constant(C), Axes{-2, -1}) + offset;
  };
  return cost;
}

// On permutations |P|^2 = n, so the square is linear there.
Cost target_cost(std::size_t n) {
  const double more = 0.05, less = n > 1 ? more / double(n - 1) : 0;
  Array<double> target = full<double>({n, n}, 1 / double(n) - less);
  for (std::size_t i = 0; i < n; ++i) target(i, i) = 1 / double(n) + (n > 1 ? more : 0);
  double squares = 0;
  for (double t : target) squares += t * t;
  Cost cost = linear_cost(-2.0 * target, double(n) + squares);
  cost.of_matrices = [target](const Var<double>& P) {
    return sum(square(P - constant(target)), Axes{-2, -1});
  };
  return cost;
}

Cost tour_cost(std::size_t n, Generator& random) {
  const Array<double> points = random.uniform<double>({n, 2});
  Array<double> distances = uninitialized<double>({n, n});
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      distances(i, j) = std::hypot(points(i, 0) - points(j, 0), points(i, 1) - points(j, 1));
    }
  }
  Cost cost;
  cost.of_orders = for_each_order([distances](const Index* z, std::size_t n) {
    double length = 0;
    for (std::size_t i = 0; i < n; ++i) {
      length += distances.data()[std::size_t(z[i]) * n + std::size_t(z[(i + 1) % n])];
    }
    return length;
  });
  // sum_i P_i D P_(i+1)^T
  cost.of_matrices = [distances](const Var<double>& P) {
    const Index n = Index(P.shape().back());
    const Var<double> next = concat<double>({slice(P, -2, 1, n), slice(P, -2, 0, 1)}, -2);
    return sum(matmul(P, constant(distances)) * next, Axes{-2, -1});
  };
  return cost;
}

// The gradient of one estimate. std::runtime_error, with the first operator whose result is not
// finite, when the gradient is not.
template <class F>
Array<double> gradient_of(const std::string& name, const Array<double>& log_scores,
                          Generator& random, const F& estimate) {
  const auto compute = [&](Generator& random) {
    Tape<double> tape;
    const Var<double> s = tape.leaf(log_scores);
    tape.backward(estimate(s, random));
    require_finite("the gradient", s.grad());
    return s.grad();
  };
  Generator again = random;
  try {
    return compute(random);
  } catch (const NonFiniteError& error) {
    fault("estimators: ", name, ": ", error.what(), first_non_finite([&] { compute(again); }));
  }
}

// REBAR or RELAX whose control variate takes an Adam step after each estimate. phi[2] must be
// relaxed_control's offset: it begins where c has f's mean, which small steps are slow to find.
Estimator learnt(std::string name, const Cost& cost, ControlVariate<double> initial,
                 std::size_t samples) {
  struct State {
    explicit State(ControlVariate<double> initial) : control(std::move(initial)) {
      for (Parameter<double>& parameter : control.phi) phi.push_back(&parameter);
      optimizer = std::make_unique<Adam<double>>(phi, 0.01);
    }
    void centre(const Var<double>& s, const OrderCost<double>& f, Generator& random) {
      const Array<double> z =
          PlackettLuce<double>(stop_gradient(s)).perturbed(random, {100}).value();
      std::vector<Var<double>> fixed;
      for (const Parameter<double>* parameter : phi) fixed.push_back(constant(parameter->value));
      phi[2]->value = mean(f(argsort(z)) - control.value(constant(z), fixed)).value();
    }
    ControlVariate<double> control;
    std::vector<Parameter<double>*> phi;
    std::unique_ptr<Adam<double>> optimizer;
  };
  auto state = std::make_shared<State>(std::move(initial));
  return {std::move(name), false, true,
          [state, f = cost.of_orders, samples](const Var<double>& s, Generator& random) {
            if (state->optimizer->steps() == 0) state->centre(s, f, random);
            state->optimizer->zero_grad();
            Var<double> y =
                control_variate_expectation(s, f, state->control, samples, random, Learn::yes);
            state->optimizer->step();
            for (const Parameter<double>* parameter : state->phi) {
              require_finite("the control variate's " + parameter->name, parameter->value);
            }
            return y;
          }};
}

}  // namespace

std::vector<CostEntry>& costs() {
  static std::vector<CostEntry> all{
      {"target", [](std::size_t n, Generator&) { return target_cost(n); }},
      {"linear",
       [](std::size_t n, Generator& random) {
         return linear_cost(random.normal<double>({n, n}), 0);
       }},
      {"tour", tour_cost},
  };
  return all;
}

std::vector<Estimator> make_estimators(const Cost& cost, const StudySettings& settings) {
  const std::size_t samples = settings.samples, hidden = 32;
  const OrderCost<double> f = cost.of_orders;
  const MatrixCost<double> relaxed_f = cost.of_matrices;
  const RelaxedSort<double> sort = [tau = settings.tau](const Var<double>& s) {
    return neural_sort(s, tau);
  };
  const auto control = [&] { return relaxed_control(relaxed_f, sort); };
  Generator random = Generator(settings.seed).split(7);  // the network's first weights

  using V = Var<double>;
  std::vector<Estimator> all;
  const auto add = [&](const char* name, bool uses_tau, const auto& estimate) {
    all.push_back({name, uses_tau, false, estimate});
  };
  if (settings.n <= largest_exact) {
    add("exact", false, [=](const V& s, Generator&) { return exact_expectation(s, f); });
  }
  add("REINFORCE", false,
      [=](const V& s, Generator& random) { return reinforce(s, f, samples, random); });
  add("+ running mean", false,
      [=, running = std::make_shared<RunningMean<double>>(0.9)](const V& s, Generator& random) {
        return reinforce(s, f, samples, random, *running);
      });
  if (samples >= 2) {
    add("+ leave-one-out", false, [=](const V& s, Generator& random) {
      return reinforce(s, f, samples, random, Baseline::leave_one_out);
    });
  }
  add("relaxed", true, [=](const V& s, Generator& random) {
    return reparameterized_expectation(s, relaxed_f, sort, samples, random);
  });
  add("straight-through", true, [=](const V& s, Generator& random) {
    return straight_through_expectation(s, relaxed_f, sort, samples, random);
  });
  add("REBAR", true,
      [=, rebar = std::make_shared<ControlVariate<double>>(control())](const V& s,
                                                                       Generator& random) {
        return control_variate_expectation(s, f, *rebar, samples, random);
      });
  all.push_back(learnt("REBAR, learnt", cost, control(), samples));
  all.push_back(learnt("RELAX, learnt", cost,
                       sum_of(control(), network_control<double>(settings.n, hidden, random)),
                       samples));
  return all;
}

Truth true_gradient(const Cost& cost, const Array<double>& log_scores, std::uint64_t seed) {
  if (log_scores.size() <= largest_exact) {
    Generator unused(seed);
    return {gradient_of("exact", log_scores, unused,
                        [&](const Var<double>& s, Generator&) {
                          return exact_expectation(s, cost.of_orders);
                        }),
            0};
  }
  Spread spread;
  Generator random = Generator(seed).split(3);
  for (int i = 0; i < 1000; ++i) {
    spread.add(
        gradient_of("reference", log_scores, random, [&](const Var<double>& s, Generator& random) {
          return reinforce(s, cost.of_orders, 100, random, Baseline::leave_one_out);
        }));
  }
  return {spread.mean(), spread.squared_error()};
}

Quality measure(const Estimator& estimator, const Array<double>& log_scores, const Truth& truth,
                const StudySettings& settings) {
  // Those that carry nothing over are only given time to warm the caches.
  Generator random = Generator(settings.seed).split(4);
  const std::size_t warm_up = estimator.learns ? settings.warm_up : 20;
  for (std::size_t i = 0; i < warm_up; ++i)
    gradient_of(estimator.name, log_scores, random, estimator.estimate);

  Spread spread;
  std::vector<double> times;  // of chunks; their median is not disturbed by an interruption
  const std::size_t chunk = std::max<std::size_t>(1, settings.estimates / 20);
  for (std::size_t done = 0; done < settings.estimates; done += chunk) {
    std::vector<Array<double>> gradients;
    times.push_back(seconds_of([&] {
      for (std::size_t i = 0; i < chunk; ++i) {
        gradients.push_back(gradient_of(estimator.name, log_scores, random, estimator.estimate));
      }
    }));
    for (const Array<double>& gradient : gradients) spread.add(gradient);
  }
  return {estimator.name, norm(constant<double>(spread.mean() - truth.gradient)).item(),
          std::sqrt(spread.squared_error() + truth.squared_error), spread.variance(),
          median(times) / double(chunk) * 1e6};
}

double expected_cost(const Cost& cost, const Array<double>& log_scores, std::uint64_t seed) {
  const Var<double> s = constant(log_scores);
  if (log_scores.size() <= largest_exact) return exact_expectation(s, cost.of_orders).item();
  Generator random = Generator(seed).split(5);
  return mean(cost.of_orders(PlackettLuce<double>(s).sample(random, {2000}))).item();
}

Descent descend(const Estimator& estimator, const Cost& cost, std::size_t steps,
                double learning_rate, const StudySettings& settings) {
  Parameter<double> log_scores("log_scores", zeros<double>({settings.n}));
  Adam<double> optimizer({&log_scores}, learning_rate);
  Generator random = Generator(settings.seed).split(6);
  Descent descent{estimator.name, {}, {}, 0};
  const std::size_t between = std::max<std::size_t>(1, steps / 50);
  double start = seconds();
  for (std::size_t step = 0;; ++step) {
    if (step % between == 0 || step == steps) {
      descent.seconds += seconds() - start;
      descent.step.push_back(double(step));
      descent.cost.push_back(expected_cost(cost, log_scores.value, settings.seed));
      start = seconds();
    }
    if (step == steps) return descent;
    log_scores.grad = gradient_of(estimator.name, log_scores.value, random, estimator.estimate);
    optimizer.step();
    require_finite("estimators: " + estimator.name + ": log_scores", log_scores.value);
  }
}

}  // namespace tapesort
