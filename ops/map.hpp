// y_i = f(x_i, ..), the inner loop of every elementwise operator, and operators of one operand made of it.
//
// f is a generic lambda. Write it as for one number; it is called with several at once, say 8 floats, a
// register of the processor (engine/simd.hpp), and large arrays are shared out to threads:
//
//     map(x, [](auto x) { return simd::exp(-x); })
#pragma once

#include "engine/broadcast.hpp"
#include "engine/parallel.hpp"
#include "engine/simd.hpp"
#include "engine/tape.hpp"

namespace tapesort {

namespace detail {
// result[i] = f(x1[i], x2[i], ..) for all i, fast. Skip it on a first reading.
template <class T, class F, class... Xs>
Array<T> map_lanes(const Shape& shape, const F& f, const Xs*... xs) {
  Array<T> result = uninitialized<T>(shape);
  T* y = result.data();
  constexpr std::size_t grain = 1 << 16;  // fewer numbers stay in one cache, and are faster there
  parallel_for(result.size(), grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    std::size_t i = begin;
    if constexpr (std::is_floating_point_v<T>) {
      for (; i + Lanes<T>::size <= end; i += Lanes<T>::size) {
        simd::store(y + i, Lanes<T>(f(simd::load(xs + i)...)));
      }
      if (i < end) {
        simd::store_part(y + i, Lanes<T>(f(simd::load_part(xs + i, end - i)...)), end - i);
      }
    } else {  // numbers of other types: one by one (dual.hpp)
      for (; i < end; ++i) y[i] = f(xs[i]...);
    }
  });
  return result;
}
}  // namespace detail

// The arrays have one shape.
template <class T, class F> Array<T> map(const Array<T>& x, const F& f) {
  return detail::map_lanes<T>(x.shape(), f, x.data());
}
template <class T, class F> Array<T> map(const Array<T>& x1, const Array<T>& x2, const F& f) {
  return detail::map_lanes<T>(x1.shape(), f, x1.data(), x2.data());
}
template <class T, class F>
Array<T> map(const Array<T>& x1, const Array<T>& x2, const Array<T>& x3, const F& f) {
  return detail::map_lanes<T>(x1.shape(), f, x1.data(), x2.data(), x3.data());
}
template <class T, class F>
Array<T> map(const Array<T>& x1, const Array<T>& x2, const Array<T>& x3, const Array<T>& x4,
             const F& f) {
  return detail::map_lanes<T>(x1.shape(), f, x1.data(), x2.data(), x3.data(), x4.data());
}

// The operator y = f(x) with the pullback xbar = vjp(ybar, x, y), formulas for one element. (It is
// recorded only when x needs a gradient, so the pullback need not ask needs_grad().)
template <class T, class F, class Vjp> Var<T> unary(Op op, const Var<T>& x, F f, Vjp vjp) {
  return record(op, {x}, map(x.value(), f), [vjp](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.input(0).value(), y.value(), vjp));
  });
}

}  // namespace tapesort
