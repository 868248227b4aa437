#include "ops/shape.hpp"

#include <functional>
#include <numeric>

#include "engine/broadcast.hpp"
#include "engine/instantiate.hpp"
#include "ops/axis.hpp"

namespace tapesort {

template <class T> Var<T> reshape(const Var<T>& x, const std::vector<Index>& shape) {
  std::string wanted = "(";
  std::size_t unknown = shape.size();
  Shape result;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    wanted += (i ? ", " : "") + std::to_string(shape[i]);
    if (shape[i] == -1 && unknown == shape.size()) {
      unknown = i;
    } else {
      require(shape[i] >= 0, "reshape: extents are >= 0, or -1 once for what is left; got ",
              shape[i]);
    }
    result.push_back(std::size_t(std::abs(shape[i])));  // 1 for the unknown one
  }
  const std::size_t known = element_count(result, "reshape");
  if (unknown < shape.size() && known > 0) result[unknown] = x.size() / known;
  require(element_count(result) == x.size() && !(unknown < shape.size() && known == 0),
          "reshape: shape ", x.shape(), " has ", x.size(), " elements, which do not fill ", wanted,
          ")");
  return record("reshape", {x}, with_shape(x.value(), result), [](Node<T>& y) {
    accumulate(y.input(0), with_shape(y.take_cotangent(), y.input(0).shape()));
  });
}

namespace {

constexpr std::size_t copies_worth_sharing = 1 << 16;  // fewer stay in one cache

// The elements of x, copied: axis i of the result is axis axes[i] of x.
template <class T> Array<T> permuted(const Array<T>& x, const std::vector<std::size_t>& axes) {
  const std::size_t d = axes.size();
  if (d == 0) return x;
  Shape shape(d);
  std::vector<std::size_t> strides(d);  // distance in x of one step along each axis of the result
  for (std::size_t i = 0; i < d; ++i) {
    shape[i] = x.shape()[axes[i]];
    strides[i] = 1;
    for (std::size_t j = axes[i] + 1; j < d; ++j) strides[i] *= x.shape()[j];
  }
  Array<T> y = uninitialized<T>(shape);
  if (y.size() == 0) return y;
  // Copies what has the same place along the axes before `depth`; returns where y goes on.
  const std::function<T*(const T*, T*, std::size_t)> copy = [&](const T* from, T* to,
                                                                std::size_t depth) {
    if (depth == d) {
      *to++ = *from;
    } else if (depth + 1 == d) {
      for (std::size_t i = 0; i < shape[depth]; ++i) *to++ = from[i * strides[depth]];
    } else {
      for (std::size_t i = 0; i < shape[depth]; ++i) {
        to = copy(from + i * strides[depth], to, depth + 1);
      }
    }
    return to;
  };
  const std::size_t size = y.size() / shape[0];
  parallel_each(shape[0], copies_worth_sharing / size + 1,
                [&](std::size_t i) { copy(x.data() + i * strides[0], y.data() + i * size, 1); });
  return y;
}

}  // namespace

template <class T> Var<T> transpose(const Var<T>& x, const std::vector<int>& axes) {
  const std::size_t d = x.dimension();
  require(axes.size() == d, "transpose: got ", axes.size(), " axes for shape ", x.shape());
  std::vector<std::size_t> forward(d), back(d, d);
  for (std::size_t i = 0; i < d; ++i) {
    forward[i] = checked_axis("transpose", axes[i], x.shape());
    require(back[forward[i]] == d, "transpose: axis ", axes[i], " is named twice for shape ",
            x.shape());
    back[forward[i]] = i;
  }
  return record("transpose", {x}, permuted(x.value(), forward),
                [back](Node<T>& y) { accumulate(y.input(0), permuted(y.cotangent(), back)); });
}

template <class T> Var<T> transpose(const Var<T>& x) {
  std::vector<int> axes(x.dimension());
  std::iota(axes.rbegin(), axes.rend(), 0);
  return transpose(x, axes);
}

namespace {

// Copies `count` blocks of `size` elements: block b from from(b), which is called for each in parallel, to
// to + b to_step.
template <class T, class From>
void copy_blocks(const From& from, T* to, std::size_t to_step, std::size_t count,
                 std::size_t size) {
  parallel_each(count, copies_worth_sharing / (size + 1) + 1, [&](std::size_t b) {
    const T* block = from(b);
    if (size == 1) {  // too short for a call of memmove
      to[b * to_step] = *block;
    } else {
      std::copy_n(block, size, to + b * to_step);
    }
  });
}
template <class T>
void copy_blocks(const T* from, std::size_t from_step, T* to, std::size_t to_step,
                 std::size_t count, std::size_t size) {
  copy_blocks([=](std::size_t b) { return from + b * from_step; }, to, to_step, count, size);
}

}  // namespace

template <class T> Var<T> slice(const Var<T>& x, int axis, Index begin, Index end) {
  const AxisView view("slice", axis, x.shape());
  const Index n = Index(view.n);
  const Index first = begin < 0 ? begin + n : begin, last = end < 0 ? end + n : end;
  require(0 <= first && first <= last && last <= n, "slice: ", begin, " .. ", end,
          " is no range along axis ", axis, " of shape ", x.shape(),
          "; need begin <= end, both within 0 .. ", n, " (negative: from the end)");
  Shape shape = x.shape();
  shape[view.axis] = std::size_t(last - first);
  Array<T> value = uninitialized<T>(shape);
  const std::size_t start = std::size_t(first) * view.inner, step = view.n * view.inner;
  const std::size_t size = shape[view.axis] * view.inner;
  copy_blocks(x.value().data() + start, step, value.data(), size, view.outer, size);
  return record("slice", {x}, std::move(value), [=, outer = view.outer](Node<T>& y) {
    Array<T> xbar = zeros<T>(y.input(0).shape());
    copy_blocks(y.cotangent().data(), size, xbar.data() + start, step, outer, size);
    accumulate(y.input(0), std::move(xbar));
  });
}

template <class T> Var<T> concat(const std::vector<Var<T>>& parts, int axis) {
  require(!parts.empty(), "concat: need at least one part");
  Shape shape = parts[0].shape();
  const std::size_t along = checked_axis("concat", axis, shape);
  shape[along] = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Shape other = parts[i].shape();
    require(other.size() == shape.size(), "concat: part ", i, " is ", other, ", part 0 is ",
            parts[0].shape(), "; need the same number of axes");
    const std::size_t rows = other[along];
    other[along] = shape[along];
    require(other == shape, "concat: part ", i, " is ", parts[i].shape(), ", part 0 is ",
            parts[0].shape(), "; only axis ", axis, " may differ");
    shape[along] += rows;
  }
  const AxisView view("concat", axis, shape);
  Array<T> value = uninitialized<T>(shape);
  const std::size_t step = view.n * view.inner;
  std::size_t at = 0;
  for (const Var<T>& part : parts) {
    const std::size_t size = part.shape()[along] * view.inner;
    copy_blocks(part.value().data(), size, value.data() + at, step, view.outer, size);
    at += size;
  }
  return record("concat", {parts.begin(), parts.end()}, std::move(value), [view, step](Node<T>& y) {
    std::size_t at = 0;
    for (const Var<T>& part : y.inputs()) {
      const std::size_t size = part.shape()[view.axis] * view.inner;
      if (part.needs_grad()) {
        Array<T> partbar = uninitialized<T>(part.shape());
        copy_blocks(y.cotangent().data() + at, step, partbar.data(), size, view.outer, size);
        accumulate(part, std::move(partbar));
      }
      at += size;
    }
  });
}

template <class T> Var<T> stack(const std::vector<Var<T>>& parts, int axis) {
  require(!parts.empty(), "stack: need at least one part");
  for (std::size_t i = 1; i < parts.size(); ++i) {
    require(parts[i].shape() == parts[0].shape(), "stack: part ", i, " is ", parts[i].shape(),
            ", part 0 is ", parts[0].shape(), "; need equal shapes");
  }
  // The result has one axis more.
  const std::size_t at = checked_axis("stack", axis, extended(parts[0].shape(), {1}));
  std::vector<Var<T>> rows;
  for (const Var<T>& part : parts) rows.push_back(detail::expand(part, at));
  return concat(rows, int(at));
}

namespace {

constexpr std::size_t few = 64;  // longer sums are kept in double

// How often the most frequent one of these numbers, below n, occurs.
template <class Numbers> std::size_t most_equal(const Numbers& numbers, std::size_t n) {
  std::vector<std::uint32_t> count(n, 0);
  std::uint32_t most = 0;
  for (const auto number : numbers) most = std::max(most, ++count[std::size_t(number)]);
  return most;
}

}  // namespace

template <class T>
Var<T> detail::gathered(const char* op, const Var<T>& x, const Shape& shape,
                        std::vector<std::size_t> from, std::size_t size, std::size_t uses) {
  const T* data = x.value().data();
  Array<T> value = uninitialized<T>(shape);
  copy_blocks([&](std::size_t k) { return data + from[k] * size; }, value.data(), size, from.size(),
              size);
  return record(op, {x}, std::move(value), [from = std::move(from), size, uses](Node<T>& y) {
    const auto added = [&](auto zero) {  // in zero's type
      Array<decltype(zero)> xbar = full(y.input(0).shape(), zero);
      for (std::size_t k = 0; k < from.size(); ++k) {
        auto* to = xbar.data() + from[k] * size;
        const T* ybar = y.cotangent().data() + k * size;
        for (std::size_t i = 0; i < size; ++i) to[i] += ybar[i];
      }
      return xbar;
    };
    accumulate(y.input(0), uses > few ? convert<T>(added(Wide<T>(0))) : added(T(0)));
  });
}

template <class T> Var<T> take(const Var<T>& x, const Indices& indices, int axis) {
  const AxisView view("take", axis, x.shape());
  check_indices("take", indices, view.n, x.shape());
  Shape shape(x.shape().begin(), x.shape().begin() + std::ptrdiff_t(view.axis));
  for (std::size_t extent : indices.shape()) shape.push_back(extent);
  for (std::size_t i = view.axis + 1; i < x.dimension(); ++i) shape.push_back(x.shape()[i]);
  std::vector<std::size_t> from;
  from.reserve(view.outer * indices.size());
  for (std::size_t o = 0; o < view.outer; ++o) {
    for (Index index : indices) from.push_back(o * view.n + std::size_t(index));
  }
  return detail::gathered("take", x, shape, std::move(from), view.inner,
                          x.needs_grad() ? most_equal(indices, view.n) : 0);
}

template <class T> Var<T> take_along_axis(const Var<T>& x, const Indices& indices, int axis) {
  const AxisView view("take_along_axis", axis, x.shape());
  Shape expected = x.shape();
  if (indices.dimension() == x.dimension()) expected[view.axis] = indices.shape()[view.axis];
  require(indices.shape() == expected, "take_along_axis: x is ", x.shape(), ", indices are ",
          indices.shape(), "; only axis ", axis, " may differ");
  check_indices("take_along_axis", indices, view.n, x.shape());
  const std::size_t m = expected[view.axis];
  std::vector<std::size_t> from(indices.size());
  std::size_t at = 0;
  for (std::size_t o = 0; o < view.outer; ++o) {
    for (std::size_t k = 0; k < m; ++k) {
      for (std::size_t i = 0; i < view.inner; ++i, ++at) {
        from[at] = (o * view.n + std::size_t(indices.data()[at])) * view.inner + i;
      }
    }
  }
  const std::size_t uses = x.needs_grad() && m > few ? most_equal(from, x.size()) : m;
  return detail::gathered("take_along_axis", x, expected, std::move(from), 1, uses);
}

template <class T> Var<T> broadcast_to(const Var<T>& x, const Shape& shape) {
  return record("broadcast_to", {x}, broadcast_to("broadcast_to", x.value(), shape),
                [](Node<T>& y) { y.pass_on(y.input(0)); });
}

template <class T> Array<T> one_hot(const Indices& indices, std::size_t classes) {
  check_indices("one_hot", indices, classes, indices.shape());
  Array<T> rows = zeros<T>(extended(indices.shape(), {classes}));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    rows.data()[i * classes + std::size_t(indices.data()[i])] = T(1);
  }
  return rows;
}

INSTANTIATE_OVERLOAD_TWICE(transpose, Var<T>(const Var<T>&, const std::vector<int>&))
INSTANTIATE_OVERLOAD_TWICE(transpose, Var<T>(const Var<T>&))
INSTANTIATE_OVERLOAD_TWICE(broadcast_to, Var<T>(const Var<T>&, const Shape&))
INSTANTIATE_TWICE(reshape)
INSTANTIATE_TWICE(slice)
INSTANTIATE_TWICE(concat)
INSTANTIATE_TWICE(stack)
INSTANTIATE_TWICE(detail::gathered)
INSTANTIATE_TWICE(take)
INSTANTIATE_TWICE(take_along_axis)
INSTANTIATE_TWICE(one_hot)

}  // namespace tapesort
