// Logits of P_hat's rows, (.., n) -> (.., n, n): P_hat is their softmax along the last axis. A
// cross-entropy needs them where P_hat itself is 0 in its type. Composed of other operators, in
// n^2 memory; descending: row i is where the i-th largest score stands.
//
//   neural_sort_logits  ((n + 1 - 2 i) s_j - sum_k |s_j - s_k|) / tau, i = 1 .. n
//   soft_sort_logits    -|s_[i] - s_j| / tau, s_[i] the i-th largest
//
// With smoothing b > 0, in units of the scores, neural_sort_logits has h(d) = sqrt(d^2 + b^2) - b in
// place of |d|: at ties it has all derivatives, where |d| has a kink. h is |d| - b far from 0, d^2 / 2b
// near it; each set's largest row still has the order of the scores when b is below their gaps.
// neural_sort_smooth is their softmax, P_hat, in either direction.
//
// std::invalid_argument for 0-d scores, a score that is NaN or infinite, smoothing that is not >= 0
// and finite, tau that is not a positive normal number of the type, and (neural_sort_logits) scores
// whose logits might overflow.
#pragma once

#include "ops/sorting/hard.hpp"

namespace tapesort {

template <class T>
Var<T> neural_sort_logits(const Var<T>& scores, double tau, double smoothing = 0);
template <class T>
Var<T> neural_sort_smooth(const Var<T>& scores, double tau, double smoothing,
                          Direction direction = Direction::descending);
template <class T> Var<T> soft_sort_logits(const Var<T>& scores, double tau);

}  // namespace tapesort
