// The distribution over the subsets of exactly k of n items, with log-scores s:
//
//   p(S) = prod_(j in S) e^(s_j) / Z,   Z = sum over |S| = k of prod_(j in S) e^(s_j)
//
// Z is the elementary symmetric polynomial of e^s, and independent coins with odds e^s, given that k
// of them come up, have this distribution.
//
//   log_partition     ln Z                                    (.., n) -> (..)
//   marginals         mu_j = P(j in S) = d ln Z / ds_j        (.., n) -> (.., n), their sum is k
//   log_prob          sum_(j in S) s_j - ln Z                 subsets (samples.., .., k) -> theirs (..)
//   sample            exact: the items of S, in rising order  (.., n) -> (samples.., .., k)
//   straight_through  samples as k ones, with the gradient of the marginals (SIMPLE)
//                                                             (.., n) -> (samples.., .., n)
//
//   forward   Items are added one by one, by falling score. With R_j = e_j / e_(j-1) of the items so
//             far (e_j their symmetric polynomials), the next one, x = e^s, is among j of them with
//             probability q_j = x / (R_j + x); then R_j becomes (R_j + x) R_(j-1) / (R_(j-1) + x),
//             and ln e_k grows by ln(1 + x / R_k). Nothing is subtracted, and R_j is about the j-th
//             largest e^s, however far the scores are spread. Back from the last item, starting at
//             j = k: mu is the mean of q_j over j, and j falls by one with probability q_j.
//   vjp       log_partition  sbar = ybar mu
//             marginals      sbar = C ubar, C = diag(mu) - mu mu^T + .. the covariance of the
//                            indicators, the Hessian of ln Z: the forward pass in Duals, along ubar
//   ties      equal scores have equal marginals, but for rounding
//   cost      2 min(k, n - k) n exponentials and logarithms, and as many numbers that are kept; in
//             double throughout
//   masks     of a set with fewer than k valid items straight_through takes all, as masked_top_k does
//   errors    std::invalid_argument for 0-d scores, a score that is NaN or infinite, k > n
//   source    Ahmed, Zeng, Niepert, Van den Broeck, "SIMPLE: a gradient estimator for k-subset
//             sampling", ICLR 2023
#pragma once

#include "engine/dual.hpp"
#include "engine/random.hpp"
#include "ops/mask.hpp"

namespace tapesort {

template <class T> Var<T> k_subset_log_partition(const Var<T>& scores, std::size_t k);
template <class T> FirstOrder<T> k_subset_marginals(const Var<T>& scores, std::size_t k);
// std::invalid_argument unless each subset has k different items of 0 .. n - 1, valid ones.
template <class T>
Var<T> k_subset_log_prob(const Var<T>& scores, const Indices& subsets,
                         const OptionalMask& mask = {});
// std::invalid_argument for a set with less than k valid items.
template <class T>
Indices k_subset_sample(const Array<T>& scores, std::size_t k, Generator& random,
                        const Shape& samples = {}, const OptionalMask& mask = {});
template <class T>
FirstOrder<T> k_subset_straight_through(const Var<T>& scores, std::size_t k, Generator& random,
                                        const Shape& samples = {}, const OptionalMask& mask = {});

}  // namespace tapesort
