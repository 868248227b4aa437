// Softmax and what is built on it, along the last axis.
//
// softmax
//   shapes   x (.., n) -> p (.., n)
//   forward  p_j = e^(x_j - m) / sum_k e^(x_k - m), m = max_k x_k, so that nothing overflows
//   vjp      xbar = p (pbar - <p, pbar>), for each row
// log_softmax
//   forward  y_j = x_j - m - ln sum_k e^(x_k - m)
//   vjp      xbar = ybar - p sum_k ybar_k, p = e^y
// both
//   extremes -infinity has p = 0; a NaN, +infinity or nothing but -infinity makes its row NaN
//   errors   std::invalid_argument for 0-d x or rows without elements
//   source   Bridle 1990
//
// cross_entropy: the mean over rows of -sum_j t_j log_softmax(x)_j, for target rows t, or t = the
// one-hot row of a label. Target rows need not sum to one. A term whose target is 0 is 0, whatever
// its logit.
//   shapes   logits (.., n) and labels (..), or targets (.., n) -> ()
//   vjp      xbar = ybar (p sum_k t_k - t) / rows
//   errors   std::invalid_argument on shapes, labels outside 0 .. n - 1, no rows
//
// mse: the mean of (a - b)^2 over all elements.
//   shapes   a and b of one shape -> ()
//   vjp      abar = 2 ybar (a - b) / elements, bbar = -abar
//   errors   std::invalid_argument when shapes differ or there are no elements
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

template <class T> Var<T> softmax(const Var<T>& x);
template <class T> Var<T> log_softmax(const Var<T>& x);

template <class T> Var<T> cross_entropy(const Var<T>& logits, const Indices& labels);
template <class T> Var<T> cross_entropy(const Var<T>& logits, const Array<T>& targets);

template <class T> Var<T> mse(const Var<T>& a, const Var<T>& b);

}  // namespace tapesort
