// Operators as a table of derivatives. A new row is declared in functions.hpp, as exp is, and compiled for
// float, double and Dual<double> by a line in functions.cpp: INSTANTIATE_OVERLOAD_TWICE(exp, OfVar).
#pragma once

#include "ops/functions.hpp"
#include "ops/map.hpp"

namespace tapesort {

// A row has an operator's name, y as an expression in x, and xbar as one in ybar, x and y. Both are
// pasted into lambdas whose parameters have these names. (unary: map.hpp, next.)
#define FUNCTION(name, f, vjp)                                                             \
  template <class T> Var<T> name(const Var<T>& operand) {                                  \
    return unary(                                                                          \
        #name, operand, [](auto x) { return f; },                                          \
        []([[maybe_unused]] auto ybar, [[maybe_unused]] auto x, [[maybe_unused]] auto y) { \
          return vjp;                                                                      \
        });                                                                                \
  }

// Each is one number or several, of which simd:: has exp, tanh, ..; select(c, a, b) is c ? a : b, and
// positive_part(x) max(x, 0), NaN where x is. Comparisons with NaN are false: the last branch is taken.
// clang-format off
FUNCTION(exp,    simd::exp(x),            ybar * y)
FUNCTION(log,    simd::log(x),            ybar / x)
FUNCTION(sqrt,   simd::sqrt(x),           ybar / (2 * y))
FUNCTION(square, x * x,                   2 * ybar * x)
FUNCTION(abs,    simd::abs(x),            simd::select(x < 0, -ybar, simd::select(x == 0, 0, ybar)))
FUNCTION(relu,   simd::positive_part(x),  simd::select(y <= 0, 0, ybar))
// clang-format on
#undef FUNCTION

}  // namespace tapesort
