// Sums that keep their digits.
#pragma once

#include <cstddef>

namespace tapesort {

// A contiguous sum. Sixteen running partial sums vectorise without reordering flags; long sums are
// halved, so that the rounding error grows with log n.
template <class T> T contiguous_sum(const T* x, std::size_t n) {
  if (n > 1024) return contiguous_sum(x, n / 2) + contiguous_sum(x + n / 2, n - n / 2);
  constexpr std::size_t lanes = 16;
  T partial[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) partial[lane] += x[i + lane];
  }
  T total = 0;
  for (T p : partial) total += p;
  for (; i < n; ++i) total += x[i];
  return total;
}

}  // namespace tapesort
