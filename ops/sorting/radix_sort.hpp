// Scores and their indices in sorted order, by the scores' bits: O(n), where comparing costs
// O(n log n) mispredicted branches.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "engine/array.hpp"

namespace tapesort {

template <class T>
struct RankedScore {
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

// Room for the scores of one set at a time.
template <class T>
class SortSpace {
 public:
  // std::invalid_argument, naming op, for more than 2^32 - 2 scores a set.
  SortSpace(const char* op, std::size_t n);

  // n scores, times sign (1 or -1), in descending order; equal ones in the order of their indices.
  // None may be NaN. Valid until the next call. A long set is shared out to the threads.
  const RankedScore<T>* sort(const T* scores, T sign);

 private:
  std::size_t n_;
  Array<std::uint8_t> memory_;
};

}  // namespace tapesort
