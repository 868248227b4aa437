// Mean and spread of repeated random estimates, arrays of one shape: for judging estimators.
#pragma once

#include <cmath>

#include "engine/array.hpp"
#include "engine/sums.hpp"

namespace tapesort {

class Spread {
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

  // Of one estimate, summed over its elements; needs two estimates or more.
  double variance() const {
    return contiguous_sum(squares_.data(), squares_.size()) / (count_ - 1);
  }
  // What |mean - truth|^2 is on average if the estimates are unbiased.
  double squared_error() const { return variance() / count_; }

  // The largest distance of an element's mean from `truth`, in standard errors of that mean. For
  // unbiased estimates it exceeds 4 with probability 6e-5 an element.
  double deviation(const Array<double>& truth) const {
    double largest = 0;
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      const double error = std::sqrt(squares_.data()[i] / (count_ - 1) / count_);
      const double distance = std::abs(mean_.data()[i] - truth.data()[i]);
      largest = std::max(largest, distance / (error + 1e-15));
    }
    return largest;
  }

 private:
  double count_ = 0;
  Array<double> mean_, squares_;
};

}  // namespace tapesort
