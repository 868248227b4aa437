// Squared Euclidean distances.
//
// squared_distances, without the tensor of differences:
//   shapes   queries (q, d), candidates (c, d) -> y (q, c)
//   forward  y_ij = sum_k (q_ik - c_jk)^2. Not by |q|^2 + |c|^2 - 2 q.c, which is one matrix product
//            but loses all digits of two points that are near each other and far from the origin,
//            and everybody's when one candidate is large or NaN.
//   vjp      qbar_i = 2 sum_j ybar_ij (q_i - c_j), cbar_j = 2 sum_i ybar_ij (c_j - q_i)
//   errors   std::invalid_argument unless both are 2-d with the same d
#pragma once

#include "ops/operand.hpp"

namespace tapesort {

template <class T> FirstOrder<T> squared_distances(const Var<T>& queries, const Var<T>& candidates);
// One of them an Array, a constant.
template <class A, class B, class T = detail::Beside<A, B>>
FirstOrder<T> squared_distances(const A& queries, const B& candidates) {
  return squared_distances(detail::var_of<T>(queries), detail::var_of<T>(candidates));
}

}  // namespace tapesort
