// k nearest neighbours: the classifier itself, and the loss that trains an embedding for it.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

// For each query the k nearest candidates by squared Euclidean distance, nearest first; among
// equally distant ones the one with the smaller index. Exact up to rounding; the distances are
// products of blocks, so memory stays small and most of the time is BLAS's.
//   shapes  queries (q, d), candidates (c, d) -> (q, k)
//   errors  std::invalid_argument on shapes, or unless 1 <= k <= c
Indices nearest_neighbours(const Array<float>& queries, const Array<float>& candidates,
                           std::size_t k);

// Majority vote: neighbours' labels (q, k), nearest first -> (q). Among the labels with most votes
// the one whose first neighbour is nearest wins. std::invalid_argument unless 2-d with k >= 1.
Indices majority_vote(const Indices& labels);

// The labels of neighbours: which (q, k), labels (c) -> (q, k). std::invalid_argument for an index
// outside 0 .. c - 1.
Indices neighbour_labels(const Indices& which, const Indices& labels);

// The fraction of equal entries; std::invalid_argument unless shapes agree and there is one.
double accuracy(const Indices& predicted, const Indices& truth);

// 1 where a query and a candidate have one label, else 0: (q), (c) -> (q, c).
template <class T>
Array<T> same_class(const Indices& query_labels, const Indices& candidate_labels);

// The differentiable kNN loss: minus the mass that the first k rows of P_hat, NeuralSort of the
// negative squared distances, put on candidates of the query's class, averaged over queries. It
// lies between -k and 0.
//   shapes  queries (q, d), query_labels (q), candidates (c, d), candidate_labels (c) -> ()
//   tau     in units of squared distance
//   errors  std::invalid_argument on shapes, unless 1 <= k <= c, and as top_k_mass
//   source  Grover et al. 2019, section 6.3
template <class T>
Var<T> knn_loss(const Var<T>& queries, const Indices& query_labels, const Var<T>& candidates,
                const Indices& candidate_labels, std::size_t k, double tau);

}  // namespace tapesort
