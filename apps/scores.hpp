// How well sets were sorted, and how well numbers were predicted.
#pragma once

#include "engine/array.hpp"

namespace tapesort {

// Counts over sets. Items with equal labels may stand for each other: a place is right when the
// label of the item there is that of the sorted labels.
class SortingScores {
 public:
  // order (sets, n), the item at each place (any item may be named twice); labels (sets, n).
  void add(const Indices& order, const Indices& labels);
  // P_hat (sets, n, n), and the order that it is read as. Both: std::invalid_argument unless the
  // shapes agree.
  void add_soft(const Array<float>& P_hat, const Indices& order, const Indices& labels);

  double permutations() const { return double(right_sets_) / double(sets_); }  // of the sets
  double elements() const { return double(right_elements_) / double(elements_); }
  // The mean mass of a row on right items.
  double soft_elements() const { return soft_right_ / double(soft_elements_); }
  // The mean distance in total variation between a row of P_hat and that of the order: 0 when P_hat
  // is the permutation.
  double gap() const { return off_order_ / double(soft_elements_); }

 private:
  std::size_t sets_ = 0, elements_ = 0, right_sets_ = 0, right_elements_ = 0, soft_elements_ = 0;
  double soft_right_ = 0, off_order_ = 0;
};

// Two figures go by the name R2. A prediction that is off by a constant or a factor has a squared
// correlation of 1 all the same, so that the second is never the smaller one.
class RegressionScores {
 public:
  void add(double prediction, double truth);

  double mean_squared_error() const;
  double variance() const;             // of the truth
  double r2() const;                   // 1 - mean squared error / variance of the truth
  double squared_correlation() const;  // NaN when the prediction is constant

 private:
  double count_ = 0, mean_p_ = 0, mean_t_ = 0, pp_ = 0, tt_ = 0, pt_ = 0, squares_ = 0;
};

}  // namespace tapesort
