// NeuralSort: sorting with every place of the result softened into a distribution over the items.
//
//   forward  P_hat[i, j] = softmax_j(((n + 1 - 2 i) s_j - A_j) / tau),  A_j = sum_k |s_j - s_k|,
//            i = 1 .. n: row i is where the i-th largest score stands. Its logit is largest at that
//            score: it is, up to a term common to the row, the sum of the i largest scores' excess
//            over s_j, plus that of s_j over the n - i smallest ones.
//   vjp      with g[i, j] = P_hat[i, j] (Pbar[i, j] - <P_hat[i], Pbar[i]>) / tau and its column
//            sums B_j = sum_i g[i, j]:
//            sbar_j = sum_i (n + 1 - 2 i) g[i, j] - sum_k sign(s_j - s_k) (B_j + B_k)
//   shapes   scores (..., n), P_hat (..., n, n): rows are places, columns are items
//   tau      in units of the scores; tau -> 0 gives the permutation, tau -> infinity the uniform
//   ascending  row i is where the i-th smallest score stands: the same rows in reverse
//   ties     equal scores share their columns' mass equally; sign(0) = 0 in the gradient, which
//            is the mean of the one-sided derivatives
//   errors   std::invalid_argument for 0-d scores, a score that is NaN or infinite, tau that is not
//            a positive number
//   source   Grover, Wang, Zweig, Ermon, "Stochastic optimization of sorting networks via
//            continuous relaxations", ICLR 2019, equation 5
#pragma once

#include "ops/sorting/hard.hpp"

namespace tapesort {

// The formula as it is written, n^2 exponentials: the form to learn from and to test against. Its
// logits are differences of numbers as large as n |s| / tau and lose that many digits.
template <class T>
Var<T> neural_sort(const Var<T>& scores, double tau, Direction direction = Direction::descending);

// The permutation itself, with the gradient of P_hat (straight-through).
template <class T>
Var<T> neural_sort_hard(const Var<T>& scores, double tau,
                        Direction direction = Direction::descending);

// How much of each item is among the first k places: the sum of the first k rows of P_hat,
// (..., n) -> (..., n), from those rows alone. std::invalid_argument unless 1 <= k <= n.
template <class T>
Var<T> top_k_mass(const Var<T>& scores, std::size_t k, double tau,
                  Direction direction = Direction::descending);

}  // namespace tapesort
