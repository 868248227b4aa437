#include "ops/estimators/control_variate.hpp"

#include <cmath>
#include <limits>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parameter.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/conditional_noise.hpp"
#include "ops/matmul.hpp"
#include "ops/noise.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

template <class T>
Var<T> evaluate_control(const ControlVariate<T>& control, const Var<T>& z,
                        const std::vector<Var<T>>& phi) {
  Var<T> c = control.value(z, phi);
  require(c.shape() == shape_of_sets(z.shape()),
          "control_variate_expectation: the control variate gave ", c.shape(), " for ", z.shape(),
          "; need one number for each sample");
  return c;
}

// Samples b with all that the estimator knows about them.
template <class T> struct Samples {
  Array<T> z;             // perturbed scores (S, ..., n), near zero
  Indices orders;         // what they sort to
  Array<T> exponentials;  // for conditional_perturbed
  Array<T> f;             // f(b), (S, ...)
  Array<T> c, grad_c;     // c(z), and its gradient in z
};

// Each sample's c(z) grad, along dz/ds - dz~/ds; a function of s for its gradient alone. (S, ...)
template <class T> Var<T> along_cancelling(const Var<T>& s, const Samples<T>& drawn) {
  return sum(
      (s - conditional_perturbed(s, drawn.orders, drawn.exponentials)) * constant(drawn.grad_c),
      -1);
}

// Adds the gradient of the mean of |g|^2 to that of phi. log_scores are near zero, as z is.
template <class T>
void learn_phi(const Array<T>& log_scores, const Samples<T>& drawn, ControlVariate<T>& control) {
  const std::size_t n = log_scores.shape().back(), rows = drawn.f.size();
  const T per_sample = T(1) / T(drawn.f.shape()[0]);

  // g and grad log p of each sample alone: every sample gets log-scores of its own.
  Tape<T> tape;
  const Var<T> s = tape.leaf(broadcast_to(constant(log_scores), drawn.z.shape()).value());
  const Var<T> log_p = PlackettLuce<T>(s).log_prob(drawn.orders);
  tape.backward(sum(log_p));
  const Array<T> grad_log_p = s.grad();
  tape.backward(sum(constant<T>(drawn.f - drawn.c) * log_p + along_cancelling(s, drawn)));
  const Array<T> g = s.grad() - grad_log_p;

  Array<T> along_grad_log_p = uninitialized<T>(drawn.f.shape());
  Array<T> norm = uninitialized<T>(drawn.f.shape());
  Array<T> step = uninitialized<T>(g.shape());  // h g / |g|
  const T h = std::cbrt(std::numeric_limits<T>::epsilon());
  for (std::size_t r = 0; r < rows; ++r) {
    const T *g_row = g.data() + r * n, *log_p_row = grad_log_p.data() + r * n;
    double squares = 0, product = 0;
    for (std::size_t i = 0; i < n; ++i) {
      squares += double(g_row[i]) * double(g_row[i]);
      product += double(g_row[i]) * double(log_p_row[i]);
    }
    norm.data()[r] = T(std::sqrt(squares));
    along_grad_log_p.data()[r] = T(product);
    const T scale = squares > 0 ? h / norm.data()[r] : T(0);
    for (std::size_t i = 0; i < n; ++i) step.data()[r * n + i] = scale * g_row[i];
  }
  // h w / |g|, where z~ is differenced too: it is cheap beside c.
  const auto conditional = [&](const Array<T>& s) {
    return conditional_perturbed(constant(s), drawn.orders, drawn.exponentials).value();
  };
  const Array<T> up = s.value() + step, down = s.value() - step;
  const Array<T> move = step - (conditional(up) - conditional(down)) / T(2);

  Tape<T> variance_tape;
  std::vector<Var<T>> phi;
  for (Parameter<T>& parameter : control.phi) phi.push_back(variance_tape.leaf(parameter));
  const auto c_at = [&](const Array<T>& z) { return evaluate_control(control, constant(z), phi); };
  const Array<T> ahead = drawn.z + move, behind = drawn.z - move;
  const Var<T> along_g = (c_at(ahead) - c_at(behind)) * constant<T>(norm / (2 * h)) -
                         c_at(drawn.z) * constant(along_grad_log_p);
  if (along_g.needs_grad()) variance_tape.backward(sum(along_g) * (2 * per_sample));
}

}  // namespace

template <class T>
ControlVariate<T> relaxed_control(MatrixCost<T> f, RelaxedSort<T> relaxed_sort, T eta) {
  ControlVariate<T> control;
  control.phi.emplace_back("eta", scalar(eta));
  control.phi.emplace_back("log_temperature", scalar(T(0)));
  control.phi.emplace_back("offset", scalar(T(0)));
  control.value = [f = std::move(f), relaxed_sort = std::move(relaxed_sort)](
                      const Var<T>& z, const std::vector<Var<T>>& phi) {
    return phi[0] * f(relaxed_sort(z * exp(-phi[1]))) + phi[2];
  };
  return control;
}

template <class T>
ControlVariate<T> network_control(std::size_t n, std::size_t hidden, Generator& random) {
  ControlVariate<T> control;
  control.phi.emplace_back("W", random.normal<T>({n, hidden}, T(0), T(1) / std::sqrt(T(n))));
  control.phi.emplace_back("bias", zeros<T>({hidden}));
  control.phi.emplace_back("out", zeros<T>({hidden}));
  control.phi.emplace_back("offset", scalar(T(0)));
  control.value = [](const Var<T>& z, const std::vector<Var<T>>& phi) {
    return matmul(tanh(matmul(z, phi[0]) + phi[1]), phi[2]) + phi[3];
  };
  return control;
}

template <class T> ControlVariate<T> sum_of(ControlVariate<T> first, ControlVariate<T> second) {
  ControlVariate<T> control;
  const std::size_t split = first.phi.size();
  for (auto* part : {&first, &second}) {
    for (Parameter<T>& phi : part->phi) control.phi.emplace_back(phi.name, std::move(phi.value));
  }
  control.value = [split, first = std::move(first.value), second = std::move(second.value)](
                      const Var<T>& z, const std::vector<Var<T>>& phi) {
    const auto middle = phi.begin() + std::ptrdiff_t(split);
    return first(z, {phi.begin(), middle}) + second(z, {middle, phi.end()});
  };
  return control;
}

template <class T>
FirstOrder<T> control_variate_expectation(const Var<T>& log_scores, const OrderCost<T>& f,
                                          ControlVariate<T>& control, std::size_t samples,
                                          Generator& random, Learn learn) {
  const PlackettLuce<T> p(log_scores);
  const Array<T> near_zero = p.near_zero().value();
  const Array<T> noise = gumbel_noise<T>(p.with_samples({samples}), random);
  Samples<T> drawn;
  drawn.z = near_zero + noise;
  drawn.orders = p.perturbed_order(noise);
  drawn.exponentials = arrival_exponentials(log_scores.value(), noise, drawn.orders);
  const Var<T> cost = detail::evaluate_cost("control_variate_expectation", f, drawn.orders);
  drawn.f = cost.value();
  {
    Tape<T> tape;  // of its own, so that c's other dependencies are left alone
    const Var<T> z = tape.leaf(drawn.z);
    std::vector<Var<T>> phi;
    for (const Parameter<T>& parameter : control.phi) phi.push_back(constant(parameter.value));
    const Var<T> c = evaluate_control(control, z, phi);
    if (c.needs_grad()) tape.backward(sum(c));
    drawn.c = c.value();
    drawn.grad_c = z.grad();
  }
  if (learn == Learn::yes) learn_phi(near_zero, drawn, control);

  const Var<T> pathwise = mean(along_cancelling(log_scores, drawn), 0);
  return score_function(cost, p.log_prob(drawn.orders), drawn.c) +
         (pathwise - stop_gradient(pathwise));
}

INSTANTIATE(relaxed_control)
INSTANTIATE(network_control)
INSTANTIATE(sum_of)
INSTANTIATE(control_variate_expectation)

}  // namespace tapesort
