#include "ops/estimators/estimators.hpp"

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

void check_cost(const char* op, const Shape& f, const Shape& argument, std::size_t item_axes) {
  const Shape needed(argument.begin(), argument.end() - std::ptrdiff_t(item_axes));
  require(f == needed, op, ": the cost of samples ", argument, " is ", f, "; need ", needed);
}

// The mean of f over samples of P.
template <class T> Var<T> mean_cost(const char* op, const MatrixCost<T>& f, const Var<T>& P) {
  const Var<T> cost = f(P);
  check_cost(op, cost.shape(), P.shape(), 2);
  return mean(cost, 0);
}

}  // namespace

template <class T>
Var<T> detail::evaluate_cost(const char* op, const OrderCost<T>& f, const Indices& orders) {
  Var<T> value = f(orders);
  check_cost(op, value.shape(), orders.shape(), 1);
  check_finite(op, "a cost", value.value());
  return value;
}

template <class T> OrderCost<T> on_orders(MatrixCost<T> f) {
  return [f = std::move(f)](const Indices& orders) {
    return f(constant<T>(permutation_matrix<T>(orders)));
  };
}

template <class T>
FirstOrder<T> reinforce(const Var<T>& log_scores, const OrderCost<T>& f, std::size_t samples,
                        Generator& random, Baseline baseline) {
  const PlackettLuce<T> p(log_scores);
  const Indices orders = p.sample(random, {samples});
  const Var<T> cost = detail::evaluate_cost("reinforce", f, orders);
  return score_function(
      cost, p.log_prob(orders),
      baseline == Baseline::leave_one_out ? leave_one_out_mean(cost.value()) : scalar(T(0)));
}

template <class T>
FirstOrder<T> reinforce(const Var<T>& log_scores, const OrderCost<T>& f, std::size_t samples,
                        Generator& random, RunningMean<T>& baseline) {
  const PlackettLuce<T> p(log_scores);
  const Indices orders = p.sample(random, {samples});
  const Var<T> cost = detail::evaluate_cost("reinforce", f, orders);
  const Array<T> before = baseline.value(Shape(cost.shape().begin() + 1, cost.shape().end()));
  baseline.update(cost.value());
  return score_function(cost, p.log_prob(orders), before);
}

template <class T>
FirstOrder<T> reparameterized_expectation(const Var<T>& log_scores, const MatrixCost<T>& f,
                                          const RelaxedSort<T>& relaxed_sort, std::size_t samples,
                                          Generator& random) {
  return mean_cost("reparameterized_expectation", f,
                   PlackettLuce<T>(log_scores).relaxed_sample(relaxed_sort, random, {samples}));
}

template <class T>
FirstOrder<T> straight_through_expectation(const Var<T>& log_scores, const MatrixCost<T>& f,
                                           const RelaxedSort<T>& relaxed_sort, std::size_t samples,
                                           Generator& random) {
  const PlackettLuce<T> p(log_scores);
  return mean_cost("straight_through_expectation", f,
                   p.straight_through_sample(relaxed_sort, random, {samples}));
}

INSTANTIATE(detail::evaluate_cost)
INSTANTIATE(on_orders)
INSTANTIATE_OVERLOAD(reinforce,
                     Var<T>(const Var<T>&, const OrderCost<T>&, std::size_t, Generator&, Baseline))
INSTANTIATE_OVERLOAD(reinforce, Var<T>(const Var<T>&, const OrderCost<T>&, std::size_t, Generator&,
                                       RunningMean<T>&))
INSTANTIATE(reparameterized_expectation)
INSTANTIATE(straight_through_expectation)

}  // namespace tapesort
