// Whether the mean of many random estimates is a given number, judged by their own spread.
#pragma once

#include <cmath>

#include "engine/array.hpp"

namespace tapesort::testing {

// Mean, spread and covariance-free error of estimates that are arrays of one shape.
class Estimates {
 public:
  void add(const Array<double>& estimate) {
    if (count_ == 0) mean_ = squares_ = zeros<double>(estimate.shape());
    ++count_;
    for (std::size_t i = 0; i < mean_.size(); ++i) {  // Welford's update
      const double before = estimate.data()[i] - mean_.data()[i];
      mean_.data()[i] += before / count_;
      squares_.data()[i] += before * (estimate.data()[i] - mean_.data()[i]);
    }
  }

  const Array<double>& mean() const { return mean_; }
  // Summed over the elements.
  double variance() const {
    double sum = 0;
    for (double x : squares_) sum += x;
    return sum / (count_ - 1);
  }
  // The largest distance from `exact` of an element's mean, in standard errors of that mean. For
  // unbiased estimates it exceeds 4 with probability 6e-5 per element.
  double deviation(const Array<double>& exact) const {
    double largest = 0;
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      const double error = std::sqrt(squares_.data()[i] / (count_ - 1) / count_);
      largest = std::max(largest, std::abs(mean_.data()[i] - exact.data()[i]) / (error + 1e-15));
    }
    return largest;
  }

 private:
  double count_ = 0;
  Array<double> mean_, squares_;
};

}  // namespace tapesort::testing
