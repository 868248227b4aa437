// Operators that act on each element alone. Two operands broadcast by NumPy's rules
// (engine/broadcast.hpp); std::invalid_argument names both shapes when they do not.
//
//   operator        y                       xbar, given ybar            at kinks
//   a + b, a - b    a +- b                  ybar, +-ybar
//   a * b           a b                     ybar b, ybar a
//   a / b           a / b                   ybar / b, -ybar y / b
//   -x              -x                      -ybar
//   exp             e^x                     ybar y
//   log             ln x                    ybar / x
//   sqrt            x^1/2                   ybar / (2 y)                inf at 0
//   square          x^2                     2 ybar x
//   abs             |x|                     ybar sign(x)                0 at 0
//   pow(x, p)       x^p                     ybar p x^(p-1)              0 when p = 0
//   pow(a, b)       a^b                     ybar b a^(b-1), ybar y ln a   bbar = 0 at a = 0
//   tanh            tanh x                  ybar 4 e^-2|x| / (1 + e^-2|x|)^2
//   sigmoid         1 / (1 + e^-x)          ybar e^-|x| / (1 + e^-|x|)^2
//   relu            max(x, 0)               ybar [x > 0]                0 at 0
//   softplus        ln(1 + e^x)             ybar sigmoid(x)
//   maximum         max(a, b)               to the larger               halves where equal
//   minimum         min(a, b)               to the smaller              halves where equal
//   clip            min(max(x, lo), hi)     ybar [lo <= x <= hi]
//   where(c, a, b)  a where c != 0, else b  to the one taken, nothing to c
//   greater(a, b)   1 where a > b, else 0   nothing: a constant
//   stop_gradient   x                       nothing: a constant
//
// The slopes of tanh and sigmoid are 1 - y^2 and y (1 - y), written so that they keep their digits
// where y is next to 1. A NaN operand makes the result a NaN (in where only when it is taken; in
// greater it compares as false), and where the table has a choice, ybar is passed on to it.
//
// Plain numbers work on either side of + - * / and are not put on the tape. Source: calculus;
// broadcasting's transpose is a sum, which accumulate does.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

// A number beside a Var<T>: converted to T rather than deduced, so that x * 2 works in float too.
template <class T> using Number = Converted<T>;

template <class T> Var<T> operator+(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> operator-(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> operator*(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> operator/(const Var<T>& a, const Var<T>& b);

template <class T> Var<T> operator+(const Var<T>& x, Number<T> c);
template <class T> Var<T> operator*(const Var<T>& x, Number<T> c);
template <class T> Var<T> operator/(const Var<T>& x, Number<T> c);
template <class T> Var<T> operator-(Number<T> c, const Var<T>& x);
template <class T> Var<T> operator/(Number<T> c, const Var<T>& x);
template <class T> Var<T> operator-(const Var<T>& x, Number<T> c) { return x + (-c); }
template <class T> Var<T> operator+(Number<T> c, const Var<T>& x) { return x + c; }
template <class T> Var<T> operator*(Number<T> c, const Var<T>& x) { return x * c; }

template <class T> Var<T> operator-(const Var<T>& x);
template <class T> Var<T> exp(const Var<T>& x);
template <class T> Var<T> log(const Var<T>& x);
template <class T> Var<T> sqrt(const Var<T>& x);
template <class T> Var<T> square(const Var<T>& x);
template <class T> Var<T> abs(const Var<T>& x);
template <class T> Var<T> pow(const Var<T>& x, Number<T> exponent);
template <class T> Var<T> pow(const Var<T>& base, const Var<T>& exponent);
template <class T> Var<T> tanh(const Var<T>& x);
template <class T> Var<T> sigmoid(const Var<T>& x);
template <class T> Var<T> relu(const Var<T>& x);
template <class T> Var<T> softplus(const Var<T>& x);
template <class T> Var<T> maximum(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> minimum(const Var<T>& a, const Var<T>& b);
// std::invalid_argument unless low <= high.
template <class T> Var<T> clip(const Var<T>& x, Number<T> low, Number<T> high);
// All three broadcast. For example where(greater(x, y), x, y).
template <class T> Var<T> where(const Var<T>& condition, const Var<T>& a, const Var<T>& b);
template <class T> Var<T> greater(const Var<T>& a, const Var<T>& b);
template <class T> Var<T> stop_gradient(const Var<T>& x);

}  // namespace tapesort
