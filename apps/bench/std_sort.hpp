// What sorting itself costs: the measure of the sorting operators.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "apps/bench/stopwatch.hpp"
#include "engine/array.hpp"

namespace tapesort {

// How long std::sort takes to find the order of each set of scores (..., n), largest first.
template <class T> double seconds_of_std_sort(const Array<T>& scores) {
  const std::size_t n = scores.shape().back();
  std::vector<std::uint32_t> order(n);
  return seconds_of([&] {
    for (std::size_t first = 0; first < scores.size(); first += n) {
      const T* s = scores.data() + first;
      std::iota(order.begin(), order.end(), 0u);
      std::sort(order.begin(), order.end(),
                [s](std::uint32_t a, std::uint32_t b) { return s[a] > s[b]; });
    }
  });
}

}  // namespace tapesort
