#include "apps/experiments/scores.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "engine/check.hpp"

namespace tapesort {

Array<float> true_rows(const Indices& labels) {
  require(labels.dimension() == 2, "true_rows: labels are ", labels.shape(), "; need (sets, n)");
  const std::size_t sets = labels.shape(0), n = labels.shape(1);
  Array<float> rows = zeros<float>({sets, n, n});
  for (std::size_t set = 0; set < sets; ++set) {
    const Index* label = labels.data() + set * n;
    std::vector<Index> sorted(label, label + n);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    float* row = rows.data() + set * n * n;
    for (std::size_t i = 0; i < n; ++i, row += n) {
      const float share = 1.0f / float(std::count(label, label + n, sorted[i]));
      for (std::size_t j = 0; j < n; ++j) row[j] = label[j] == sorted[i] ? share : 0.0f;
    }
  }
  return rows;
}

Array<float> true_ranks(const Indices& labels) {
  const Array<float> rows = true_rows(labels);
  const std::size_t n = labels.shape(1);
  Array<float> ranks = zeros<float>(labels.shape());
  for (std::size_t e = 0; e < rows.size(); ++e) {
    const std::size_t set = e / (n * n), i = e / n % n, j = e % n;
    ranks.data()[set * n + j] += float(i + 1) * rows.data()[e];
  }
  return ranks;
}

void SortingScores::add(const Indices& order, const Indices& labels,
                        const std::optional<Array<float>>& P_hat) {
  require_same_shape("SortingScores", "order", order.shape(), "labels", labels.shape());
  const Array<float> rows = true_rows(labels);
  if (P_hat) require_same_shape("SortingScores", "P_hat", P_hat->shape(), "rows", rows.shape());
  const std::size_t n = labels.shape(1);
  for (std::size_t set = 0; set < labels.shape(0); ++set) {
    std::size_t right = 0;
    for (std::size_t i = set * n; i < (set + 1) * n; ++i) {  // i counts rows of all sets
      const float* row = rows.data() + i * n;
      right += row[order.data()[i]] > 0;
      if (!P_hat) continue;
      const float* p = P_hat->data() + i * n;
      for (std::size_t j = 0; j < n; ++j) soft_right_ += row[j] > 0 ? double(p[j]) : 0.0;
      off_order_ += 1 - double(p[order.data()[i]]);
    }
    ++sets_;
    elements_ += n;
    right_elements_ += right;
    right_sets_ += right == n;
  }
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
