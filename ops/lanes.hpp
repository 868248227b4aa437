// Lanes<T>: the numbers that one vector register holds, for loops in which registers are planned by
// hand. xsimd's batch where the build is for this CPU, else four floats that the compiler maps to
// whatever the architecture has.
#pragma once

#include <cstddef>
#ifdef XTENSOR_USE_XSIMD
#include <xsimd/xsimd.hpp>
#endif

namespace tapesort {

// How many vector registers a tile of running sums may count on.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr std::size_t vector_registers = 32;
#else
constexpr std::size_t vector_registers = 16;
#endif

#ifdef XTENSOR_USE_XSIMD

template <class T>
using Lanes = xsimd::batch<T>;

// x * y + z
template <class T>
Lanes<T> multiply_add(const Lanes<T>& x, const Lanes<T>& y, const Lanes<T>& z) {
  return xsimd::fma(x, y, z);
}

#else

template <class T>
struct Lanes {
  static constexpr std::size_t size = 16 / sizeof(T);
  T lane[size];

  Lanes() = default;
  explicit Lanes(T value) {
    for (T& x : lane) x = value;
  }
  static Lanes load_unaligned(const T* from) {
    Lanes x;
    for (std::size_t i = 0; i < size; ++i) x.lane[i] = from[i];
    return x;
  }
  void store_unaligned(T* to) const {
    for (std::size_t i = 0; i < size; ++i) to[i] = lane[i];
  }
  friend Lanes operator+(Lanes x, const Lanes& y) {
    for (std::size_t i = 0; i < size; ++i) x.lane[i] += y.lane[i];
    return x;
  }
};

template <class T>
Lanes<T> multiply_add(const Lanes<T>& x, const Lanes<T>& y, Lanes<T> z) {
  for (std::size_t i = 0; i < Lanes<T>::size; ++i) z.lane[i] += x.lane[i] * y.lane[i];
  return z;
}

#endif

// n rounded up to whole registers.
template <class T>
constexpr std::size_t whole_lanes(std::size_t n) {
  return (n + Lanes<T>::size - 1) / Lanes<T>::size * Lanes<T>::size;
}

}  // namespace tapesort
