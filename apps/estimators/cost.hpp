// The costs that `tapesort estimators` can be asked about, each as a function of orders and, its
// continuation, of relaxed permutation matrices; both agree on permutations.
#pragma once

#include <string>

#include "ops/estimators/estimators.hpp"

namespace tapesort {

struct Cost {
  OrderCost<double> of_orders;
  MatrixCost<double> of_matrices;
};

//   target   |P - T|^2 for the doubly stochastic T with 1 / n + 0.05 on its diagonal and the rest
//            of each row spread evenly: the toy of Gadetsky et al. 2020. Best order: 0, .., n - 1
//   linear   <P, C>, an assignment problem, with C ~ N(0, 1)
//   tour     the length of the closed tour, in that order, through n random points of the unit
//            square
std::vector<std::string> cost_names();

// std::invalid_argument for another name. What is random is drawn from `random`.
Cost make_cost(const std::string& name, std::size_t n, Generator& random);

}  // namespace tapesort
