// Sums that keep their digits.
#pragma once

#include <cstddef>

namespace tapesort {

// sum_i term(i), i < n, each once and in order. Sixteen running partial sums vectorise without
// reordering flags.
template <class T, class Term> T sum_of(std::size_t n, const Term& term) {
  constexpr std::size_t lanes = 16;
  T partial[lanes] = {}, total = 0;
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) partial[lane] += term(i + lane);
  }
  for (T p : partial) total += p;
  for (; i < n; ++i) total += term(i);
  return total;
}

// A contiguous sum; a long one is made by halves, so that the rounding error grows with log n.
template <class T> T contiguous_sum(const T* x, std::size_t n) {
  if (n > 1024) return contiguous_sum(x, n / 2) + contiguous_sum(x + n / 2, n - n / 2);
  return sum_of<T>(n, [x](std::size_t i) { return x[i]; });
}

}  // namespace tapesort
