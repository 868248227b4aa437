#include "apps/estimators/study.hpp"

#include <chrono>
#include <cmath>

#include "apps/finite.hpp"
#include "engine/parameter.hpp"
#include "engine/trap.hpp"
#include "models/optimizers.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/spread.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/neural_sort.hpp"

namespace tapesort {
namespace {

constexpr std::size_t largest_exact = 8;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
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
    throw std::runtime_error(to_message("estimators: ", name, ": ", error.what(),
                                        first_non_finite([&] { compute(again); })));
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

std::vector<Estimator> make_estimators(const Cost& cost, const StudySettings& settings) {
  const std::size_t samples = settings.samples, hidden = 32;
  const OrderCost<double> f = cost.of_orders;
  const MatrixCost<double> relaxed_f = cost.of_matrices;
  const RelaxedSort<double> sort = [tau = settings.tau](const Var<double>& s) {
    return neural_sort(s, tau);
  };
  const auto control = [&] { return relaxed_control(relaxed_f, sort); };
  Generator random = Generator(settings.seed).split(7);  // the network's first weights

  std::vector<Estimator> all;
  if (settings.n <= largest_exact) {
    all.push_back({"exact", false, false,
                   [f](const Var<double>& s, Generator&) { return exact_expectation(s, f); }});
  }
  all.push_back({"REINFORCE", false, false, [=](const Var<double>& s, Generator& random) {
                   return reinforce(s, f, samples, random);
                 }});
  auto running = std::make_shared<RunningMean<double>>(0.9);
  all.push_back({"+ running mean", false, false, [=](const Var<double>& s, Generator& random) {
                   return reinforce(s, f, samples, random, *running);
                 }});
  if (samples >= 2) {
    all.push_back({"+ leave-one-out", false, false, [=](const Var<double>& s, Generator& random) {
                     return reinforce(s, f, samples, random, Baseline::leave_one_out);
                   }});
  }
  all.push_back({"relaxed", true, false, [=](const Var<double>& s, Generator& random) {
                   return reparameterized_expectation(s, relaxed_f, sort, samples, random);
                 }});
  all.push_back({"straight-through", true, false, [=](const Var<double>& s, Generator& random) {
                   return straight_through_expectation(s, relaxed_f, sort, samples, random);
                 }});
  auto rebar = std::make_shared<ControlVariate<double>>(control());
  all.push_back({"REBAR", true, false, [=](const Var<double>& s, Generator& random) {
                   return control_variate_expectation(s, f, *rebar, samples, random);
                 }});
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
    const double start = seconds();
    for (std::size_t i = 0; i < chunk; ++i) {
      gradients.push_back(gradient_of(estimator.name, log_scores, random, estimator.estimate));
    }
    times.push_back((seconds() - start) / double(chunk));
    for (const Array<double>& gradient : gradients) spread.add(gradient);
  }
  std::nth_element(times.begin(), times.begin() + std::ptrdiff_t(times.size() / 2), times.end());
  const Array<double> difference = spread.mean() - truth.gradient;
  double squares = 0;
  for (double d : difference) squares += d * d;
  return {estimator.name, std::sqrt(squares),
          std::sqrt(spread.squared_error() + truth.squared_error), spread.variance(),
          times[times.size() / 2] * 1e6};
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
