// Scores in sorted order, and the gaps between neighbours: all that NeuralSort's rows need.
#pragma once

#include <cstdint>

#include "ops/sorting/hard.hpp"

namespace tapesort {

// A column of one number an item, in sorted order, with room before the first and after the last
// item so that vector loops may read beyond both. That room is filled with `outside`; the items'
// own numbers are not initialised.
template <class T> class Column {
 public:
  static constexpr std::size_t margin = 64;
  Column() = default;
  Column(std::size_t count, T outside)
      : numbers_(uninitialized<T>({count + 2 * margin})), count_(count) {
    std::fill_n(numbers_.data(), margin, outside);
    std::fill_n(numbers_.data() + margin + count, margin, outside);
  }
  T* data() { return numbers_.data() + margin; }
  const T* data() const { return numbers_.data() + margin; }
  T& operator[](std::size_t i) { return data()[i]; }
  T operator[](std::size_t i) const { return data()[i]; }
  std::size_t size() const { return count_; }

 private:
  Array<T> numbers_;
  std::size_t count_ = 0;
};

// Sets of n scores, one after the other, each in descending order:
//   value[j]          the score at place j (of all places of all sets), negated when ascending
//   gap[j]            (value[j] - value[j + 1]) / tau >= 0, and `apart` between two sets
//   order[j]          the index of that score within its set; ties in the order of their indices
// The gaps are differences of neighbours, so a common offset of the scores costs no accuracy.
template <class T> struct SortedScores {
  // A gap that nothing reaches across. Bounded, so that a multiple of it is finite and times zero
  // is zero.
  static constexpr T apart = T(1e30);

  // std::invalid_argument, naming op, for 0-d scores, a score that is NaN, infinite or beyond half
  // of the largest number of its type, and a tau that is not positive and finite.
  SortedScores(const char* op, const Array<T>& scores, double tau, Direction direction);

  std::size_t sets, n;
  double tau;
  T sign;  // 1 descending, -1 ascending
  Column<T> value, gap;
  Array<std::uint32_t> order;

  std::size_t size() const { return sets * n; }
};

}  // namespace tapesort
