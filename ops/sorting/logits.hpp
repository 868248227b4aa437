// Logits of P_hat's rows, (.., n) -> (.., n, n): P_hat is their softmax along the last axis. A
// cross-entropy needs them where P_hat itself is 0 in its type. Composed of other operators, in
// n^2 memory; descending: row i is where the i-th largest score stands.
//
//   neural_sort_logits  ((n + 1 - 2 i) s_j - sum_k |s_j - s_k|) / tau, i = 1 .. n
//   soft_sort_logits    -|s_[i] - s_j| / tau, s_[i] the i-th largest
//
// std::invalid_argument for 0-d scores, and unless tau > 0 and 1 / tau is a number of the type.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

template <class T> Var<T> neural_sort_logits(const Var<T>& scores, double tau);
template <class T> Var<T> soft_sort_logits(const Var<T>& scores, double tau);

}  // namespace tapesort
