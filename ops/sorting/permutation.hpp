// From a relaxed matrix back to a permutation, and what makes a matrix a relaxation of one.
//
// P_hat is (..., n, n): rows are places, columns are items; order[i] is the item at place i.
#pragma once

#include "engine/array.hpp"

namespace tapesort {

// order (..., n) with the largest sum over i of gain[i, order[i]]: a linear assignment.
// n times a shortest path, O(n^3), in double. std::invalid_argument unless gain is (..., n, n) and
// finite. Source: Kuhn 1955 (the Hungarian method); potentials as Edmonds and Karp 1972.
template <class T> Indices best_assignment(const Array<T>& gain);

// The permutation nearest to P_hat (in the Frobenius norm: the one with the largest sum of
// P_hat[i, order[i]]). When the rows' argmax is a permutation it is that one, in O(n^2). Errors as
// for best_assignment.
template <class T> Indices nearest_permutation(const Array<T>& P_hat);

// The largest of |row sum - 1| and -P_hat[i, j]; columns with axis = -2. NaN where a sum is NaN.
template <class T> double stochastic_error(const Array<T>& P_hat, int axis = -1);

// Rows (rows and columns) that are distributions, up to a tolerance.
template <class T> bool is_row_stochastic(const Array<T>& P_hat, double tolerance = 1e-5);
template <class T> bool is_doubly_stochastic(const Array<T>& P_hat, double tolerance = 1e-5);

// Row-stochastic, and the rows' argmax is a permutation: "unimodal" as NeuralSort's paper has it
// (definition 1). Among equal entries of a row the first counts, so that equal scores, which give
// equal columns, are not unimodal.
template <class T> bool is_unimodal(const Array<T>& P_hat, double tolerance = 1e-5);

}  // namespace tapesort
