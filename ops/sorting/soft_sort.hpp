// SoftSort: row i compares every score with the i-th largest one.
//
//   forward  P_hat[i, j] = softmax_j(-|s_[i] - s_j|^p / tau), s_[i] the i-th largest score
//   vjp      with g = dL/dlogit = P_hat * (Pbar - <P_hat, Pbar>) per row (computed relative to Pbar
//            at the row's own item, so that it is exact where P_hat is near 1), d = s_[i] - s_j and
//            h = g p |d|^(p-1) sign(d) / tau:  sbar_j += h[i, j],  sbar_[i] -= sum_j h[i, j]
//   shapes   scores (..., n), P_hat (..., n, n): rows are places, columns are items
//   tau      in units of the scores to the power p; tau -> 0 gives the permutation
//   ascending  s_[i] is the i-th smallest score: the same rows in reverse
//   ties     equal scores have equal columns; sign(0) = 0 in the gradient (where p = 1, the mean
//            of the one-sided derivatives)
//   cost     n^2 exponentials; powers 1 and 2 need no other power
//   errors   std::invalid_argument for 0-d scores, a score that is NaN or infinite, tau or p that
//            is not a positive number, and tau^(1/p) beyond the normal numbers of the type
//   source   Prillo, Eisenschlos, "SoftSort: a continuous relaxation for the argsort operator",
//            ICML 2020, equation 4
#pragma once

#include "ops/sorting/hard.hpp"

namespace tapesort {

template <class T>
Var<T> soft_sort(const Var<T>& scores, double tau, double power = 1,
                 Direction direction = Direction::descending);

}  // namespace tapesort
