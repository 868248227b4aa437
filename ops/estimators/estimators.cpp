#include "ops/estimators/estimators.hpp"

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {
namespace {

void check_cost(const char* op, const Shape& f, const Shape& argument, std::size_t item_axes) {
  require(f == Shape(argument.begin(), argument.end() - std::ptrdiff_t(item_axes)), op, ": f gave ",
          f, " for ", argument, "; need one number for each sample");
}

}  // namespace

template <class T>
Var<T> evaluate_cost(const char* op, const OrderCost<T>& f, const Indices& orders) {
  Var<T> value = f(orders);
  check_cost(op, value.shape(), orders.shape(), 1);
  return value;
}

template <class T> OrderCost<T> on_orders(MatrixCost<T> f) {
  return [f = std::move(f)](const Indices& orders) {
    return f(constant<T>(permutation_matrix<T>(orders)));
  };
}

template <class T>
Var<T> reinforce(const Var<T>& log_scores, const OrderCost<T>& f, std::size_t samples,
                 Generator& random, Baseline baseline) {
  const PlackettLuce<T> p(log_scores);
  const Indices orders = p.sample(random, {samples});
  const Var<T> cost = evaluate_cost("reinforce", f, orders);
  return score_function(
      cost, p.log_prob(orders),
      baseline == Baseline::leave_one_out ? leave_one_out_mean(cost.value()) : scalar(T(0)));
}

template <class T>
Var<T> reinforce(const Var<T>& log_scores, const OrderCost<T>& f, std::size_t samples,
                 Generator& random, RunningMean<T>& baseline) {
  const PlackettLuce<T> p(log_scores);
  const Indices orders = p.sample(random, {samples});
  const Var<T> cost = evaluate_cost("reinforce", f, orders);
  const Array<T> before = baseline.value(Shape(cost.shape().begin() + 1, cost.shape().end()));
  baseline.update(cost.value());
  return score_function(cost, p.log_prob(orders), before);
}

template <class T>
Var<T> reparameterized_expectation(const Var<T>& log_scores, const MatrixCost<T>& f,
                                   const RelaxedSort<T>& relaxed_sort, std::size_t samples,
                                   Generator& random) {
  const Var<T> P = PlackettLuce<T>(log_scores).relaxed_sample(relaxed_sort, random, {samples});
  const Var<T> cost = f(P);
  check_cost("reparameterized_expectation", cost.shape(), P.shape(), 2);
  return mean(cost, 0);
}

template <class T>
Var<T> straight_through_expectation(const Var<T>& log_scores, const MatrixCost<T>& f,
                                    const RelaxedSort<T>& relaxed_sort, std::size_t samples,
                                    Generator& random) {
  const Var<T> P =
      PlackettLuce<T>(log_scores).straight_through_sample(relaxed_sort, random, {samples});
  const Var<T> cost = f(P);
  check_cost("straight_through_expectation", cost.shape(), P.shape(), 2);
  return mean(cost, 0);
}

#define INSTANTIATE(T)                                                                         \
  template Var<T> evaluate_cost(const char*, const OrderCost<T>&, const Indices&);             \
  template OrderCost<T> on_orders(MatrixCost<T>);                                              \
  template Var<T> reinforce(const Var<T>&, const OrderCost<T>&, std::size_t, Generator&,       \
                            Baseline);                                                         \
  template Var<T> reinforce(const Var<T>&, const OrderCost<T>&, std::size_t, Generator&,       \
                            RunningMean<T>&);                                                  \
  template Var<T> reparameterized_expectation(const Var<T>&, const MatrixCost<T>&,             \
                                              const RelaxedSort<T>&, std::size_t, Generator&); \
  template Var<T> straight_through_expectation(const Var<T>&, const MatrixCost<T>&,            \
                                               const RelaxedSort<T>&, std::size_t, Generator&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
