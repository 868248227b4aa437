// Normalisation and dropout: operators that do one thing in training and another in evaluation.
#pragma once

#include "engine/dual.hpp"
#include "engine/random.hpp"
#include "engine/tape.hpp"

namespace tapesort {

// What batch_norm remembers for evaluation: each channel's mean and variance over past batches.
template <class T> struct BatchStatistics {
  Array<T> mean, variance;  // (C)

  explicit BatchStatistics(std::size_t channels)
      : mean(zeros<T>({channels})), variance(full<T>({channels}, T(1))) {}
};

struct BatchNormOptions {
  bool training = true;
  double momentum = 0.1;  // how much of a new batch's statistics enters the remembered ones
  double eps = 1e-5;      // added to the variance, so in units of x^2
  bool relu = false;      // relu of all that, in the same step
};

// Each channel (the last axis) shifted and scaled to mean beta and deviation gamma:
//
//   y = gamma xhat + beta,  xhat = (x - m) / sqrt(v + eps),  m, v: mean and variance (divided by n)
//                           of the batch in training, the remembered ones in evaluation
//   training    statistics.mean     += momentum (m - statistics.mean)
//               statistics.variance += momentum (v n / (n - 1) - statistics.variance)
//   vjp         xbar = gamma / sqrt(v + eps) (ybar - mean(ybar) - xhat mean(ybar xhat)),
//               without the two means in evaluation; gammabar = sum ybar xhat; betabar = sum ybar.
//               With relu, ybar is first set to 0 where y = 0.
//   shapes      x (..., C), gamma (C), beta (C) -> (..., C)
//   errors      std::invalid_argument on shapes, eps <= 0, momentum outside [0, 1], or fewer than
//               two elements a channel in training
//   source      Ioffe and Szegedy 2015
template <class T>
FirstOrder<T> batch_norm(const Var<T>& x, const Var<T>& gamma, const Var<T>& beta,
                         BatchStatistics<T>& statistics, const BatchNormOptions& options = {});

// In training, zero with probability p, else x / (1 - p), independently: x on average. In
// evaluation x itself.
//   vjp     the same elements, the same factor
//   errors  std::invalid_argument unless 0 <= p < 1
//   source  Srivastava et al. 2014
template <class T>
FirstOrder<T> dropout(const Var<T>& x, double p, Generator& random, bool training);

}  // namespace tapesort
