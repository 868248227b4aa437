#include "ops/sorting/logits.hpp"

#include <cmath>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/elementwise.hpp"
#include "ops/map.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// sqrt(x^2 + b^2) - b, of no overflow.
template <class T> Var<T> soft_abs(const Var<T>& x, T b) {
  const auto root = [b](auto size) {
    const auto larger = simd::select(size > b, size, b), smaller = simd::select(size > b, b, size);
    const auto ratio = smaller / larger;
    return larger * simd::sqrt(ratio * ratio + T(1));
  };
  return unary(
      "soft_abs", x,
      [=](auto x) {
        const auto size = simd::abs(x);
        return size * (size / (root(size) + b));
      },
      [=](auto ybar, auto x, auto) { return ybar * (x / root(simd::abs(x))); });
}

}  // namespace

template <class T> Var<T> neural_sort_logits(const Var<T>& scores, double tau, double smoothing) {
  check_scale<T>("neural_sort_logits", "tau", tau);
  const std::size_t n = checked_set_size("neural_sort_logits", scores.value());
  require(smoothing >= 0 && std::isfinite(smoothing),
          "neural_sort_logits: smoothing must be >= 0 and finite, got ", smoothing);
  const std::size_t last = scores.dimension() - 1;
  // A logit is a sum of terms up to 3 n |s| / tau in all.
  check_within("neural_sort_logits", scores.value(),
               double(std::numeric_limits<T>::max()) / (4 * double(n)) * std::min(1.0, tau),
               " for this n and tau");
  Array<T> weight = uninitialized<T>({n, 1});  // n + 1 - 2 i
  for (std::size_t i = 0; i < n; ++i) weight.data()[i] = T(n) - 1 - 2 * T(i);
  const Var<T> s = detail::expand(scores, last);                                       // (.., 1, n)
  const Var<T> d = detail::expand(scores, last + 1) - s;                               // (.., n, n)
  const Var<T> A = sum(smoothing > 0 ? soft_abs(d, T(smoothing)) : abs(d), -2, true);  // (.., 1, n)
  return (s * weight - A) * T(1 / tau);
}

template <class T>
Var<T> neural_sort_smooth(const Var<T>& scores, double tau, double smoothing, Direction direction) {
  return softmax(
      neural_sort_logits(direction == Direction::descending ? scores : -scores, tau, smoothing));
}

template <class T> Var<T> soft_sort_logits(const Var<T>& scores, double tau) {
  check_scale<T>("soft_sort_logits", "tau", tau);
  checked_set_size("soft_sort_logits", scores.value());
  const std::size_t last = scores.dimension() - 1;
  const Var<T> half = scores * T(0.5);  // differences of halves do not overflow
  const Var<T> sorted = take_along_axis(half, argsort(scores.value()));
  return abs(detail::expand(sorted, last + 1) - detail::expand(half, last)) * -T(2 / tau);
}

INSTANTIATE_TWICE(neural_sort_logits)
INSTANTIATE_TWICE(neural_sort_smooth)
INSTANTIATE_TWICE(soft_sort_logits)

}  // namespace tapesort
