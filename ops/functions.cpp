#include "ops/functions.hpp"

#include "ops/map.hpp"

namespace tapesort {

// Each row makes one operator, for float and double: its name, y as an expression in x, and xbar as an
// expression in ybar, x and y.
#define FUNCTION(name, f, vjp)                                                             \
  template <class T> Var<T> name(const Var<T>& x) {                                        \
    return unary(                                                                          \
        #name, x, [](auto x) { return f; },                                                \
        []([[maybe_unused]] auto ybar, [[maybe_unused]] auto x, [[maybe_unused]] auto y) { \
          return vjp;                                                                      \
        });                                                                                \
  }                                                                                        \
  template Var<float> name(const Var<float>&);                                             \
  template Var<double> name(const Var<double>&);

// simd::select(c, a, b) is c ? a : b, for many numbers at once; positive_part(x) is x or 0. Conditions
// are such that where x is NaN, ybar passes.
// clang-format off
FUNCTION(exp,    simd::exp(x),            ybar * y)
FUNCTION(log,    simd::log(x),            ybar / x)
FUNCTION(sqrt,   simd::sqrt(x),           ybar / (2 * y))
FUNCTION(square, x * x,                   2 * ybar * x)
FUNCTION(abs,    simd::abs(x),            simd::select(x < 0, -ybar, simd::select(x == 0, 0, ybar)))
FUNCTION(relu,   simd::positive_part(x),  simd::select(y <= 0, 0, ybar))
// clang-format on

}  // namespace tapesort
