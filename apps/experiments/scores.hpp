// The truth about sets of numbered items, and how well it was found.
#pragma once

#include <optional>

#include "engine/array.hpp"

namespace tapesort {

// Labels (sets, n) -> rows of the true permutation, largest first, (sets, n, n). Items with equal
// labels share their places: each has 1 / t in each of their t rows. std::invalid_argument unless 2-d.
Array<float> true_rows(const Indices& labels);
// The place of each item in it, counted from 1, (sets, n): for equal labels their places' mean.
// std::invalid_argument unless 2-d.
Array<float> true_ranks(const Indices& labels);

// How well sets were sorted. Items with equal labels may stand for each other: a place is right when
// the label of the item there is that of the sorted labels.
class SortingScores {
 public:
  // order (sets, n), the item at each place (any item may be named twice); labels (sets, n); for
  // all sets or for none, P_hat (sets, n, n), which is read as that order. std::invalid_argument
  // unless the shapes agree.
  void add(const Indices& order, const Indices& labels,
           const std::optional<Array<float>>& P_hat = {});

  double permutations() const { return double(right_sets_) / double(sets_); }  // of the sets
  double elements() const { return double(right_elements_) / double(elements_); }
  // The mean mass of a row of P_hat on right items.
  double soft_elements() const { return soft_right_ / double(elements_); }
  // The mean distance in total variation between a row of P_hat and that of the order: 0 when P_hat
  // is the permutation.
  double gap() const { return off_order_ / double(elements_); }

 private:
  std::size_t sets_ = 0, elements_ = 0, right_sets_ = 0, right_elements_ = 0;
  double soft_right_ = 0, off_order_ = 0;
};

// How well numbers were predicted. Two figures go by the name R2. The squared correlation is never the
// smaller one: it is 1 also where a prediction is off by a constant or a factor.
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
