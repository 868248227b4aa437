// y_i = f(x_i, ..) over arrays of one shape, the inner loop of every elementwise operator.
//
// f is a generic lambda that is called with whole registers of numbers (engine/simd.hpp), the last
// one filled up:
//
//     map(x, [](auto x) { return simd::exp(-x); })
//
// Constants in f are converted by hand, T(2) * x. Large arrays are split over the pool's threads.
#pragma once

#include "engine/array.hpp"
#include "engine/parallel.hpp"
#include "engine/simd.hpp"

namespace tapesort {

namespace detail {

template <class T, class F, class... Xs>
void map_range(std::size_t begin, std::size_t end, const F& f, T* y, const Xs*... xs) {
  std::size_t i = begin;
  for (; i + Lanes<T>::size <= end; i += Lanes<T>::size) {
    simd::store(y + i, Lanes<T>(f(simd::load(xs + i)...)));
  }
  if (i < end) {
    simd::store_part(y + i, Lanes<T>(f(simd::load_part(xs + i, end - i)...)), end - i);
  }
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

template <class T, class F> Array<T> map(const Array<T>& x, const F& f) {
  return detail::map_all<T>(x.shape(), f, x.data());
}
template <class T, class F> Array<T> map(const Array<T>& x1, const Array<T>& x2, const F& f) {
  return detail::map_all<T>(x1.shape(), f, x1.data(), x2.data());
}
template <class T, class F>
Array<T> map(const Array<T>& x1, const Array<T>& x2, const Array<T>& x3, const F& f) {
  return detail::map_all<T>(x1.shape(), f, x1.data(), x2.data(), x3.data());
}
template <class T, class F>
Array<T> map(const Array<T>& x1, const Array<T>& x2, const Array<T>& x3, const Array<T>& x4,
             const F& f) {
  return detail::map_all<T>(x1.shape(), f, x1.data(), x2.data(), x3.data(), x4.data());
}

}  // namespace tapesort
