// What a differentiable kNN classifier minimises, by name: minus the number of a query's k nearest
// candidates that are of its class, each method with its own way to make that number smooth.
// Source: Grover, Wang, Zweig, Ermon, ICLR 2019, section 6.3.
#pragma once

#include <string>
#include <vector>

#include "models/layers.hpp"

namespace tapesort {

struct NeighbourLoss {
  std::size_t k;
  double tau;           // in units of squared distance
  std::size_t samples;  // of the stochastic methods
  Generator* random;
};

// scores (q, c), larger is nearer; same (q, c), 1 where query and candidate are of one class ->
// for each query minus the (expected) number of its class among the first k, (q), in -k .. 0.
// std::invalid_argument unless 1 <= k <= c and tau > 0.
struct NeighbourMethod {
  const char* name;
  Var<float> (*loss)(const Var<float>& scores, const Array<float>& same, const NeighbourLoss& how);
};

//   neural_sort             the mass of the first k rows of P_hat (Grover et al. 2019)
//   neural_sort_stochastic  the same of scores with Gumbel noise, the mean over samples: a
//                           reparameterised Plackett-Luce gradient. tau is used in full (the
//                           published code ignores it here)
//   soft_sort               the first k rows of SoftSort
//   lap_sum                 LapSum's top-k, whose mass is exactly k
//   reinforce               k candidates drawn from Plackett-Luce with log-scores scores / tau, the
//                           score-function gradient, each sample's baseline the mean of the others
// A program may add its own (tapesort_program.hpp).
std::vector<NeighbourMethod>& neighbour_methods();

// 1 where a query and a candidate have one label, else 0: (q), (c) -> (q, c).
Array<float> same_class(const Indices& query_labels, const Indices& candidate_labels);

// Each row without its element on the diagonal, (m, m) -> (m, m - 1): of scores between m points,
// what is left when no point may be its own neighbour. std::invalid_argument unless m >= 2.
Var<float> without_diagonal(const Var<float>& x);

}  // namespace tapesort
