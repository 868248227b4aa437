// Softmax and its logarithm, along the last axis.
//
// softmax
//   shapes   x (.., n) -> p (.., n)
//   forward  p_j = e^(x_j - m) / sum_k e^(x_k - m), m = max_k x_k, so that nothing overflows
//   vjp      xbar = p (pbar - <p, pbar>), for each row
// log_softmax
//   forward  y_j = x_j - m - ln sum_k e^(x_k - m)
//   vjp      xbar = ybar - p sum_k ybar_k, p = e^y
// both
//   extremes -infinity has p = 0; a NaN, +infinity or nothing but -infinity makes its row NaN;
//            of rows without elements there is nothing to compute
//   errors   std::invalid_argument for 0-d x
//   source   Bridle 1990
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

template <class T> Var<T> softmax(const Var<T>& x);
template <class T> Var<T> log_softmax(const Var<T>& x);

}  // namespace tapesort
