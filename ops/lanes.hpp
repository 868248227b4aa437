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
// max(x, 0); NaN stays NaN
template <class T>
Lanes<T> positive_part(const Lanes<T>& x) {
  return xsimd::select(x < Lanes<T>(T(0)), Lanes<T>(T(0)), x);
}
// x where y > 0, else 0
template <class T>
Lanes<T> where_positive(const Lanes<T>& y, const Lanes<T>& x) {
  return xsimd::select(y > Lanes<T>(T(0)), x, Lanes<T>(T(0)));
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
  friend Lanes operator-(Lanes x, const Lanes& y) {
    for (std::size_t i = 0; i < size; ++i) x.lane[i] -= y.lane[i];
    return x;
  }
  friend Lanes operator*(Lanes x, const Lanes& y) {
    for (std::size_t i = 0; i < size; ++i) x.lane[i] *= y.lane[i];
    return x;
  }
  friend Lanes positive_part(Lanes x) {
    for (std::size_t i = 0; i < size; ++i) x.lane[i] = x.lane[i] < 0 ? T(0) : x.lane[i];
    return x;
  }
  friend Lanes where_positive(const Lanes& y, Lanes x) {
    for (std::size_t i = 0; i < size; ++i) x.lane[i] = y.lane[i] > 0 ? x.lane[i] : T(0);
    return x;
  }
};

template <class T>
Lanes<T> multiply_add(const Lanes<T>& x, const Lanes<T>& y, Lanes<T> z) {
  for (std::size_t i = 0; i < Lanes<T>::size; ++i) z.lane[i] += x.lane[i] * y.lane[i];
  return z;
}

#endif

// The same of single numbers.
inline float positive_part(float x) { return x < 0 ? 0 : x; }
inline double positive_part(double x) { return x < 0 ? 0 : x; }
inline float multiply_add(float x, float y, float z) { return x * y + z; }
inline double multiply_add(double x, double y, double z) { return x * y + z; }
inline float where_positive(float y, float x) { return y > 0 ? x : 0; }
inline double where_positive(double y, double x) { return y > 0 ? x : 0; }

// n rounded up to whole registers.
template <class T>
constexpr std::size_t whole_lanes(std::size_t n) {
  return (n + Lanes<T>::size - 1) / Lanes<T>::size * Lanes<T>::size;
}

}  // namespace tapesort
