// NeuralSort by its formula, to learn from and to test against; neural_sort.hpp is for use.
//
//   forward  P_hat[i, j] = softmax_j(((n + 1 - 2 i) s_j - A_j) / tau),  A_j = sum_k |s_j - s_k|,
//            i = 1 .. n: row i is where the i-th largest score stands. Relative to that score, the
//            logit of s_j is minus the distance between the two, and minus twice the distance of
//            s_j to every score between them.
//   vjp      with g[i, j] = P_hat[i, j] (Pbar[i, j] - <P_hat[i], Pbar[i]>) / tau and its column
//            sums B_j = sum_i g[i, j]:
//            sbar_j = sum_i (n + 1 - 2 i) g[i, j] - sum_k sign(s_j - s_k) (B_j + B_k)
//   shapes   scores (..., n), P_hat (..., n, n): rows are places, columns are items
//   tau      in units of the scores; tau -> 0 gives the permutation, tau -> infinity the uniform
//   ascending  row i is where the i-th smallest score stands: the same rows in reverse
//   ties     equal scores share their columns' mass equally; sign(0) = 0 in the gradient, which
//            is the mean of the one-sided derivatives
//   errors   std::invalid_argument for 0-d scores, a score that is NaN or infinite, tau that is not
//            a positive normal number of the type, logits that overflow
//   source   Grover, Wang, Zweig, Ermon, "Stochastic optimization of sorting networks via
//            continuous relaxations", ICLR 2019, equation 5
#pragma once

#include "ops/sorting/hard.hpp"

namespace tapesort {

// n^2 numbers and n^2 exponentials. The logits are differences of numbers as large as n |s| / tau
// and lose that many digits: in float, rows begin to miss their item at n = 1,000 or so.
template <class T>
Var<T> neural_sort_formula(const Var<T>& scores, double tau,
                           Direction direction = Direction::descending);

}  // namespace tapesort
