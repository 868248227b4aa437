// Random numbers from an explicit generator. Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel
// random numbers: as easy as 1, 2, 3", SC 2011): block number c of stream k is a fixed function of
// (k, c), so results depend neither on the order of evaluation nor on the number of threads, a
// generator is 16 bytes to save, and streams are split off by deriving a key.
#pragma once

#include <cstdint>

#include "engine/array.hpp"

namespace tapesort {

// One block: four 32-bit words from a 64-bit key and a 128-bit counter.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::array<std::uint32_t, 4> counter);

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : key_(seed) {}

  // An independent stream for each label. It depends only on this generator's key and the label, not
  // on how many numbers were drawn before. For example random.split(epoch).
  Generator split(std::uint64_t label) const;

  std::uint64_t bits();                    // 64 uniform bits
  double uniform();                        // [0, 1), 53 bits
  std::uint64_t below(std::uint64_t end);  // uniform on 0 .. end - 1, unbiased; end >= 1

  template <class T>
  Array<T> uniform(const Shape& shape, T low = 0, T high = 1);  // [low, high), finite
  template <class T>
  Array<T> normal(const Shape& shape, T mean = 0, T deviation = 1);  // Box-Muller
  // 0 .. n - 1 in random order (Fisher-Yates).
  Indices permutation(std::size_t n);

  // Everything there is to save: a generator made from these continues bit for bit.
  std::uint64_t key() const { return key_; }
  std::uint64_t position() const { return position_; }
  Generator(std::uint64_t key, std::uint64_t position) : key_(key), position_(position) {}

 private:
  std::array<std::uint32_t, 4> block(std::uint64_t position) const;

  std::uint64_t key_;
  std::uint64_t position_ = 0;  // blocks used
};

}  // namespace tapesort
