// Sorting itself.
//
// A permutation is given by its order: order[i] is the index of the item at place i. Its matrix has
// P[i, order[i]] = 1, so that P s is s sorted.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

enum class Direction { descending, ascending };

// The order of the last axis: scores (..., n) -> (..., n). Stable: among equal scores the one with
// the smaller index comes first, in either direction. std::invalid_argument for a NaN or for 0-d
// scores; infinities sort as they should.
template <class T>
Indices argsort(const Array<T>& scores, Direction direction = Direction::descending);

// order (..., n) -> the place of each item (..., n): places[order[i]] = i. std::invalid_argument
// unless every row of order is a permutation of 0 .. n - 1.
Indices inverse_permutation(const Indices& order);

// order (..., n) -> P (..., n, n), P[i, order[i]] = 1. std::invalid_argument for 0-d order or an
// item outside 0 .. n - 1.
template <class T> Array<T> permutation_matrix(const Indices& order);

// order (..., n) -> the rank of each item (..., n), counted from 1; 1 for each of the first k items, else
// 0. std::invalid_argument as above, and unless 0 <= k <= n.
template <class T> Array<T> ranks_of(const Indices& order);
template <class T> Array<T> first_of(const Indices& order, std::size_t k);

}  // namespace tapesort
