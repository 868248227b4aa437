// What simd.hpp leaves to loops that keep running sums in registers.
#pragma once

#include "engine/simd.hpp"

namespace tapesort {

// How many vector registers a tile of running sums may count on.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr std::size_t vector_registers = 32;
#else
constexpr std::size_t vector_registers = 16;
#endif

// n rounded up to whole registers.
template <class T> constexpr std::size_t whole_lanes(std::size_t n) {
  return (n + Lanes<T>::size - 1) / Lanes<T>::size * Lanes<T>::size;
}

namespace simd {

// One number or a register of them, for loops that are written once for both.
template <class V, class T> V load_as(const T* from) {
  if constexpr (std::is_same_v<V, T>) {
    return *from;
  } else {
    return load(from);
  }
}
inline void store(float* to, float x) { *to = x; }
inline void store(double* to, double x) { *to = x; }
// 0, 1, 2, ..
template <class T> Lanes<T> ramp() {
  T numbers[Lanes<T>::size];
  for (std::size_t i = 0; i < Lanes<T>::size; ++i) numbers[i] = T(i);
  return load(numbers);
}

template <class T> bool any(const Mask<T>& x) { return xsimd::any(x); }

// x * y + z, rounded once where the CPU can
template <class T> Lanes<T> multiply_add(const Lanes<T>& x, const Lanes<T>& y, const Lanes<T>& z) {
  return xsimd::fma(x, y, z);
}
template <class T> std::enable_if_t<std::is_floating_point_v<T>, T> multiply_add(T x, T y, T z) {
#if defined(__FMA__) || defined(__aarch64__)
  return std::fma(x, y, z);
#else
  return x * y + z;
#endif
}
// The sum of all lanes.
template <class T> T sum(const Lanes<T>& x) { return xsimd::hadd(x); }

}  // namespace simd
}  // namespace tapesort
