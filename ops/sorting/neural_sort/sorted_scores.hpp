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
  static Column zeros(std::size_t count) {
    Column column(count, T(0));
    std::fill_n(column.data(), count, T(0));
    return column;
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

// Several, all of one length.
template <class T> using Columns = std::vector<Column<T>>;
template <class T> Columns<T> zero_columns(std::size_t columns, std::size_t count) {
  Columns<T> zeros;
  for (std::size_t c = 0; c < columns; ++c) zeros.push_back(Column<T>::zeros(count));
  return zeros;
}

// Sets of n scores, one after the other, each in descending order:
//   value[j]          the score at place j (of all places of all sets), negated when ascending
//   gap[j]            (value[j] - value[j + 1]) / tau >= 0, and `apart` between two sets
//   order[j]          the index of that score within its set; ties in the order of their indices
// Sections 2 and 9 of README.md.
template <class T> struct SortedScores {
  // A gap that nothing reaches across, bounded so that a multiple of it is finite.
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
  // Calls f(place, position of the score there), both among those of all sets.
  template <class F> void for_places(const F& f) const {
    for (std::size_t start = 0; start < size(); start += n) {
      for (std::size_t j = start; j < start + n; ++j) f(j, start + order.data()[j]);
    }
  }
  // Adds the gradient vbar, by place, to that of the scores.
  template <class Item> void give_gradient(const Var<Item>& scores, const Column<T>& vbar) const {
    Array<Item> sbar = uninitialized<Item>(scores.shape());
    for_places([&](auto place, auto item) { sbar.data()[item] = Item(sign * vbar[place]); });
    accumulate(scores, std::move(sbar));
  }
};

}  // namespace tapesort
