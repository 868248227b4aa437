// The vector loops of the sorting operators, written once: Lanes<T> is an xsimd batch, or a single
// number where xsimd is off.
#pragma once

#include <cmath>
#include <cstddef>
#ifdef XTENSOR_USE_XSIMD
#include <xsimd/xsimd.hpp>
#endif

namespace tapesort::lanes {

#ifdef XTENSOR_USE_XSIMD

template <class T>
using Lanes = xsimd::batch<T>;

template <class T>
inline Lanes<T> load(const T* from) {
  return Lanes<T>::load_unaligned(from);
}
template <class T>
inline void store(T* to, const Lanes<T>& x) {
  x.store_unaligned(to);
}
template <class T>
inline T sum(const Lanes<T>& x) {
  return xsimd::hadd(x);
}
template <class T>
inline bool any_above(const Lanes<T>& x, T bound) {
  return xsimd::any(x > Lanes<T>(bound));
}

#else

template <class T>
struct Lanes {
  static constexpr std::size_t size = 1;
  T x = 0;
  Lanes() = default;
  explicit Lanes(T x) : x(x) {}
  Lanes& operator+=(const Lanes& o) { return x += o.x, *this; }
  Lanes& operator-=(const Lanes& o) { return x -= o.x, *this; }
  Lanes& operator*=(const Lanes& o) { return x *= o.x, *this; }
  friend Lanes operator+(Lanes a, const Lanes& b) { return a += b; }
  friend Lanes operator-(Lanes a, const Lanes& b) { return a -= b; }
  friend Lanes operator*(Lanes a, const Lanes& b) { return a *= b; }
  friend Lanes operator/(Lanes a, const Lanes& b) { return Lanes(a.x / b.x); }
  friend Lanes exp(const Lanes& a) { return Lanes(std::exp(a.x)); }
};

template <class T>
inline Lanes<T> load(const T* from) {
  return Lanes<T>(*from);
}
template <class T>
inline void store(T* to, const Lanes<T>& x) {
  *to = x.x;
}
template <class T>
inline T sum(const Lanes<T>& x) {
  return x.x;
}
template <class T>
inline bool any_above(const Lanes<T>& x, T bound) {
  return x.x > bound;
}

#endif

// 0, 1, 2, ...
template <class T>
inline Lanes<T> ramp() {
  T numbers[Lanes<T>::size];
  for (std::size_t i = 0; i < Lanes<T>::size; ++i) numbers[i] = T(i);
  return load(numbers);
}

}  // namespace tapesort::lanes
