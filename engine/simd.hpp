// The one vector layer. Lanes<T> is what a vector register holds: 4 floats with SSE or NEON, 8 with
// AVX, 16 with AVX-512; half as many doubles. It is xsimd's batch, so + - * / and comparisons work
// on all lanes at once, and a plain number beside a register is spread over its lanes.
//
// The tail of a loop goes through a register that is filled up with a repeated number (load_part),
// and exp and log of a single number are the first lane of the same function. So a result depends
// neither on its place in an array nor on how the work is shared out to threads, and a NaN stays a
// NaN in every lane.
// (xsimd's own operator!= is false for NaN, its exp is infinite from 88.38 on, and its log wrong
// below the normal numbers: use isnan, exp and log as below.)
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <xsimd/xsimd.hpp>

#include "engine/array.hpp"

namespace tapesort {

template <class T> using Lanes = xsimd::batch<T>;
template <class T> using Mask = xsimd::batch_bool<T>;  // one truth value per lane

namespace simd {

template <class T> Lanes<T> load(const T* from) { return Lanes<T>::load_unaligned(from); }
template <class T> void store(T* to, const Lanes<T>& x) { x.store_unaligned(to); }
// The first `count` lanes, 1 <= count <= size; the others repeat the first number.
template <class T> Lanes<T> load_part(const T* from, std::size_t count) {
  if (count == 1) return Lanes<T>(*from);
  T padded[Lanes<T>::size];
  std::fill(std::copy_n(from, count, padded), padded + Lanes<T>::size, *from);
  return load(padded);
}
template <class T> void store_part(T* to, const Lanes<T>& x, std::size_t count) {
  T all[Lanes<T>::size];
  store(all, x);
  std::copy_n(all, count, to);
}

// condition ? a : b
template <class T>
Lanes<T> select(const Mask<T>& condition, const Converted<Lanes<T>>& a,
                const Converted<Lanes<T>>& b) {
  return xsimd::select(condition, a, b);
}
// C is bool itself: AVX-512's masks are integers to the compiler, and would convert to one.
template <class C, class A, class B, class = std::enable_if_t<std::is_same_v<C, bool>>>
std::common_type_t<A, B> select(C condition, const A& a, const B& b) {
  return condition ? std::common_type_t<A, B>(a) : std::common_type_t<A, B>(b);
}
template <class T> Mask<T> isnan(const Lanes<T>& x) { return xsimd::isnan(x); }
// max(x, 0); NaN stays NaN
template <class V> V positive_part(const V& x) { return simd::select(x < V(0), V(0), x); }

template <class T> Lanes<T> abs(const Lanes<T>& x) { return xsimd::abs(x); }
template <class T> Lanes<T> sqrt(const Lanes<T>& x) { return xsimd::sqrt(x); }

// xsimd gives up before the range of T ends, at 88.38 for float. There, e^x = (e^(x/2))^2.
template <class T> Lanes<T> exp(const Lanes<T>& x) {
  const Lanes<T> y = xsimd::exp(x);
  const Mask<T> far = xsimd::abs(x) > Lanes<T>(std::is_same_v<T, float> ? T(87) : T(708));
  if (!xsimd::any(far)) return y;
  const Lanes<T> root = xsimd::exp(x * Lanes<T>(T(0.5)));
  return xsimd::select(far, root * root, y);
}
// Below the normal numbers, where xsimd's is wrong, ln x = ln(2^54 x) - 54 ln 2.
template <class T> Lanes<T> log(const Lanes<T>& x) {
  const Lanes<T> y = xsimd::log(x);
  const Mask<T> tiny = x < Lanes<T>(std::numeric_limits<T>::min());
  if (!xsimd::any(tiny)) return y;
  const Lanes<T> raised = xsimd::log(x * Lanes<T>(T(0x1p54))) - Lanes<T>(T(37.429947750237048));
  return xsimd::select(tiny, raised, y);
}
template <class T> Lanes<T> log1p(const Lanes<T>& x) { return xsimd::log1p(x); }
template <class T> Lanes<T> tanh(const Lanes<T>& x) { return xsimd::tanh(x); }

// The same of a single number: the first lane.
inline float exp(float x) { return exp(Lanes<float>(x)).get(0); }
inline double exp(double x) { return exp(Lanes<double>(x)).get(0); }
inline float log(float x) { return log(Lanes<float>(x)).get(0); }
inline double log(double x) { return log(Lanes<double>(x)).get(0); }

}  // namespace simd
}  // namespace tapesort
