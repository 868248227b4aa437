// Measures the estimators of an expected cost's gradient, for `tapesort estimators`.
#pragma once

#include <string>
#include <vector>

#include "ops/estimators/control_variate.hpp"

namespace tapesort {

// A cost as a function of orders and, its continuation, of relaxed permutation matrices; both agree
// on permutations.
struct Cost {
  OrderCost<double> of_orders;
  MatrixCost<double> of_matrices;
};

//   target   |P - T|^2 for the doubly stochastic T with 1 / n + 0.05 on its diagonal and the rest
//            of each row spread evenly: the toy of Gadetsky et al. 2020. Best order: 0, .., n - 1
//   linear   <P, C>, an assignment problem, with C ~ N(0, 1)
//   tour     the length of the closed tour, in that order, through n random points of the unit
//            square
// What is random is drawn from `random`. A program may add its own (tapesort_program.hpp).
struct CostEntry {
  const char* name;
  Cost (*make)(std::size_t n, Generator& random);
};
std::vector<CostEntry>& costs();

struct StudySettings {
  std::size_t n = 8;
  double tau = 1;           // of NeuralSort, in units of the log-scores
  std::size_t samples = 4;  // orders an estimate
  std::size_t estimates = 2000;
  // Estimates that learnt control variates see before they are measured.
  std::size_t warm_up = 1000;
  std::uint64_t seed = 1;
};

// One estimator, with whatever it remembers or learns from one estimate to the next.
struct Estimator {
  std::string name;
  bool uses_tau = false, learns = false;
  std::function<Var<double>(const Var<double>& log_scores, Generator& random)> estimate;
};

// All of them, exact_expectation first (only if n <= 8), each at its beginning.
std::vector<Estimator> make_estimators(const Cost& cost, const StudySettings& settings);

// What to compare with, and its own squared error: the exact gradient for n <= 8, else the mean of
// 1,000 leave-one-out estimates of 100 samples.
struct Truth {
  Array<double> gradient;
  double squared_error;
};
Truth true_gradient(const Cost& cost, const Array<double>& log_scores, std::uint64_t seed);

// Of an estimator's gradient at given log-scores.
struct Quality {
  std::string name;
  double bias;      // |mean of the estimates - truth|
  double noise;     // what that is for an unbiased estimator of this variance (root mean square)
  double variance;  // of one estimate, summed over the log-scores
  // An estimate, forward and backward; with a step of learning where one learns.
  double microseconds;
};
Quality measure(const Estimator& estimator, const Array<double>& log_scores, const Truth& truth,
                const StudySettings& settings);

// E f: exact for n <= 8, else the mean of 2,000 samples.
double expected_cost(const Cost& cost, const Array<double>& log_scores, std::uint64_t seed);

// Minimising E f by Adam on the log-scores, from all zeros.
struct Descent {
  std::string name;
  std::vector<double> step, cost;  // E f after so many steps, beginning with 0
  double seconds;                  // without evaluating E f
};
Descent descend(const Estimator& estimator, const Cost& cost, std::size_t steps,
                double learning_rate, const StudySettings& settings);

}  // namespace tapesort
