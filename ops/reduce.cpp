#include "ops/reduce.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "engine/broadcast.hpp"
#include "engine/instantiate.hpp"
#include "ops/axis.hpp"
#include "ops/elementwise.hpp"
#include "ops/map.hpp"

namespace tapesort {
namespace {

// What a reduction over several axes does to a shape.
struct Reduction {
  Shape kept;             // with 1 at the reduced axes
  Shape result;           // kept, or without them
  std::size_t count = 1;  // elements that go into one

  Reduction(const char* op, const Shape& shape, const Axes& axes, bool keep_dims) : kept(shape) {
    std::vector<bool> reduced(shape.size(), false);
    for (int signed_axis : axes) {
      const std::size_t axis = checked_axis(op, signed_axis, shape);
      require(!reduced[axis], op, ": axis ", signed_axis, " is named twice for shape ", shape);
      reduced[axis] = true;
      count *= shape[axis];
      kept[axis] = 1;
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (!reduced[i] || keep_dims) result.push_back(kept[i]);
    }
  }
};

}  // namespace

Axes all_axes(std::size_t dimension) {
  Axes axes(dimension);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

template <class T> Var<T> sum(const Var<T>& x, const Axes& axes, bool keep_dims) {
  const Reduction r("sum", x.shape(), axes, keep_dims);
  return record("sum", {x}, with_shape(sum_to_shape(x.value(), r.kept), r.result), [r](Node<T>& y) {
    const Var<T>& x = y.input(0);
    accumulate(x, broadcast_to("sum", with_shape(y.cotangent(), r.kept), x.shape()));
  });
}

template <class T> Var<T> mean(const Var<T>& x, const Axes& axes, bool keep_dims) {
  const Reduction r("mean", x.shape(), axes, keep_dims);
  require(r.count > 0, "mean: nothing to average in shape ", x.shape());
  return sum(x, axes, keep_dims) / T(r.count);
}

template <class T> Var<T> var(const Var<T>& x, const Axes& axes, bool keep_dims, int ddof) {
  const Reduction r("var", x.shape(), axes, keep_dims);
  require(ddof >= 0 && r.count > std::size_t(ddof), "var: need more than ddof = ", ddof,
          " elements, got ", r.count, " in shape ", x.shape());
  const T n = T(r.count), divisor = T(r.count - std::size_t(ddof));
  const auto minus_mean = [&](const Array<T>& x) {
    const Array<T> mean = map(sum_to_shape(x, r.kept), [n](auto s) { return s / n; });
    return map(x, *Stretched<T>("var", mean, x.shape()),
               [](auto x, auto mean) { return x - mean; });
  };
  // A mean is rounded; taking off the mean of what it leaves makes good for that.
  Array<T> centred = minus_mean(minus_mean(x.value()));
  const Array<T> squares = map(centred, [](auto c) { return c * c; });
  Array<T> value = map(sum_to_shape(squares, r.kept), [divisor](auto s) { return s / divisor; });
  return record("var", {x}, with_shape(std::move(value), r.result),
                [r, divisor, centred = std::move(centred)](Node<T>& y) {
                  const Array<T> ybar = with_shape(y.cotangent(), r.kept);
                  accumulate(y.input(0), map(*Stretched<T>("var", ybar, centred.shape()), centred,
                                             [divisor](auto ybar, auto c) {
                                               return ybar * c * (T(2) / divisor);
                                             }));
                });
}

// In units of the largest element, whose square need not be a number of the type.
template <class T> Var<T> norm(const Var<T>& x, int axis, bool keep_dims) {
  const AxisView view("norm", axis, x.shape());
  Array<T> value = uninitialized<T>(without_axis(x.shape(), view.axis, keep_dims));
  const T* data = x.value().data();
  view.for_lines([&](std::size_t start, std::size_t line) {
    using std::abs, std::isfinite, std::isnan, std::sqrt;
    T largest = 0;
    for (std::size_t k = 0; k < view.n; ++k) {
      const T size = abs(data[start + k * view.inner]);
      if (size > largest || isnan(size)) largest = size;
    }
    Wide<T> squares = 0;
    for (std::size_t k = 0; k < view.n && largest > 0 && isfinite(largest); ++k) {
      const Wide<T> part = Wide<T>(data[start + k * view.inner]) / Wide<T>(largest);
      squares += part * part;
    }
    value.data()[line] = squares > 0 ? T(Wide<T>(largest) * sqrt(squares)) : largest;
  });
  const Shape kept = without_axis(x.shape(), view.axis, true);
  return record("norm", {x}, std::move(value), [kept](Node<T>& y) {
    const Array<T>& x = y.input(0).value();
    const Array<T> norm = with_shape(y.value(), kept), ybar = with_shape(y.cotangent(), kept);
    accumulate(y.input(0),
               map(*Stretched<T>("norm", ybar, x.shape()), x,
                   *Stretched<T>("norm", norm, x.shape()), [](auto ybar, auto x, auto norm) {
                     return simd::select(norm == decltype(norm)(0), T(0), ybar * (x / norm));
                   }));
  });
}

// Centred twice, as in var.
template <class T> Var<T> standard_deviation(const Var<T>& x, int axis, bool keep_dims, int ddof) {
  const std::size_t n = AxisView("standard_deviation", axis, x.shape()).n;
  require(ddof >= 0 && n > std::size_t(ddof), "standard_deviation: need more than ddof = ", ddof,
          " elements, got ", n, " in shape ", x.shape());
  const Var<T> centred = x - mean(x, axis, true);
  const double divisor = std::sqrt(double(n - std::size_t(ddof)));
  return norm(centred - mean(centred, axis, true), axis, keep_dims) / T(divisor);
}

namespace {

// Where the winner of each line stands in x: the first NaN, or else the first element that is behind
// no other one. (Of an empty line, where it would stand.)
template <class T, class NotAhead>
std::vector<std::size_t> winners(const AxisView& view, const Array<T>& x, NotAhead not_ahead) {
  std::vector<std::size_t> winner(view.lines());
  using std::isnan;
  const T* data = x.data();
  view.for_lines([&](std::size_t start, std::size_t line) {
    const std::size_t step = view.inner, end = start + view.n * step;
    std::size_t best = start;
    for (std::size_t at = start + step; at < end && !isnan(data[best]); at += step) {
      // Not ahead: false for a NaN.
      while (at < end && not_ahead(data[at], data[best])) at += step;
      if (at < end) best = at;
    }
    winner[line] = best;
  });
  return winner;
}

// max and min: the pullback puts ybar where the winner stood.
template <class T, class NotAhead>
Var<T> extreme(const char* op, const Var<T>& x, int axis, bool keep_dims, NotAhead not_ahead) {
  const AxisView view(op, axis, x.shape());
  require(view.n > 0, op, ": nothing to choose from along axis ", axis, " of shape ", x.shape());
  return detail::gathered(op, x, without_axis(x.shape(), view.axis, keep_dims),
                          winners(view, x.value(), not_ahead));
}

}  // namespace

template <class T> Var<T> max(const Var<T>& x, int axis, bool keep_dims) {
  return extreme("max", x, axis, keep_dims, std::less_equal<T>());
}

template <class T> Var<T> min(const Var<T>& x, int axis, bool keep_dims) {
  return extreme("min", x, axis, keep_dims, std::greater_equal<T>());
}

// e_k = e^(x_k - m) and their sum are kept for the pullback: beside a large m, y = m + ln sum has
// lost what ln sum is. Elements equal to an infinite m count as e^0.
template <class T> Var<T> logsumexp(const Var<T>& x, int axis, bool keep_dims) {
  const AxisView view("logsumexp", axis, x.shape());
  const Shape kept = without_axis(x.shape(), view.axis, true);
  const std::vector<std::size_t> winner = winners(view, x.value(), std::less_equal<T>());
  const T* data = x.value().data();
  Array<T> m = uninitialized<T>(kept);
  for (std::size_t i = 0; i < m.size(); ++i) {
    m.data()[i] = view.n > 0 ? data[winner[i]] : -std::numeric_limits<T>::infinity();
  }
  Array<T> e = map(x.value(), *Stretched<T>("logsumexp", m, x.shape()), [](auto x, auto m) {
    return simd::exp(simd::select(x == m && simd::isnan(x - m), T(0), x - m));
  });
  Array<T> total = sum_to_shape(e, kept);
  Array<T> value = map(m, total, [](auto m, auto total) { return m + simd::log(total); });
  return record("logsumexp", {x},
                with_shape(std::move(value), without_axis(x.shape(), view.axis, keep_dims)),
                [e = std::move(e), total = std::move(total)](Node<T>& y) {
                  const Array<T> share = map(with_shape(y.cotangent(), total.shape()), total,
                                             [](auto ybar, auto total) { return ybar / total; });
                  accumulate(y.input(0), map(*Stretched<T>("logsumexp", share, e.shape()), e,
                                             [](auto share, auto e) { return share * e; }));
                });
}

template <class T> Var<T> cumsum(const Var<T>& x, int axis) {
  const AxisView view("cumsum", axis, x.shape());
  Array<T> value = x.value();
  view.for_lines([&](std::size_t start, std::size_t) {
    Wide<T> sum = 0;
    for (std::size_t k = 0; k < view.n; ++k) {
      T& y = value.data()[start + k * view.inner];
      y = T(sum += Wide<T>(y));
    }
  });
  return record("cumsum", {x}, std::move(value), [view](Node<T>& y) {
    Array<T> xbar = y.take_cotangent();
    view.for_lines([&](std::size_t start, std::size_t) {
      Wide<T> sum = 0;
      for (std::size_t k = view.n; k-- > 0;) {
        T& bar = xbar.data()[start + k * view.inner];
        bar = T(sum += Wide<T>(bar));
      }
    });
    accumulate(y.input(0), std::move(xbar));
  });
}

template <class T> Indices argmax(const Array<T>& x) {
  const AxisView view("argmax", -1, x.shape());
  require(view.n > 0, "argmax: the rows of shape ", x.shape(), " are empty");
  const std::vector<std::size_t> winner = winners(view, x, std::less_equal<T>());
  Indices where = uninitialized<Index>(without_axis(x.shape(), view.axis, false));
  for (std::size_t row = 0; row < winner.size(); ++row) {
    where.data()[row] = Index(winner[row] - row * view.n);
  }
  return where;
}

template <class T> using OverAxes = Var<T>(const Var<T>&, const Axes&, bool);
template <class T> using OverAxis = Var<T>(const Var<T>&, int, bool);
INSTANTIATE_OVERLOAD_TWICE(sum, OverAxes<T>)
INSTANTIATE_OVERLOAD_TWICE(mean, OverAxes<T>)
INSTANTIATE_OVERLOAD_TWICE(var, Var<T>(const Var<T>&, const Axes&, bool, int))
INSTANTIATE_OVERLOAD_TWICE(norm, OverAxis<T>)
INSTANTIATE_OVERLOAD_TWICE(standard_deviation, Var<T>(const Var<T>&, int, bool, int))
INSTANTIATE_OVERLOAD_TWICE(max, OverAxis<T>)
INSTANTIATE_OVERLOAD_TWICE(min, OverAxis<T>)
INSTANTIATE_OVERLOAD_TWICE(logsumexp, OverAxis<T>)
INSTANTIATE_TWICE(cumsum)
INSTANTIATE_OVERLOAD_TWICE(argmax, Indices(const Array<T>&))

}  // namespace tapesort
