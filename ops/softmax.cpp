#include "ops/softmax.hpp"

#include <algorithm>
#include <cmath>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/sums.hpp"
#include "ops/map.hpp"

namespace tapesort {
namespace {

using std::log1p;

// Calls f(start, n) for the first position of every row, in parallel.
template <class T, class F> void for_rows(const Array<T>& x, const F& f) {
  const std::size_t n = x.shape().back();
  if (n == 0) return;  // no rows, or rows of nothing
  const std::size_t grain = 1 + (std::size_t{1} << 14) / n;
  parallel_each(x.size() / n, grain, [&](std::size_t row) { f(row * n, n); });
}

// Where the row x[start .. start + n - 1] is largest.
template <class T> std::size_t top_of(const Array<T>& x, std::size_t start, std::size_t n) {
  return std::size_t(std::max_element(x.data() + start, x.data() + start + n) - x.data());
}

// The sum of a row without its element `top`.
template <class T>
T sum_without(const Array<T>& x, std::size_t start, std::size_t n, std::size_t top) {
  return contiguous_sum(x.data() + start, top - start) +
         contiguous_sum(x.data() + top + 1, start + n - top - 1);
}

// Every row minus its largest element.
template <class T> Array<T> shifted(const Array<T>& x) {
  Array<T> y = uninitialized<T>(x.shape());
  for_rows(x, [&](std::size_t start, std::size_t n) {
    const T m = x.data()[top_of(x, start, n)];
    for (std::size_t j = start; j < start + n; ++j) y.data()[j] = x.data()[j] - m;
  });
  return y;
}

constexpr auto exponential = [](auto x) { return simd::exp(x); };

}  // namespace

// The pullback takes pbar relative to that of the row's largest p. This changes nothing, as the p
// sum to 1, but where that p is next to 1 the gradient is then a sum of small terms.
template <class T> Var<T> softmax(const Var<T>& x) {
  require(x.dimension() >= 1, "softmax: x is 0-d; need (.., n)");
  Array<T> p = map(shifted(x.value()), exponential);
  for_rows(p, [&](std::size_t start, std::size_t n) {
    T* row = p.data() + start;
    const T total = contiguous_sum(row, n);
    for (std::size_t j = 0; j < n; ++j) row[j] /= total;
  });
  return record("softmax", {x}, std::move(p), [](Node<T>& node) {
    const T *p = node.value().data(), *pbar = node.cotangent().data();
    Array<T> xbar = uninitialized<T>(node.value().shape());
    for_rows(xbar, [&](std::size_t start, std::size_t n) {
      T* bar = xbar.data();
      const T origin = pbar[top_of(node.value(), start, n)];
      for (std::size_t j = start; j < start + n; ++j) bar[j] = p[j] * (pbar[j] - origin);
      const T inner = contiguous_sum(bar + start, n);
      for (std::size_t j = start; j < start + n; ++j) bar[j] -= p[j] * inner;
    });
    accumulate(node.input(0), std::move(xbar));
  });
}

// The row's largest element adds 1 to the sum, and its gradient is ybar (1 - p) - p (sum of the
// other ybar): both ln sum and 1 - p come from the others, which keeps their digits where p is next
// to 1.
template <class T> Var<T> log_softmax(const Var<T>& x) {
  require(x.dimension() >= 1, "log_softmax: x is 0-d; need (.., n)");
  Array<T> y = shifted(x.value());
  const Array<T> e = map(y, exponential);
  for_rows(y, [&](std::size_t start, std::size_t n) {
    const T log_total = log1p(sum_without(e, start, n, top_of(y, start, n)));
    for (std::size_t j = start; j < start + n; ++j) y.data()[j] -= log_total;
  });
  return record("log_softmax", {x}, std::move(y), [](Node<T>& node) {
    const Array<T> p = map(node.value(), exponential);
    Array<T> xbar = node.take_cotangent();
    for_rows(xbar, [&](std::size_t start, std::size_t n) {
      const std::size_t top = top_of(p, start, n);
      T* bar = xbar.data();
      const T others = sum_without(xbar, start, n, top), total = others + bar[top];
      const T top_bar = bar[top] * sum_without(p, start, n, top) - p.data()[top] * others;
      for (std::size_t j = start; j < start + n; ++j) bar[j] -= p.data()[j] * total;
      bar[top] = top_bar;
    });
    accumulate(node.input(0), std::move(xbar));
  });
}

INSTANTIATE_TWICE(softmax)
INSTANTIATE_TWICE(log_softmax)

}  // namespace tapesort
