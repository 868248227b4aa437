// ShuffleSoftSort: a permutation of N items, learned with N parameters.
//
// N scores make a permutation by being sorted, and SoftSort (ops/sorting/soft_sort.hpp) gives it a
// gradient. But it mixes an item only with the few whose scores are near, so items move along a
// line, a few places at a time. When places are those of a grid, that is seldom the right
// direction. So the line is a new one in each phase: the places in random order. The scores begin as
// N, N - 1, .., 1 along it, which leaves every item where it is; a few steps of Adam move them to
// lower, with y = P_hat x,
//
//   loss(y) + mean_j (sum_i P_hat[i, j] - 1)^2 + 2 sum_c |sd(y_c) - sd(x_c)| / sum_c sd(x_c)
//
// with y in the places' own order and c a column of x; then the items are sorted by them. The second
// term keeps P_hat near a permutation, the third y from becoming a blur, that is all items' mean.
//
//   items     x (N, d)
//   loss      of (N, d), what stands at each place, to ()
//   tau       in units of the scores, whose neighbours differ by 1; from tau_first to tau_last by
//             equal factors
//   cost      N^2 exponentials and N^2 d products a step
//   errors    std::invalid_argument unless x is (N, d) with N >= 2, d >= 1, is finite and has items
//             that differ; for phases or steps of 0, tau that is not positive
//   source    Barthel, Barthel, Eisert, "Permutation learning with only N parameters: from SoftSort to
//             self-organizing Gaussians", 2025
#pragma once

#include <functional>

#include "engine/random.hpp"
#include "engine/tape.hpp"

namespace tapesort {

struct ShuffleSoftSortOptions {
  std::size_t phases = 400, steps = 4;
  double learning_rate = 0.2, tau_first = 1, tau_last = 0.1;
};

template <class T> class ShuffleSoftSort {
 public:
  using Loss = std::function<Var<T>(const Var<T>& arranged)>;
  ShuffleSoftSort(Array<T> items, Loss loss, const ShuffleSoftSortOptions& options,
                  std::uint64_t seed);

  // Runs one more phase; after the last one it does nothing and returns false.
  bool phase();
  std::size_t phases() const { return done_; }
  const Indices& order() const { return order_; }  // the item at each place
  Array<T> arranged() const;                       // the items in this order

 private:
  Array<T> items_;
  Loss loss_;
  ShuffleSoftSortOptions options_;
  Generator random_;
  Indices order_;
  Array<T> deviations_;  // of the columns
  T spread_;             // their sum
  std::size_t done_ = 0;
};

}  // namespace tapesort
