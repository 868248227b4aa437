#include "ops/reduce.hpp"

#include <cmath>
#include <functional>
#include <limits>

#include "engine/broadcast.hpp"
#include "ops/axis.hpp"
#include "ops/elementwise.hpp"
#include "ops/map.hpp"
#include "ops/shape.hpp"

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

template <class T>
Axes all_axes(const Var<T>& x) {
  Axes axes(x.dimension());
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = int(i);
  return axes;
}

template <class T>
Var<T> flattened(const Var<T>& x) {
  return reshape(x, {-1});
}

}  // namespace

template <class T>
Var<T> sum(const Var<T>& x, const Axes& axes, bool keep_dims) {
  const Reduction r("sum", x.shape(), axes, keep_dims);
  return record("sum", {x}, with_shape(sum_to_shape(x.value(), r.kept), r.result), [r](Node<T>& y) {
    const Var<T>& x = y.input(0);
    accumulate(x, broadcast_to("sum", with_shape(y.cotangent(), r.kept), x.shape()));
  });
}

template <class T>
Var<T> mean(const Var<T>& x, const Axes& axes, bool keep_dims) {
  const Reduction r("mean", x.shape(), axes, keep_dims);
  require(r.count > 0, "mean: nothing to average in shape ", x.shape());
  return sum(x, axes, keep_dims) / T(r.count);
}

template <class T>
Var<T> var(const Var<T>& x, const Axes& axes, bool keep_dims, int ddof) {
  const Reduction r("var", x.shape(), axes, keep_dims);
  require(ddof >= 0 && r.count > std::size_t(ddof), "var: need more than ddof = ", ddof,
          " elements, got ", r.count, " in shape ", x.shape());
  const T n = T(r.count), divisor = T(r.count - std::size_t(ddof));
  const Array<T> average = map(sum_to_shape(x.value(), r.kept), [n](auto s) { return s / n; });
  Array<T> centred = map(x.value(), *Stretched<T>("var", average, x.shape()),
                         [](auto x, auto mean) { return x - mean; });
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

namespace {

// max and min: `better(a, b)` when a beats b. The pullback puts ybar where the winner stood.
template <class T, class Better>
Var<T> extreme(const char* op, const Var<T>& x, int axis, bool keep_dims, Better better) {
  const AxisView view(op, axis, x.shape());
  require(view.n > 0, op, ": nothing to choose from along axis ", axis, " of shape ", x.shape());
  Array<T> value = uninitialized<T>(without_axis(x.shape(), view.axis, keep_dims));
  std::vector<std::size_t> winner(value.size());
  const T* data = x.value().data();
  view.for_lines([&](std::size_t start, std::size_t line) {
    std::size_t best = start;
    for (std::size_t k = 1; k < view.n; ++k) {
      const std::size_t at = start + k * view.inner;
      if (better(data[at], data[best]) || std::isnan(data[at])) best = at;
    }
    winner[line] = best;
    value.data()[line] = data[best];
  });
  return record(op, {x}, std::move(value), [winner = std::move(winner)](Node<T>& y) {
    Array<T> xbar = zeros<T>(y.input(0).shape());
    for (std::size_t line = 0; line < winner.size(); ++line) {
      xbar.data()[winner[line]] += y.cotangent().data()[line];
    }
    accumulate(y.input(0), std::move(xbar));
  });
}

}  // namespace

template <class T>
Var<T> max(const Var<T>& x, int axis, bool keep_dims) {
  return extreme("max", x, axis, keep_dims, std::greater<T>());
}

template <class T>
Var<T> min(const Var<T>& x, int axis, bool keep_dims) {
  return extreme("min", x, axis, keep_dims, std::less<T>());
}

// An infinite maximum is the result itself: e^(x - m) would be NaN.
template <class T>
Var<T> logsumexp(const Var<T>& x, int axis, bool keep_dims) {
  const AxisView view("logsumexp", axis, x.shape());
  Array<T> value = uninitialized<T>(without_axis(x.shape(), view.axis, keep_dims));
  const T* data = x.value().data();
  view.for_lines([&](std::size_t start, std::size_t line) {
    T m = -std::numeric_limits<T>::infinity();
    for (std::size_t k = 0; k < view.n; ++k) {
      const T x = data[start + k * view.inner];
      if (x > m || std::isnan(x)) m = x;  // a NaN stays
    }
    T total = 0;
    for (std::size_t k = 0; k < view.n; ++k) total += std::exp(data[start + k * view.inner] - m);
    value.data()[line] = std::isinf(m) ? m : m + std::log(total);
  });
  return record("logsumexp", {x}, std::move(value), [view](Node<T>& y) {
    const Array<T>& x = y.input(0).value();
    Array<T> xbar = uninitialized<T>(x.shape());
    view.for_lines([&](std::size_t start, std::size_t line) {
      const T total = y.value().data()[line], ybar = y.cotangent().data()[line];
      for (std::size_t k = 0; k < view.n; ++k) {
        const std::size_t at = start + k * view.inner;
        const T weight = std::isinf(total) ? T(x.data()[at] == total && total > 0)
                                           : std::exp(x.data()[at] - total);
        xbar.data()[at] = ybar * weight;
      }
    });
    accumulate(y.input(0), std::move(xbar));
  });
}

template <class T>
Var<T> cumsum(const Var<T>& x, int axis) {
  const AxisView view("cumsum", axis, x.shape());
  Array<T> value = x.value();
  view.for_lines([&](std::size_t start, std::size_t) {
    for (std::size_t k = 1; k < view.n; ++k) {
      value.data()[start + k * view.inner] += value.data()[start + (k - 1) * view.inner];
    }
  });
  return record("cumsum", {x}, std::move(value), [view](Node<T>& y) {
    Array<T> xbar = y.take_cotangent();
    view.for_lines([&](std::size_t start, std::size_t) {
      for (std::size_t k = view.n; k-- > 1;) {
        xbar.data()[start + (k - 1) * view.inner] += xbar.data()[start + k * view.inner];
      }
    });
    accumulate(y.input(0), std::move(xbar));
  });
}

template <class T>
Var<T> sum(const Var<T>& x) {
  return sum(x, all_axes(x));
}
template <class T>
Var<T> mean(const Var<T>& x) {
  return mean(x, all_axes(x));
}
template <class T>
Var<T> var(const Var<T>& x) {
  return var(x, all_axes(x));
}
template <class T>
Var<T> max(const Var<T>& x) {
  return max(flattened(x), 0);
}
template <class T>
Var<T> min(const Var<T>& x) {
  return min(flattened(x), 0);
}
template <class T>
Var<T> logsumexp(const Var<T>& x) {
  return logsumexp(flattened(x), 0);
}

template <class T>
Indices argmax(const Array<T>& x) {
  const AxisView view("argmax", -1, x.shape());
  require(view.n > 0, "argmax: the rows of shape ", x.shape(), " are empty");
  Indices where = uninitialized<Index>(without_axis(x.shape(), view.axis, false));
  for (std::size_t row = 0; row < view.outer; ++row) {
    const T* first = x.data() + row * view.n;
    where.data()[row] = std::max_element(first, first + view.n) - first;
  }
  return where;
}

#define INSTANTIATE(T)                                        \
  template Var<T> sum(const Var<T>&, const Axes&, bool);      \
  template Var<T> mean(const Var<T>&, const Axes&, bool);     \
  template Var<T> var(const Var<T>&, const Axes&, bool, int); \
  template Var<T> max(const Var<T>&, int, bool);              \
  template Var<T> min(const Var<T>&, int, bool);              \
  template Var<T> logsumexp(const Var<T>&, int, bool);        \
  template Var<T> cumsum(const Var<T>&, int);                 \
  template Var<T> sum(const Var<T>&);                         \
  template Var<T> mean(const Var<T>&);                        \
  template Var<T> var(const Var<T>&);                         \
  template Var<T> max(const Var<T>&);                         \
  template Var<T> min(const Var<T>&);                         \
  template Var<T> logsumexp(const Var<T>&);                   \
  template Indices argmax(const Array<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
