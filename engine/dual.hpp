// Dual<T>: a number that carries its derivative along, which is forward mode.
//
// Let x depend on a number t. Dual(x, dx/dt) is both, the value and the tangent, and arithmetic
// keeps both right, by the rules of differentiation:
//
//     Dual<double> x(3, 1);      x = t at t = 3, so dx/dt = 1
//     x * x * x                  27 and 27: x^3, and 3 x^2
//
// One pass gives the derivatives of all results with respect to one number; reverse mode gives those
// of one result with respect to all numbers. And both together: on a Tape<Dual<double>> whose leaf
// is x + t v, all that reverse mode computes carries its derivative along v. The gradient's is the
// Hessian times v (gradcheck/derivatives.hpp).
//
// Comparisons look at the value alone. At a kink the tangent is that of the branch taken.
#pragma once

#include <cmath>
#include <limits>
#include <ostream>
#include <type_traits>

#include "engine/array.hpp"

namespace tapesort {

template <class T> class Var;

template <class T> struct Dual {
  T value = 0, tangent = 0;

  Dual() = default;
  Dual(T its_value, T its_tangent) : value(its_value), tangent(its_tangent) {}
  // A plain number: it does not depend on t.
  template <class N, class = std::enable_if_t<std::is_arithmetic_v<N>>>
  Dual(N number) : value(static_cast<T>(number)) {}
  explicit operator T() const { return value; }

  friend Dual operator-(const Dual& x) { return {-x.value, -x.tangent}; }
  friend Dual operator+(const Dual& a, const Dual& b) {
    return {a.value + b.value, a.tangent + b.tangent};
  }
  friend Dual operator-(const Dual& a, const Dual& b) {
    return {a.value - b.value, a.tangent - b.tangent};
  }
  friend Dual operator*(const Dual& a, const Dual& b) {
    return {a.value * b.value, a.tangent * b.value + a.value * b.tangent};
  }
  friend Dual operator/(const Dual& a, const Dual& b) {
    const T c = a.value / b.value;
    return {c, (a.tangent - c * b.tangent) / b.value};
  }
  Dual& operator+=(const Dual& b) { return *this = *this + b; }
  Dual& operator-=(const Dual& b) { return *this = *this - b; }
  Dual& operator*=(const Dual& b) { return *this = *this * b; }
  Dual& operator/=(const Dual& b) { return *this = *this / b; }

  friend bool operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
  friend bool operator!=(const Dual& a, const Dual& b) { return a.value != b.value; }
  friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
  friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  friend bool operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
  friend bool operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }

  // "3 + 1t"
  friend std::ostream& operator<<(std::ostream& out, const Dual& x) {
    return out << x.value << " + " << x.tangent << "t";
  }
};

template <class T> bool isnan(const Dual<T>& x) {
  return std::isnan(x.value) || std::isnan(x.tangent);
}
template <class T> bool isfinite(const Dual<T>& x) {
  return std::isfinite(x.value) && std::isfinite(x.tangent);
}

// f(x), and f'(x) dx/dt
template <class T> Dual<T> exp(const Dual<T>& x) {
  const T y = std::exp(x.value);
  return {y, y * x.tangent};
}
template <class T> Dual<T> log(const Dual<T>& x) {
  return {std::log(x.value), x.tangent / x.value};
}
template <class T> Dual<T> log1p(const Dual<T>& x) {
  return {std::log1p(x.value), x.tangent / (1 + x.value)};
}
template <class T> Dual<T> sqrt(const Dual<T>& x) {
  const T y = std::sqrt(x.value);
  return {y, x.tangent / (2 * y)};
}
template <class T> Dual<T> tanh(const Dual<T>& x) {
  const T c = std::cosh(x.value);  // 1 - tanh^2 would lose its digits
  return {std::tanh(x.value), x.tangent / c / c};
}
template <class T> Dual<T> abs(const Dual<T>& x) {
  return x.value < 0 ? -x : x.value == 0 ? Dual<T>(0) : x;
}
template <class T> Dual<T> pow(const Dual<T>& a, const Dual<T>& b) {
  Dual<T> y = std::pow(a.value, b.value);
  if (a.tangent != 0 && b.value != 0)
    y.tangent += b.value * std::pow(a.value, b.value - 1) * a.tangent;
  if (b.tangent != 0 && a.value != 0) y.tangent += y.value * std::log(a.value) * b.tangent;
  return y;
}

namespace simd {  // a "register" of one, for formulas that are written for many numbers at once
using tapesort::abs, tapesort::exp, tapesort::isnan, tapesort::log, tapesort::log1p;
using tapesort::sqrt, tapesort::tanh;
}  // namespace simd

// Arrays of duals, and their parts. Value and tangent have one shape.
template <class T> Array<Dual<T>> duals(const Array<T>& value, const Array<T>& tangent) {
  Array<Dual<T>> x = uninitialized<Dual<T>>(value.shape());
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = {value.data()[i], tangent.data()[i]};
  return x;
}
template <class T> Array<T> values(const Array<Dual<T>>& x) { return convert<T>(x); }
template <class T> Array<T> tangents(const Array<Dual<T>>& x) {
  Array<T> t = uninitialized<T>(x.shape());
  for (std::size_t i = 0; i < t.size(); ++i) t.data()[i] = x.data()[i].tangent;
  return t;
}

// The type in which long sums and products are kept: double for float.
template <class T> using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

namespace detail {
template <class T> struct NoSecondDerivative {
  static_assert(!std::is_same_v<T, T>,
                "this operator has no second derivative; README.md, Limits, says which have");
};
template <class T> struct Once { using Result = Var<T>; };
template <class T> struct Once<Dual<T>> { using Result = NoSecondDerivative<T>; };
}  // namespace detail

// Var<T>: the result of an operator that a Tape<Dual<double>> does not have.
template <class T> using FirstOrder = typename detail::Once<T>::Result;

}  // namespace tapesort

namespace std {
template <class T> class numeric_limits<tapesort::Dual<T>> : public numeric_limits<T> {};
}  // namespace std
