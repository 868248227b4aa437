// Arithmetic, element by element. Operands broadcast by NumPy's rules (engine/broadcast.hpp);
// std::invalid_argument names both shapes when they do not.
//
//   operator    y         abar, bbar, given ybar
//   a + b       a + b     ybar, ybar
//   a - b       a - b     ybar, -ybar
//   a * b       a b       ybar b, ybar a
//   a / b       a / b     ybar / b, -ybar y / b
//   -x          -x        -ybar
//
// A NaN operand makes the result a NaN.
#pragma once

#include "ops/operand.hpp"

namespace tapesort {

namespace detail {
template <class T> Var<T> add(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> add(const Var<T>& x, T c, Op op);
template <class T> Var<T> add(const Var<T>& x, T c) { return add(x, c, {"add", NAN, double(c)}); }
template <class T> Var<T> add(T c, const Var<T>& x) { return add(x, c, {"add", double(c)}); }
template <class T> Var<T> subtract(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> subtract(const Var<T>& x, T c) {
  return add(x, -c, {"sub", NAN, double(c)});
}
template <class T> Var<T> subtract(T c, const Var<T>& x);
template <class T> Var<T> multiply(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> multiply(const Var<T>& x, T c, Op op);
template <class T> Var<T> multiply(const Var<T>& x, T c) {
  return multiply(x, c, {"mul", NAN, double(c)});
}
template <class T> Var<T> multiply(T c, const Var<T>& x) {
  return multiply(x, c, {"mul", double(c)});
}
template <class T> Var<T> divide(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> divide(const Var<T>& x, T c);
template <class T> Var<T> divide(T c, const Var<T>& x);
}  // namespace detail

// One side is a Var<T>; the other a Var<T>, an Array<T> or a number (operand.hpp).
template <class A, class B, class T = detail::Element<A, B>>
Var<T> operator+(const A& a, const B& b) {
  return detail::add(detail::operand<T>(a), detail::operand<T>(b));
}
template <class A, class B, class T = detail::Element<A, B>>
Var<T> operator-(const A& a, const B& b) {
  return detail::subtract(detail::operand<T>(a), detail::operand<T>(b));
}
template <class A, class B, class T = detail::Element<A, B>>
Var<T> operator*(const A& a, const B& b) {
  return detail::multiply(detail::operand<T>(a), detail::operand<T>(b));
}
template <class A, class B, class T = detail::Element<A, B>>
Var<T> operator/(const A& a, const B& b) {
  return detail::divide(detail::operand<T>(a), detail::operand<T>(b));
}
// a += b makes a the new Var a + b; what was recorded before stays as it is.
template <class T, class B> Var<T>& operator+=(Var<T>& a, const B& b) { return a = a + b; }
template <class T, class B> Var<T>& operator-=(Var<T>& a, const B& b) { return a = a - b; }
template <class T, class B> Var<T>& operator*=(Var<T>& a, const B& b) { return a = a * b; }
template <class T, class B> Var<T>& operator/=(Var<T>& a, const B& b) { return a = a / b; }

template <class T> Var<T> operator-(const Var<T>& x);

}  // namespace tapesort
