#include "ops/logistic.hpp"

#include "engine/instantiate.hpp"
#include "ops/map.hpp"

namespace tapesort {
namespace {

// The sigmoid s(x) and its derivative s(x) s(-x), from e^-|x|, which cannot overflow.
constexpr auto value = [](auto x) {
  const auto e = simd::exp(-simd::abs(x));
  return simd::select(x < 0, e, 1) / (1 + e);
};
constexpr auto derivative = [](auto x) {
  const auto e = simd::exp(-simd::abs(x));
  return e / ((1 + e) * (1 + e));
};

}  // namespace

// tanh x = 2 s(2x) - 1, so its derivative is 4 s'(2x).
template <class T> Var<T> tanh(const Var<T>& x) {
  return unary(
      "tanh", x, [](auto x) { return simd::tanh(x); },
      [](auto ybar, auto x, auto) { return ybar * 4 * derivative(2 * x); });
}

template <class T> Var<T> sigmoid(const Var<T>& x) {
  return unary("sigmoid", x, value, [](auto ybar, auto x, auto) { return ybar * derivative(x); });
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which neither overflows nor loses small results.
template <class T> Var<T> softplus(const Var<T>& x) {
  return unary(
      "softplus", x,
      [](auto x) { return simd::positive_part(x) + simd::log1p(simd::exp(-simd::abs(x))); },
      [](auto ybar, auto x, auto) { return ybar * value(x); });
}

template <class T> using OfVar = Var<T>(const Var<T>&);
INSTANTIATE_OVERLOAD_TWICE(tanh, OfVar)
INSTANTIATE_TWICE(sigmoid)
INSTANTIATE_TWICE(softplus)

}  // namespace tapesort
