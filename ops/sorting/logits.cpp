#include "ops/sorting/logits.hpp"

#include <cmath>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

using std::isfinite;

// x with an axis of extent 1 put in before `axis`.
template <class T> Var<T> expand(const Var<T>& x, std::size_t axis) {
  std::vector<Index> shape(x.shape().begin(), x.shape().end());
  shape.insert(shape.begin() + std::ptrdiff_t(axis), 1);
  return reshape(x, shape);
}

template <class T> T checked_inverse(const char* op, const Var<T>& scores, double tau) {
  const T inverse = T(1 / tau);
  require(tau > 0 && inverse > 0 && isfinite(inverse), op, ": tau is ", tau,
          "; need tau > 0 whose inverse is a number of the type, 3e-39 to 1e38 for float");
  checked_set_size(op, scores.value());
  return inverse;
}

}  // namespace

template <class T> Var<T> neural_sort_logits(const Var<T>& scores, double tau) {
  const T inverse = checked_inverse("neural_sort_logits", scores, tau);
  const std::size_t last = scores.dimension() - 1, n = scores.shape()[last];
  Array<T> weight = uninitialized<T>({n, 1});  // n + 1 - 2 i
  for (std::size_t i = 0; i < n; ++i) weight.data()[i] = T(n) - 1 - 2 * T(i);
  const Var<T> s = expand(scores, last);                                            // (.., 1, n)
  const Var<T> A = sum(abs(expand(scores, last + 1) - s), -2, /*keep_dims=*/true);  // (.., 1, n)
  return (s * weight - A) * inverse;
}

template <class T> Var<T> soft_sort_logits(const Var<T>& scores, double tau) {
  const T inverse = checked_inverse("soft_sort_logits", scores, tau);
  const std::size_t last = scores.dimension() - 1;
  const Var<T> sorted = take_along_axis(scores, argsort(scores.value()));
  return abs(expand(sorted, last + 1) - expand(scores, last)) * -inverse;
}

INSTANTIATE_TWICE(neural_sort_logits)
INSTANTIATE_TWICE(soft_sort_logits)

}  // namespace tapesort
