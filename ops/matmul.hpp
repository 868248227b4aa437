// Matrix products, by OpenBLAS (engine/blas.hpp).
//
// matmul, by NumPy's rules:
//   shapes   a (.., m, k), b (.., k, n) -> c (.., m, n); the axes in front broadcast. A 1-d a is a
//            row (1, k), a 1-d b a column (k, 1); their axis of extent 1 disappears again.
//   forward  c = a b
//   vjp      abar = cbar b^T, bbar = a^T cbar
//   errors   std::invalid_argument for 0-d operands, inner dimensions that differ, axes in front
//            that do not broadcast
#pragma once

#include "ops/operand.hpp"

namespace tapesort {

template <class T> Var<T> matmul(const Var<T>& a, const Var<T>& b);
// One of them an Array, a constant.
template <class A, class B, class T = detail::Beside<A, B>> Var<T> matmul(const A& a, const B& b) {
  return matmul(detail::var_of<T>(a), detail::var_of<T>(b));
}

}  // namespace tapesort
