// Scores and their indices in sorted order, by the scores' bits: O(n), where comparing costs
// O(n log n) mispredicted branches.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#include "engine/array.hpp"

namespace tapesort {

template <class T> struct RankedScore {
  using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  static constexpr Key top = Key(1) << (8 * sizeof(Key) - 1);

  Key key;  // an unsigned number that grows as the score falls
  std::uint32_t index;

  RankedScore() = default;
  // Bits of positive numbers are in the order of the numbers, those of negative ones in reverse.
  RankedScore(T score, std::uint32_t index) : index(index) {
    score += T(0);  // -0 and 0 are one score
    std::memcpy(&key, &score, sizeof score);
    if (!(key & top)) key = ~key & ~top;
  }
  T score() const {
    const Key bits = key & top ? key : Key(~key & ~top);
    T score;
    std::memcpy(&score, &bits, sizeof score);
    return score;
  }
};

template <class T>
using SortedSetWork = std::function<void(std::size_t start, const RankedScore<T>* sorted)>;

// Calls work(start, sorted) for each set of n scores, start being its first score's position, with
// the set's scores, times sign (1 or -1), in descending order; equal ones in the order of their
// indices. None may be NaN. Sets are sorted in parallel, a long one by several threads.
// std::invalid_argument, naming op, for more than 2^32 - 2 scores a set.
template <class T>
void sort_sets(const char* op, const Array<T>& scores, T sign, const SortedSetWork<T>& work);

}  // namespace tapesort
