// Matrix products, by OpenBLAS (engine/blas.hpp).
//
// matmul, by NumPy's rules:
//   shapes   a (.., m, k), b (.., k, n) -> c (.., m, n); the axes in front broadcast. A 1-d a is a
//            row (1, k), a 1-d b a column (k, 1); their axis of extent 1 disappears again.
//   forward  c = a b
//   vjp      abar = cbar b^T, bbar = a^T cbar
//   errors   std::invalid_argument for 0-d operands, inner dimensions that differ, axes in front
//            that do not broadcast
//
// squared_distances, without the tensor of differences:
//   shapes   queries (q, d), candidates (c, d) -> y (q, c)
//   forward  y_ij = |q_i|^2 + |c_j|^2 - 2 q_i . c_j, at least 0. Both are first moved so that the
//            candidates' mean is 0: this changes no distance, and what cancels is smaller.
//   vjp      qbar_i = 2 (sum_j ybar_ij) q_i - 2 sum_j ybar_ij c_j, and likewise cbar_j
//   errors   std::invalid_argument unless both are 2-d with the same d
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

template <class T>
Var<T> matmul(const Var<T>& a, const Var<T>& b);

template <class T>
Var<T> squared_distances(const Var<T>& queries, const Var<T>& candidates);

}  // namespace tapesort
