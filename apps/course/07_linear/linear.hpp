// Stage 7: NeuralSort without the matrix.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "../task.hpp"

using Vector = std::vector<double>;

// v: scores from the largest to the smallest. Gap j is the step from item j to item j + 1, in units of
// tau: n - 1 of them.
inline Vector gaps(const Vector& v, double tau) {
  //[7.1] the gaps between neighbours, divided by tau
  Vector d;
  for (std::size_t j = 0; j + 1 < v.size(); ++j) d.push_back((v[j] - v[j + 1]) / tau);
  return d;
  //[end]
}

// Row i's logits, less that of item i, which is then 0: one for each item.
inline Vector row_logits(const Vector& d, std::size_t i) {
  Vector logits(d.size() + 1, 0.0);
  //[7.2] from item i to either side, adding one gap after the other
  for (std::size_t j = i; j < d.size(); ++j) {  // from item j down to item j + 1
    logits[j + 1] = logits[j] - (2 * double(j - i) + 1) * d[j];
  }
  for (std::size_t j = i; j > 0; --j) {  // from item j up to item j - 1
    logits[j - 1] = logits[j] - (2 * double(i - j) + 1) * d[j - 1];
  }
  //[end]
  return logits;
}

// The mean of v under row i, that is y_i. It looks only at items whose logit is above -cutoff, and adds
// their number to `visited`.
inline double row_mean(const Vector& v, const Vector& d, std::size_t i, double cutoff,
                       std::size_t& visited) {
  //[7.3] a row's mean, from the items near item i alone
  double sum = v[i], mass = 1, logit = 0;
  ++visited;
  for (std::size_t j = i; j < d.size(); ++j) {
    logit -= (2 * double(j - i) + 1) * d[j];
    if (logit <= -cutoff) break;
    sum += std::exp(logit) * v[j + 1];
    mass += std::exp(logit);
    ++visited;
  }
  logit = 0;
  for (std::size_t j = i; j > 0; --j) {
    logit -= (2 * double(i - j) + 1) * d[j - 1];
    if (logit <= -cutoff) break;
    sum += std::exp(logit) * v[j - 1];
    mass += std::exp(logit);
    ++visited;
  }
  return sum / mass;
  //[end]
}

// y = P_hat s for scores in any order, in O(n) memory: a sort, and a mean for each row.
inline Vector soft_sorted(Vector s, double tau) {
  //[7.4] sort, gaps, and the rows' means with cutoff 38
  std::sort(s.begin(), s.end(), std::greater<double>());
  const Vector d = gaps(s, tau);
  Vector y;
  std::size_t visited = 0;
  for (std::size_t i = 0; i < s.size(); ++i) y.push_back(row_mean(s, d, i, 38, visited));
  return y;
  //[end]
}

// The pullback of row i's logits with respect to the gaps: adds to dbar.
inline void add_gap_cotangents(const Vector& logit_bar, std::size_t i, Vector& dbar) {
  //[7.5] the transpose of task 7.2: the walk backwards, with running sums
  double sum = 0;
  for (std::size_t j = dbar.size(); j > i; --j) {  // items j and further down
    sum += logit_bar[j];
    dbar[j - 1] -= (2 * double(j - 1 - i) + 1) * sum;
  }
  sum = 0;
  for (std::size_t j = 0; j < i; ++j) {  // items j and further up
    sum += logit_bar[j];
    dbar[j] -= (2 * double(i - j - 1) + 1) * sum;
  }
  //[end]
}
