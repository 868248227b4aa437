// Elementwise operators of two operands, which are stretched to their common shape.
#pragma once

#include "ops/map.hpp"

namespace tapesort {

// f(a, b), where a and b are stretched to their common shape (the copies live until map returns).
template <class T, class F>
Array<T> zip(const char* op, const Array<T>& a, const Array<T>& b, const F& f) {
  if (a.shape() == b.shape()) return map(a, b, f);
  const Shape shape = broadcast_shape(op, a.shape(), b.shape());
  return map(*Stretched<T>(op, a, shape), *Stretched<T>(op, b, shape), f);
}

// The operator c = f(a, b) with abar = a_vjp(cbar, a, b, c) and bbar = b_vjp(cbar, a, b, c), a and b
// stretched to c's shape; accumulate sums back.
template <class T, class F, class AVjp, class BVjp>
Var<T> binary(const char* op, const Var<T>& a, const Var<T>& b, F f, AVjp a_vjp, BVjp b_vjp) {
  return record(op, {a, b}, zip(op, a.value(), b.value(), f), [a_vjp, b_vjp](Node<T>& c) {
    const Stretched<T> a_value(c.op(), c.input(0).value(), c.value().shape());
    const Stretched<T> b_value(c.op(), c.input(1).value(), c.value().shape());
    const auto pull = [&](const auto& vjp) {
      return [&] { return map(c.cotangent(), *a_value, *b_value, c.value(), vjp); };
    };
    accumulate_made(c.input(0), pull(a_vjp));
    accumulate_made(c.input(1), pull(b_vjp));
  });
}

}  // namespace tapesort
