// The logistic function and its relatives. In one file with the others gcc does not inline exp into its
// loops any more, and exp of floats takes 1.6 times as long.
#include "engine/instantiate.hpp"
#include "ops/functions.hpp"
#include "ops/functions_table.hpp"

namespace tapesort {
namespace {

// e^-|x|, which cannot overflow. (abs has no slope at 0, where what is made of this has one: a Dual would
// lose its tangent.)
constexpr auto decay = [](auto x) { return simd::exp(simd::select(x < 0, x, -x)); };

// The sigmoid s(x) and its derivative s(x) s(-x).
constexpr auto logistic = [](auto x) {
  const auto e = decay(x);
  return simd::select(x < 0, e, 1) / (1 + e);
};
constexpr auto logistic_slope = [](auto x) {
  const auto e = decay(x);
  return e / ((1 + e) * (1 + e));
};

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which neither overflows nor loses small results.
constexpr auto log_of_sum = [](auto x) { return simd::positive_part(x) + simd::log1p(decay(x)); };

}  // namespace

// clang-format off
FUNCTION(tanh,     simd::tanh(x),  ybar * 4 * logistic_slope(2 * x))  // tanh x = 2 s(2x) - 1
FUNCTION(sigmoid,  logistic(x),    ybar * logistic_slope(x))
FUNCTION(softplus, log_of_sum(x),  ybar * logistic(x))
// clang-format on

template <class T> using OfVar = Var<T>(const Var<T>&);
INSTANTIATE_OVERLOAD_TWICE(tanh, OfVar<T>)
INSTANTIATE_OVERLOAD_TWICE(sigmoid, OfVar<T>)
INSTANTIATE_OVERLOAD_TWICE(softplus, OfVar<T>)

}  // namespace tapesort
