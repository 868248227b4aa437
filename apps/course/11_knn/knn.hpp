// Stage 11: a differentiable k-nearest-neighbours classifier.
#pragma once

#include "../task.hpp"
#include "engine/parameter.hpp"
#include "engine/random.hpp"
#include "engine/tape.hpp"
#include "models/nearest_neighbours.hpp"
#include "models/optimizers.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/neural_sort.hpp"

using namespace tapesort;

// Points of four classes, (n, 10). Two of ten coordinates say the class, by their signs; the others are noise, as large.
struct Points {
  explicit Points(std::size_t n, Generator random)
      : x(random.normal<float>({n, 10}, 0, 1.5f)), labels(Indices::from_shape({n})) {
    for (std::size_t i = 0; i < n; ++i) {
      const Index label = Index(random.below(4));
      labels(i) = label;
      x(i, 3) = (label & 1 ? 1.0f : -1.0f) + 0.2f * x(i, 3);
      x(i, 7) = (label & 2 ? 1.0f : -1.0f) + 0.2f * x(i, 7);
    }
  }
  Array<float> x;
  Indices labels;
};

// Points (n, d) to where they are compared, (n, 2).
inline Var<float> embed(Tape<float>& tape, const Array<float>& points, Parameter<float>& weights) {
  return matmul(tape.constant(points), tape.leaf(weights));
}

// How near each candidate is to each query, (q, c): minus the squared distance.
inline Var<float> nearness(const Var<float>& queries, const Var<float>& candidates) {
  //[11.1] scores that are largest for the nearest, by squared_distances
  return -squared_distances(queries, candidates);
  //[end]
}

// 1 where a query (row) and a candidate (column) have the same label, otherwise 0.
inline Array<float> same_label(const Indices& queries, const Indices& candidates) {
  Array<float> same = zeros<float>({queries.size(), candidates.size()});
  //[11.2] which candidates would vote for the right class
  for (std::size_t i = 0; i < queries.size(); ++i) {
    for (std::size_t j = 0; j < candidates.size(); ++j) same(i, j) = queries(i) == candidates(j);
  }
  //[end]
  return same;
}

// 1 - the share of the k soft neighbours that have the query's label, averaged over the queries.
inline Var<float> knn_loss(const Var<float>& scores, const Array<float>& same, std::size_t k,
                           double tau) {
  //[11.3] the loss
  const Var<float> votes = sum(top_k_mass(scores, k, tau) * same) / float(k);
  return 1.0f - votes / float(scores.shape()[0]);
  //[end]
}

// One step: some points are queries, other ones their candidates. The loss before the step.
inline float step(Parameter<float>& weights, Adam<float>& adam, const Array<float>& queries,
                  const Indices& query_labels, const Array<float>& candidates,
                  const Indices& candidate_labels) {
  //[11.4] a training step, with k = 3 and tau = 1
  Tape<float> tape;
  const Var<float> scores =
      nearness(embed(tape, queries, weights), embed(tape, candidates, weights));
  const Var<float> loss = knn_loss(scores, same_label(query_labels, candidate_labels), 3, 1);
  tape.backward(loss);
  adam.step();
  adam.zero_grad();
  return loss.item();
  //[end]
}

// The labels that k = 3 hard neighbours vote for; nothing is recorded.
inline Indices classify(Parameter<float>& weights, const Array<float>& queries,
                        const Array<float>& candidates, const Indices& candidate_labels) {
  //[11.5] the classifier: nearest_neighbours, neighbour_labels, majority_vote
  Tape<float> tape(Recording::off);
  const Indices which = nearest_neighbours(embed(tape, queries, weights).value(),
                                           embed(tape, candidates, weights).value(), 3);
  return majority_vote(neighbour_labels(which, candidate_labels));
  //[end]
}
