// How squared_distances and the nearest neighbours see their candidates. (Not installed: its layout
// depends on the CPU.)
#pragma once

#include "engine/simd.hpp"

namespace tapesort {

// Candidates laid out for many distances: strips of `width` of them, in each of which one coordinate
// of all stands side by side. The last strip is filled up with zeros.
template <class T> class CandidateStrips {
 public:
  static constexpr std::size_t width = 2 * Lanes<T>::size;

  explicit CandidateStrips(const Array<T>& candidates);  // (c, d)

  std::size_t count() const { return (candidates_ + width - 1) / width; }

  // The squared distances of queries (rows, d) to strip number `strip`, to y: rows of `width`
  // numbers, y_row apart.
  void distances(const T* queries, std::size_t rows, std::size_t strip, T* y,
                 std::size_t y_row) const;

 private:
  std::size_t candidates_, d_;
  Array<T> strips_;  // (count, d, width)
};

}  // namespace tapesort
