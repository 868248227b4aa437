// The k nearest neighbours classifier.
#pragma once

#include "engine/array.hpp"

namespace tapesort {

// For each query the k nearest candidates by squared Euclidean distance, nearest first; among
// equally distant ones the one with the smaller index. Exact up to the rounding of a squared
// distance, which is made of differences. A candidate with a NaN is infinitely far. The
// candidates are copied; distances are held for a few at a time.
//   shapes  queries (q, d), candidates (c, d) -> (q, k)
//   errors  std::invalid_argument on shapes, for a query with a NaN, or unless 1 <= k <= c
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

}  // namespace tapesort
