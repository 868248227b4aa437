#include "ops/softmax.hpp"

#include <algorithm>
#include <cmath>

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/map.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

// Calls f(start, n) for the first position of every row.
template <class T, class F>
void for_rows(const Array<T>& x, const F& f) {
  const std::size_t n = x.shape().back();
  for (std::size_t start = 0; start < x.size(); start += n) f(start, n);
}

template <class T>
void check_rows(const char* op, const Var<T>& x) {
  require(x.dimension() >= 1 && x.shape().back() >= 1, op, ": x is ", x.shape(),
          "; need (.., n) with n >= 1");
}

// Every row minus its maximum.
template <class T>
Array<T> shifted(const Array<T>& x) {
  Array<T> y = uninitialized<T>(x.shape());
  for_rows(x, [&](std::size_t start, std::size_t n) {
    const T* row = x.data() + start;
    const T m = *std::max_element(row, row + n);
    for (std::size_t j = 0; j < n; ++j) y.data()[start + j] = row[j] - m;
  });
  return y;
}

constexpr auto exponential = [](auto x) {
  using std::exp;
  return exp(x);
};

}  // namespace

template <class T>
Var<T> softmax(const Var<T>& x) {
  check_rows("softmax", x);
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
      T inner = 0;
      for (std::size_t j = start; j < start + n; ++j) inner += p[j] * pbar[j];
      for (std::size_t j = start; j < start + n; ++j) xbar.data()[j] = p[j] * (pbar[j] - inner);
    });
    accumulate(node.input(0), std::move(xbar));
  });
}

template <class T>
Var<T> log_softmax(const Var<T>& x) {
  check_rows("log_softmax", x);
  Array<T> y = shifted(x.value());
  const Array<T> e = map(y, exponential);
  for_rows(y, [&](std::size_t start, std::size_t n) {
    const T log_total = std::log(contiguous_sum(e.data() + start, n));
    for (std::size_t j = start; j < start + n; ++j) y.data()[j] -= log_total;
  });
  return record("log_softmax", {x}, std::move(y), [](Node<T>& node) {
    const Array<T> p = map(node.value(), exponential);
    Array<T> xbar = node.take_cotangent();
    for_rows(xbar, [&](std::size_t start, std::size_t n) {
      const T total = contiguous_sum(xbar.data() + start, n);
      for (std::size_t j = start; j < start + n; ++j) xbar.data()[j] -= p.data()[j] * total;
    });
    accumulate(node.input(0), std::move(xbar));
  });
}

template <class T>
Var<T> cross_entropy(const Var<T>& logits, const Array<T>& targets) {
  require_same_shape("cross_entropy", "logits", logits.shape(), "targets", targets.shape());
  check_rows("cross_entropy", logits);
  require(targets.size() > 0, "cross_entropy: logits of shape ", logits.shape(), " have no rows");
  const T rows = T(targets.size() / targets.shape().back());
  return sum(log_softmax(logits) * constant(targets)) / -rows;
}

template <class T>
Var<T> cross_entropy(const Var<T>& logits, const Indices& labels) {
  check_rows("cross_entropy", logits);
  const Shape rows(logits.shape().begin(), logits.shape().end() - 1);
  require(labels.shape() == rows, "cross_entropy: logits are ", logits.shape(), ", labels are ",
          labels.shape(), "; need one label a row, ", rows);
  check_indices("cross_entropy", labels, logits.shape().back(), logits.shape());
  return cross_entropy(logits, one_hot<T>(labels, logits.shape().back()));
}

template <class T>
Var<T> mse(const Var<T>& a, const Var<T>& b) {
  require_same_shape("mse", "a", a.shape(), "b", b.shape());
  return mean(square(a - b));
}

#define INSTANTIATE(T)                                           \
  template Var<T> softmax(const Var<T>&);                        \
  template Var<T> log_softmax(const Var<T>&);                    \
  template Var<T> cross_entropy(const Var<T>&, const Indices&);  \
  template Var<T> cross_entropy(const Var<T>&, const Array<T>&); \
  template Var<T> mse(const Var<T>&, const Var<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
