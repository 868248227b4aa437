// Stage 12: an operator of your own inside tapesort.
#pragma once

#include <cmath>

#include "../task.hpp"
#include "engine/dual.hpp"
#include "engine/tape.hpp"
#include "gradcheck/vars.hpp"
#include "ops/map.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;

// The Huber function, element by element: x^2 / 2 where |x| <= delta, and the line
// delta (|x| - delta / 2) beyond. T is float, double or Dual<double>.
template <class T> Array<T> huber_values(const Array<T>& x, double delta) {
  using std::abs;  // abs(x) finds it for float and double, and tapesort's for a Dual
  Array<T> y = x;
  //[12.1] the values: a parabola in the middle, lines outside
  for (T& one : y) {
    one = abs(one) <= T(delta) ? one * one / T(2) : T(delta) * (abs(one) - T(delta / 2));
  }
  //[end]
  return y;
}

// The operator: its value, recorded with its pullback.
template <class T> Var<T> huber(const Var<T>& x, double delta) {
  //[12.2] record, with the pullback: ybar x in the middle, ybar delta or -ybar delta outside
  return record("huber", {x}, huber_values(x.value(), delta), [delta](Node<T>& y) {
    Array<T> xbar = y.cotangent();
    const Array<T>& at = y.input(0).value();
    for (std::size_t i = 0; i < xbar.size(); ++i) {
      const T z = at.data()[i];
      xbar.data()[i] *= z > T(delta) ? T(delta) : z < T(-delta) ? T(-delta) : z;
    }
    accumulate(y.input(0), std::move(xbar));
  });
  //[end]
}

// What gradcheck says of it at x, in double: .ok(), and .text() to read.
inline GradcheckReport check_huber(const Array<double>& x, double delta) {
  //[12.3] gradcheck(a function of Vars, {its inputs})
  return gradcheck([delta](Var<double> at) { return huber(at, delta); }, {x});
  //[end]
}

// The second derivative of sum(huber(x, delta)) along v, by forward mode over reverse: x carries v, and
// the leaf's gradient carries what changes.
inline Array<double> second_derivative(const Array<double>& x, const Array<double>& v,
                                       double delta) {
  Array<Dual<double>> carried = convert<Dual<double>>(x);
  Array<double> result = zeros<double>(x.shape());
  //[12.4] a Tape<Dual<double>>: set .tangent of the inputs, backward(sum(..)), read .tangent of the gradient
  for (std::size_t i = 0; i < x.size(); ++i) carried.data()[i].tangent = v.data()[i];
  Tape<Dual<double>> tape;
  const Var<Dual<double>> leaf = tape.leaf(carried);
  tape.backward(sum(huber(leaf, delta)));
  const Array<Dual<double>> gradient = leaf.grad();
  for (std::size_t i = 0; i < x.size(); ++i) result.data()[i] = gradient.data()[i].tangent;
  //[end]
  return result;
}

// The same operator as one row for `unary` (ops/map.hpp): y and xbar as formulas for one number, which
// then run on several at once. simd::select(c, a, b) stands for c ? a : b.
template <class T> Var<T> fast_huber(const Var<T>& x, double delta) {
  const T d = T(delta);
  //[12.5] unary("fast_huber", x, y of x, xbar of ybar, x, y)
  return unary(
      "fast_huber", x,
      [d](auto x) {
        return simd::select(simd::abs(x) <= d, x * x * T(0.5), d * (simd::abs(x) - d * T(0.5)));
      },
      [d](auto ybar, auto x, auto) {
        return ybar * simd::select(x > d, d, simd::select(x < -d, -d, x));
      });
  //[end]
}
