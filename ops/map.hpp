// y_i = f(x_i, ..) over arrays of one shape, the inner loop of every elementwise operator.
//
// f is a generic lambda. Where the CPU has vector registers it is called with xsimd batches of
// numbers, and with plain numbers for the rest, so it must say the same for both:
//
//     map(x, [](auto v) { using std::exp; return exp(-v); });     exp finds std's or xsimd's
//
// Constants in f are converted by hand, T(2) * v. Large arrays are split over the pool's threads.
#pragma once

#include <cmath>

#include "engine/array.hpp"
#include "engine/parallel.hpp"
#ifdef XTENSOR_USE_XSIMD
#include <xsimd/xsimd.hpp>
#endif

namespace tapesort {

namespace detail {

// condition ? a : b, for numbers; xsimd has its own for batches.
template <class T>
T select(bool condition, T a, T b) {
  return condition ? a : b;
}

template <class T, class F, class... Xs>
void map_range(std::size_t begin, std::size_t end, const F& f, T* y, const Xs*... xs) {
  std::size_t i = begin;
#ifdef XTENSOR_USE_XSIMD
  using Batch = xsimd::batch<T>;
  for (; i + Batch::size <= end; i += Batch::size) {
    Batch(f(Batch::load_unaligned(xs + i)...)).store_unaligned(y + i);
  }
#endif
  for (; i < end; ++i) y[i] = f(xs[i]...);
}

template <class T, class F, class... Xs>
Array<T> map_all(const Shape& shape, const F& f, const Xs*... xs) {
  constexpr std::size_t grain = 1 << 15;  // below, waking a thread costs more than the work
  Array<T> y = uninitialized<T>(shape);
  T* to = y.data();
  if (y.size() < 2 * grain) {
    map_range(0, y.size(), f, to, xs...);
  } else {
    parallel_for(y.size(), grain, [&](std::size_t begin, std::size_t end, std::size_t) {
      map_range(begin, end, f, to, xs...);
    });
  }
  return y;
}

}  // namespace detail

template <class T, class F>
Array<T> map(const Array<T>& x, const F& f) {
  return detail::map_all<T>(x.shape(), f, x.data());
}
template <class T, class F>
Array<T> map(const Array<T>& x1, const Array<T>& x2, const F& f) {
  return detail::map_all<T>(x1.shape(), f, x1.data(), x2.data());
}
template <class T, class F>
Array<T> map(const Array<T>& x1, const Array<T>& x2, const Array<T>& x3, const F& f) {
  return detail::map_all<T>(x1.shape(), f, x1.data(), x2.data(), x3.data());
}

}  // namespace tapesort
