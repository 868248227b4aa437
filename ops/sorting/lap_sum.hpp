// LapSum: top-k, rank, sort and permutation from one function, a sum of Laplace distributions.
//
// With F(x) = e^x / 2 for x < 0, 1 - e^-x / 2 for x >= 0, the Laplace distribution function,
//   G(b) = sum_j F((s_j - b) / tau)
// counts softly how many scores exceed b. It falls from n to 0, and both G and its inverse have
// closed forms once the scores are sorted; lap_sum.md derives them, and the gradients.
//
//   top_k    p_j = F((s_j - b) / tau) with G(b) = k: in (0, 1), sum exactly k. k may be fractional.
//   rank     r_j = 1/2 + G(s_j): about 1 for the largest score
//   sort     y_m = the b with G(b) = m - 1/2: between the largest and the smallest, or a little out
//   lap_sum  P_hat, doubly stochastic: row m is top_k(m) - top_k(m - 1)
//
//   vjp      with q = softmax_j(-|s_j - b| / tau), db/ds = q, and f_j = e^-|s_j - b|/tau / (2 tau):
//              top_k  sbar = f pbar - q <f, pbar>
//              sort   sbar = sum_m ybar_m q^(m)
//              rank   sbar = K rbar - rbar * K 1, K[i, j] = e^-|s_i - s_j|/tau / (2 tau)
//   shapes   (..., n) -> (..., n); P_hat (..., n, n)
//   tau      in units of the scores; tau -> 0 gives the hard results
//   ascending  the k smallest; rank n for the largest; places in reverse
//   ties     equal scores get equal results; F has a derivative everywhere
//   cost     O(n log n) and O(n) exponentials; P_hat n^2. In double throughout.
//   errors   std::invalid_argument for 0-d scores, a score that is NaN or infinite, tau that is not
//            a positive normal number, k outside [0, n]
//   source   Struski, Bednarczyk, Podolak, Tabor, "LapSum - one method to differentiate them all:
//            ranking, sorting and top-k selection", ICML 2025
#pragma once

#include "engine/dual.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {

template <class T>
FirstOrder<T> lap_sum_top_k(const Var<T>& scores, double k, double tau,
                            Direction direction = Direction::descending);

template <class T>
FirstOrder<T> lap_sum_rank(const Var<T>& scores, double tau,
                           Direction direction = Direction::descending);

template <class T>
FirstOrder<T> lap_sum_sort(const Var<T>& scores, double tau,
                           Direction direction = Direction::descending);

template <class T>
FirstOrder<T> lap_sum(const Var<T>& scores, double tau,
                      Direction direction = Direction::descending);

}  // namespace tapesort
