// The Plackett-Luce distribution over permutations of n items with log-scores s: the first place is
// drawn with probability softmax(s), the second one from what is left, and so on. An order z, with
// z[i] the item at place i, has
//
//   p(z) = prod_i e^(s[z_i]) / sum_{j >= i} e^(s[z_j])
//
// Adding a constant to all log-scores changes nothing. Sources: Plackett 1975, Luce 1959.
//
// It is a race. Let item j arrive at time t_j, exponential with rate e^(s_j). The first to arrive
// is j with probability softmax(s)_j, and since the exponential has no memory the rest is the same
// race among the rest: the order of arrival is Plackett-Luce. A log of an arrival time is -log t_j
// = s_j + G_j with G_j of the standard Gumbel law, so sorting s + G in descending order is an exact
// sample (Yellott 1977). With a relaxed sort in place of the sort, it is a relaxed sample that has
// a gradient in s for fixed noise (Grover et al. 2019).
#pragma once

#include <functional>

#include "engine/random.hpp"
#include "engine/tape.hpp"

namespace tapesort {

// A relaxation of sorting in descending order:
// scores (..., n) -> P_hat (..., n, n), row-stochastic.
template <class T> using RelaxedSort = std::function<Var<T>(const Var<T>& scores)>;

// Below, `samples` are leading axes: sample(random, {100}) draws 100 orders of every row. Orders
// may have such axes wherever they are an argument, and they lead every result.
template <class T> class PlackettLuce {
 public:
  // A distribution for every row of log_scores (..., n). std::invalid_argument unless n >= 1 and
  // all are finite.
  explicit PlackettLuce(const Var<T>& log_scores);

  const Var<T>& log_scores() const { return s_; }
  Shape with_samples(const Shape& samples) const;  // (samples..., ..., n)

  // Log-probability of an order (samples..., ..., n), or that it begins like this,
  // (samples..., ..., k) with k < n. Computed without cancellation: a certain event has a tiny
  // log-probability to full relative precision.
  //   shapes   order (samples..., ..., k) -> (samples..., ...)
  //   vjp      sbar[j] = ybar ([j is chosen] - sum of the probabilities of j at the places up to
  //            its own)
  //   errors   std::invalid_argument when the shape does not fit, an item is none of 0 .. n - 1 or
  //            is chosen twice
  Var<T> log_prob(const Indices& order) const;

  // The most probable order: by descending score, the smaller index first where scores are equal.
  Indices mode() const;

  // s + noise, with noise (samples..., ..., n), in T: beside a large score the noise is rounded.
  Var<T> perturbed(const Array<T>& noise) const;
  Var<T> perturbed(Generator& random, const Shape& samples = {}) const;

  // The order of s + noise, without rounding the sums: for Gumbel noise it is a sample, in which
  // equal scores are equally likely to come first however large they are.
  Indices perturbed_order(const Array<T>& noise) const;

  // s less the score of its row that is nearest to zero: the same distribution, and a common
  // offset no longer costs digits of what is added. (No score grows by more than a factor of two,
  // so none is rounded worse than it was.)
  Var<T> near_zero() const;

  // Exact orders (samples..., ..., n). The first k places are an exact draw of k items.
  Indices sample(Generator& random, const Shape& samples = {}) const;

  // relaxed_sort(near_zero + noise): P_hat (samples..., ..., n, n), differentiable in s. It sees the
  // sums in T: of items that are masked by a score of -1e30 the noise is lost, and they share their
  // places as equal scores do.
  Var<T> relaxed_sample(const RelaxedSort<T>& relaxed_sort, Generator& random,
                        const Shape& samples = {}) const;

  // The permutation matrix of an exact sample, with the gradient of the relaxed sample at the same
  // noise (biased, as every straight-through gradient).
  Var<T> straight_through_sample(const RelaxedSort<T>& relaxed_sort, Generator& random,
                                 const Shape& samples = {}) const;

  // Estimates from samples z (at least two), of shape (...): unbiased, values and gradients.
  //   entropy     -E log p(z)
  //   divergence  KL(p || q) = E[log p(z) - log q(z)], with q of the same shape
  // The samples depend on s, so differentiating the average alone would be wrong (it would give
  // zero on average); the gradient is the score-function one with a leave-one-out baseline.
  Var<T> entropy(Generator& random, std::size_t samples) const;
  Var<T> divergence(const PlackettLuce& q, Generator& random, std::size_t samples) const;

 private:
  Var<T> s_;
};

// All n! orders of n items, in lexicographic order: (n!, n). std::invalid_argument unless n <= 8.
Indices all_orders(std::size_t n);

}  // namespace tapesort
