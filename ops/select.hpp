// Operators that select, element by element, and powers. Operands broadcast by NumPy's rules
// (engine/broadcast.hpp); std::invalid_argument names both shapes when they do not. One of two may be
// an Array or a number: a constant.
//
//   operator        y                       to the operands, given ybar
//   maximum         max(a, b)               ybar to the larger, halves where equal
//   minimum         min(a, b)               ybar to the smaller, halves where equal
//   clip            min(max(x, lo), hi)     ybar [lo <= x <= hi]
//   where(c, a, b)  a where c != 0, else b  ybar to the one taken, nothing to c
//   greater(a, b)   1 where a > b, else 0   nothing: a constant
//   stop_gradient   x                       nothing: a constant
//   straight_through(hard, soft)   hard     ybar to soft
//   pow(x, p)       x^p                     ybar p x^(p-1); 0 when p = 0
//   pow(a, b)       a^b                     ybar b a^(b-1), ybar y ln a; bbar = 0 at a = 0
//
// A NaN operand makes the result a NaN (in where only when it is taken; in greater it compares as
// false; pow(1, NaN) and pow(NaN, 0) are 1), and where there is a choice, ybar is passed on to it.
#pragma once

#include "ops/operand.hpp"

namespace tapesort {

template <class T> Var<T> maximum(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> minimum(const Var<T>& a, const Var<T>& b);
template <class A, class B, class T = detail::Beside<A, B>> Var<T> maximum(const A& a, const B& b) {
  return maximum(detail::var_of<T>(a), detail::var_of<T>(b));
}
template <class A, class B, class T = detail::Beside<A, B>> Var<T> minimum(const A& a, const B& b) {
  return minimum(detail::var_of<T>(a), detail::var_of<T>(b));
}
// std::invalid_argument unless low <= high.
template <class T> Var<T> clip(const Var<T>& x, Converted<T> low, Converted<T> high);
// All three broadcast. For example where(greater(x, y), x, y).
template <class T> Var<T> where(const Var<T>& condition, const Var<T>& a, const Var<T>& b);
template <class T, class A, class B, class = detail::Beside<A, B>>
Var<T> where(const Var<T>& condition, const A& a, const B& b) {
  return where(condition, detail::var_of<T>(a), detail::var_of<T>(b));
}
// With a mask, as in where(x.value() > 0, x, 0).
template <class A, class B, class T = detail::Element<A, B>>
Var<T> where(const Array<bool>& condition, const A& a, const B& b) {
  return where(constant(convert<T>(condition)), detail::var_of<T>(a), detail::var_of<T>(b));
}
template <class T> Var<T> greater(const Var<T>& a, const Var<T>& b);
template <class A, class B, class T = detail::Beside<A, B>> Var<T> greater(const A& a, const B& b) {
  return greater(detail::var_of<T>(a), detail::var_of<T>(b));
}
template <class T> Var<T> stop_gradient(const Var<T>& x);
// The value of `hard` with the gradient of `soft`: hard itself is flat wherever it has a
// derivative. std::invalid_argument when their shapes differ. Source: Bengio, Leonard, Courville
// 2013.
// It misleads where two such factors are multiplied: each one's gradient is gated by the other's hard
// value. With hard values a = b = 0, neither gets a gradient from a b, however much a_soft b_soft would
// gain. Then make one of the product: straight_through(a_hard * b_hard, a_soft * b_soft).
template <class T> Var<T> straight_through(const Array<T>& hard, const Var<T>& soft);
template <class T> Var<T> pow(const Var<T>& base, const Var<T>& exponent);
template <class A, class B, class T = detail::Beside<A, B>>
Var<T> pow(const A& base, const B& exponent) {
  return pow(detail::var_of<T>(base), detail::var_of<T>(exponent));
}

}  // namespace tapesort
