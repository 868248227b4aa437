// The expected cost of a random order, F(s) = E_{z ~ PL(s)}[f(z)], and estimates of its gradient.
//
// All estimators have one form: from log-scores s (..., n) they record a value of shape (...), an
// estimate of F, whose gradient is the estimate of F's gradient. So they stand in a larger program
// like any operator, and what else f depends on gets its gradient, too: a stochastic computation
// graph (Schulman, Heess, Weber, Abbeel 2015).
//
//   estimator                    needs f on   gradient   note
//   exact_expectation            orders       exact      n! orders: n <= 8
//   reinforce                    orders       unbiased   variance grows with f's own size
//     with a RunningMean         orders       unbiased   f is centred by earlier steps
//     leave_one_out              orders       unbiased   f is centred by the other samples; S >= 2
//   control_variate_expectation  orders       unbiased   REBAR, RELAX: control_variate.hpp
//   reparameterized_expectation  matrices     biased     unbiased for E f(P_hat); tau -> 0 removes
//                                                        the bias and adds variance
//   straight_through_expectation matrices     biased     f sees permutations, the gradient P_hat
#pragma once

#include "engine/dual.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/score_function.hpp"

namespace tapesort {

// What a user supplies. One call gets all samples: S of them, for every row of log-scores. An
// estimator throws std::invalid_argument when what it returns has another shape.
//
// A cost of orders (S, ..., n) -> (S, ...). It may do anything with the orders, and return a
// constant; if it depends on Vars of the tape, their gradient is taken.
template <class T> using OrderCost = std::function<Var<T>(const Indices& orders)>;
// A differentiable cost of (relaxed) permutation matrices P (S, ..., n, n) -> (S, ...).
template <class T> using MatrixCost = std::function<Var<T>(const Var<T>& P)>;

// f at permutation matrices.
template <class T> OrderCost<T> on_orders(MatrixCost<T> f);

// sum_z p(z) f(z). std::invalid_argument unless n <= 8.
template <class T> FirstOrder<T> exact_expectation(const Var<T>& log_scores, const OrderCost<T>& f);

enum class Baseline { none, leave_one_out };

template <class T>
FirstOrder<T> reinforce(const Var<T>& log_scores, const OrderCost<T>& f, std::size_t samples,
                        Generator& random, Baseline baseline = Baseline::none);

// With the mean of earlier steps as the baseline, which takes this step in afterwards.
template <class T>
FirstOrder<T> reinforce(const Var<T>& log_scores, const OrderCost<T>& f, std::size_t samples,
                        Generator& random, RunningMean<T>& baseline);

// The mean of f(relaxed_sort(s + G)).
template <class T>
FirstOrder<T> reparameterized_expectation(const Var<T>& log_scores, const MatrixCost<T>& f,
                                          const RelaxedSort<T>& relaxed_sort, std::size_t samples,
                                          Generator& random);

// The mean of f(P) over permutation matrices P that have relaxed_sort(s + G)'s gradient.
template <class T>
FirstOrder<T> straight_through_expectation(const Var<T>& log_scores, const MatrixCost<T>& f,
                                           const RelaxedSort<T>& relaxed_sort, std::size_t samples,
                                           Generator& random);

namespace detail {
// f's values, whose shape must be that of the samples: (S, ..., n) -> (S, ...).
template <class T>
Var<T> evaluate_cost(const char* op, const OrderCost<T>& f, const Indices& orders);
}  // namespace detail

}  // namespace tapesort
