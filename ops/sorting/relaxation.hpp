// One interface to all relaxations of sorting, for programs that let their user choose.
//
//     Relaxation relaxation;
//     relaxation.method = Method::soft_sort;
//     relaxation.tau = 0.5;
//     Var<T> P_hat = relaxation.matrix(scores);    // (..., n, n)
//     Var<T> sorted = relaxation.sorted(scores);   // (..., n), by place
//
//   method              matrix   sorted             ranks                  top_k
//   neural_sort         P_hat    P_hat s            P_hat^T (1, .., n)     first k rows' sum
//   neural_sort_smooth  P_hat    P_hat s            P_hat^T (1, .., n)     first k rows' sum
//   soft_sort           P_hat    P_hat s            P_hat^T (1, .., n)     first k rows' sum
//   sinkhorn            P_hat    -                  -                      first k rows' sum
//   odd_even            P_hat    P_hat s            P_hat^T (1, .., n)     first k rows' sum
//   bitonic             P_hat    P_hat s            P_hat^T (1, .., n)     first k rows' sum
//   fast_soft_sort      -        projection         -                      -
//   fast_soft_rank      -        -                  projection             -
//   sparse_top_k        -        -                  -                      projection
//   lap_sum             P_hat    closed form        closed form            closed form
//   black_box_rank      -        -                  the ranks              -
//   perturbed           mean P   mean P s           mean                   mean
//   k_subset            -        -                  -                      marginals
//
// Input: scores (..., n); for sinkhorn logits (..., n, n), row i for place i. Ranks count from 1:
// the first place's item has about 1. Which operator computes what, and its formula and source:
// the operators' own headers.
//
// hard: the value is that of the sort itself, the gradient that of the relaxation
// (straight-through). The sort is argsort of the scores, equal ones in the order of their indices;
// for sinkhorn, whose input has no order of its own, the permutation nearest to P_hat. Do not multiply
// two hard results: each gates the other's gradient (straight_through, ops/select.hpp).
#pragma once

#include <string>

#include "engine/dual.hpp"
#include "ops/mask.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/sinkhorn.hpp"
#include "ops/sorting/sorting_network.hpp"

namespace tapesort {

enum class Method {
  neural_sort,
  neural_sort_smooth,
  soft_sort,
  sinkhorn,
  odd_even,
  bitonic,
  fast_soft_sort,
  fast_soft_rank,
  sparse_top_k,
  lap_sum,
  black_box_rank,
  perturbed,
  k_subset
};

// "neural_sort", ..; method_named throws std::invalid_argument, listing the names, for another one.
const char* name_of(Method method);
Method method_named(const std::string& name);

struct Relaxation {
  Method method = Method::neural_sort;
  // fast_soft_sort, fast_soft_rank, sparse_top_k: their strength; black_box_rank: lambda;
  // perturbed: sigma; k_subset: divides the scores.
  double tau = 1;
  bool hard = false;
  Direction direction = Direction::descending;  // not for sinkhorn, whose rows are what they are

  double smoothing = 0;      // neural_sort_smooth; 0 stands for tau
  double power = 1;          // soft_sort
  SinkhornOptions sinkhorn;  // sinkhorn
  double steepness = 0;      // odd_even, bitonic; 0 stands for 1 / tau
  Swap swap = Swap::cauchy;
  double art_lambda = 0.25;                            // of Swap::logistic_phi
  Regularization regularization = Regularization::l2;  // fast_soft_sort, fast_soft_rank
  std::size_t samples = 100;                           // perturbed
  std::uint64_t seed = 1;                              // of the noise, the same at each call

  // Which columns of the table above a method has. The others throw std::invalid_argument.
  bool has_matrix() const;  // and logits
  bool has_sorted() const;
  bool has_ranks() const;
  bool has_top_k() const;

  // With a mask (ops/mask.hpp), each is that of the valid items alone, put in their places among n.
  // The logits of what is masked are 0, too, and cross_entropy takes the mask of the rows. For
  // sinkhorn a masked item is a column, and as many rows, the last ones, have no place.
  template <class T> FirstOrder<T> matrix(const Var<T>& input, const OptionalMask& mask = {}) const;
  // Logits of the matrix's rows, whose softmax is the (soft) matrix: for cross-entropies, which need
  // them where the matrix is 0 in its type. Where a method has none, ln of the matrix, at least
  // ln 1e-30: there the gradient ends.
  template <class T> FirstOrder<T> logits(const Var<T>& input, const OptionalMask& mask = {}) const;
  template <class T> FirstOrder<T> sorted(const Var<T>& input, const OptionalMask& mask = {}) const;
  template <class T> FirstOrder<T> ranks(const Var<T>& input, const OptionalMask& mask = {}) const;
  // Each item's mass among the first k places, 0 <= k <= n; of m valid items, the first min(k, m).
  template <class T>
  FirstOrder<T> top_k(const Var<T>& input, std::size_t k, const OptionalMask& mask = {}) const;

  // The hard sort: the item at each place.
  template <class T> Indices order(const Array<T>& input, const OptionalMask& mask = {}) const;
};

}  // namespace tapesort
