#include "apps/scores.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "apps/sorting_methods.hpp"
#include "engine/check.hpp"

namespace tapesort {

void SortingScores::add(const Indices& order, const Indices& labels) {
  require_same_shape("SortingScores", "order", order.shape(), "labels", labels.shape());
  const std::size_t n = labels.shape().back();
  for (std::size_t start = 0; start < labels.size(); start += n) {
    std::vector<Index> sorted(labels.data() + start, labels.data() + start + n);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    std::size_t right = 0;
    for (std::size_t i = 0; i < n; ++i) {
      right += labels.data()[start + std::size_t(order.data()[start + i])] == sorted[i];
    }
    ++sets_;
    elements_ += n;
    right_elements_ += right;
    right_sets_ += right == n;
  }
}

void SortingScores::add_soft(const Array<float>& P_hat, const Indices& order,
                             const Indices& labels) {
  const Array<float> rows = true_rows(labels);
  require_same_shape("SortingScores", "P_hat", P_hat.shape(), "rows", rows.shape());
  const std::size_t n = labels.shape().back();
  for (std::size_t i = 0; i < order.size(); ++i) {  // i counts rows of all sets
    const float *p = P_hat.data() + i * n, *right = rows.data() + i * n;
    for (std::size_t j = 0; j < n; ++j) soft_right_ += right[j] > 0 ? double(p[j]) : 0.0;
    off_order_ += 1 - double(p[order.data()[i]]);
  }
  soft_elements_ += order.size();
}

void RegressionScores::add(double prediction, double truth) {
  ++count_;
  const double p = prediction - mean_p_, t = truth - mean_t_;  // Welford's updates
  mean_p_ += p / count_;
  mean_t_ += t / count_;
  pp_ += p * (prediction - mean_p_);
  tt_ += t * (truth - mean_t_);
  pt_ += p * (truth - mean_t_);
  squares_ += (prediction - truth) * (prediction - truth);
}

double RegressionScores::mean_squared_error() const { return squares_ / count_; }
double RegressionScores::variance() const { return tt_ / count_; }
double RegressionScores::r2() const { return 1 - squares_ / tt_; }
double RegressionScores::squared_correlation() const {
  if (pp_ == 0) return std::numeric_limits<double>::quiet_NaN();
  return pt_ / pp_ * (pt_ / tt_);
}

}  // namespace tapesort
