// Operators as a table of derivatives.
#pragma once

#include "ops/map.hpp"

namespace tapesort {

// A row has an operator's name, y as a formula in x, and xbar as one in ybar, x and y. The row
//
//     FUNCTION(exp,    simd::exp(x),            ybar * y)
//
// stands for
//
//     template <class T> Var<T> exp(const Var<T>& operand) {
//       return unary("exp", operand, [](auto x) { return simd::exp(x); },
//                    [](auto ybar, auto x, auto y) { return ybar * y; });     (unary: map.hpp, next)
//     }
//
// Write a formula as for one number. It is called with several at once (the top of map.hpp), so its
// functions are those of simd:: (engine/simd.hpp); simd::select(c, a, b) stands for c ? a : b.
#define FUNCTION(name, y_of_x, vjp)                                                        \
  template <class T> Var<T> name(const Var<T>& operand) {                                  \
    return unary(                                                                          \
        #name, operand, [](auto x) { return y_of_x; },                                     \
        []([[maybe_unused]] auto ybar, [[maybe_unused]] auto x, [[maybe_unused]] auto y) { \
          return vjp;                                                                      \
        });                                                                                \
  }

// clang-format off
FUNCTION(exp,    simd::exp(x),            ybar * y)
FUNCTION(log,    simd::log(x),            ybar / x)
FUNCTION(square, x * x,                   2 * ybar * x)
FUNCTION(sqrt,   simd::sqrt(x),           ybar / (2 * y))
FUNCTION(relu,   simd::positive_part(x),  simd::select(y <= 0, 0, ybar))  // max(x, 0); of NaN: NaN
FUNCTION(abs,    simd::abs(x),            simd::select(x < 0, -ybar, simd::select(x == 0, 0, ybar)))
// clang-format on

// To add a row, declare it in functions.hpp, as exp is, and compile it for float, double and Dual<double>
// by a line in functions.cpp: INSTANTIATE_OVERLOAD_TWICE(exp, OfVar<T>).

}  // namespace tapesort
