// Operators that make axes disappear (cumsum keeps them). Axes may be negative, counted from the
// end; keep_dims leaves them with extent 1; the forms without an axis take all of them.
// std::invalid_argument for an axis out of range, named twice, or (max, min, mean, var) without
// elements to reduce. A sum of nothing is 0, a logsumexp of nothing -infinity. Long sums are made by
// halves or in double, so that float keeps its digits.
//
//   sum        sum_k x_k                              xbar = ybar, broadcast
//   mean       sum_k x_k / n                          xbar = ybar / n
//   var        sum_k (x_k - mean)^2 / (n - ddof)      xbar = 2 ybar (x - mean) / (n - ddof)
//   norm       sqrt(sum_k x_k^2), of no overflow     xbar = ybar x / y; 0 where y = 0
//   standard_deviation  sqrt(var)                    xbar = ybar (x - mean) / ((n - ddof) y); 0 where
//                                                    y = 0, that is all x are equal
//   max, min   the largest, smallest; NaN if there is one   to the first one that attains it
//   logsumexp  m + ln sum_k e^(x_k - m), m = max x    xbar = ybar e^(x - m) / sum_k e^(x_k - m)
//   cumsum     y_i = x_0 + ... + x_i                  xbar_i = ybar_i + ... + ybar_(n-1)
#pragma once

#include "ops/shape.hpp"

namespace tapesort {

using Axes = std::vector<int>;

template <class T> Var<T> sum(const Var<T>& x, const Axes& axes, bool keep_dims = false);
template <class T> Var<T> mean(const Var<T>& x, const Axes& axes, bool keep_dims = false);
// ddof = 1 for the unbiased estimate; need more than ddof elements.
template <class T>
Var<T> var(const Var<T>& x, const Axes& axes, bool keep_dims = false, int ddof = 0);

template <class T> Var<T> norm(const Var<T>& x, int axis, bool keep_dims = false);
template <class T>
Var<T> standard_deviation(const Var<T>& x, int axis, bool keep_dims = false, int ddof = 0);

template <class T> Var<T> max(const Var<T>& x, int axis, bool keep_dims = false);
template <class T> Var<T> min(const Var<T>& x, int axis, bool keep_dims = false);
template <class T> Var<T> logsumexp(const Var<T>& x, int axis, bool keep_dims = false);
template <class T> Var<T> cumsum(const Var<T>& x, int axis);

// Over all elements, to shape ().
Axes all_axes(std::size_t dimension);  // 0 .. dimension - 1
template <class T> Var<T> sum(const Var<T>& x) { return sum(x, all_axes(x.dimension())); }
template <class T> Var<T> mean(const Var<T>& x) { return mean(x, all_axes(x.dimension())); }
template <class T> Var<T> var(const Var<T>& x) { return var(x, all_axes(x.dimension())); }
template <class T> Var<T> norm(const Var<T>& x) { return norm(reshape(x, {-1}), 0); }
template <class T> Var<T> standard_deviation(const Var<T>& x) {
  return standard_deviation(reshape(x, {-1}), 0);
}
template <class T> Var<T> max(const Var<T>& x) { return max(reshape(x, {-1}), 0); }
template <class T> Var<T> min(const Var<T>& x) { return min(reshape(x, {-1}), 0); }
template <class T> Var<T> logsumexp(const Var<T>& x) { return logsumexp(reshape(x, {-1}), 0); }

template <class T> Var<T> sum(const Var<T>& x, int axis, bool keep_dims = false) {
  return sum(x, Axes{axis}, keep_dims);
}
template <class T> Var<T> mean(const Var<T>& x, int axis, bool keep_dims = false) {
  return mean(x, Axes{axis}, keep_dims);
}
template <class T> Var<T> var(const Var<T>& x, int axis, bool keep_dims = false, int ddof = 0) {
  return var(x, Axes{axis}, keep_dims, ddof);
}

// Where along the last axis each row is largest (the first such place, or that of its first NaN):
// (..., n) -> (...).
// std::invalid_argument for 0-d x or rows without elements.
template <class T> Indices argmax(const Array<T>& x);
template <class T> Indices argmax(const Var<T>& x) { return argmax(x.value()); }

}  // namespace tapesort
