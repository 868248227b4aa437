#include "engine/broadcast.hpp"

#include <type_traits>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
#include "engine/sums.hpp"

namespace tapesort {
namespace {

// Both directions walk the large array once, axis by axis, with the place in the small one beside
// it: a stretched axis has stride 0 there. Neighbouring axes of the same kind are merged first, so
// that the innermost loop is long.
struct Walk {
  struct Axis {
    std::size_t extent, large_stride, small_stride;
    bool stretched;
  };
  std::vector<Axis> axes;

  Walk(const Shape& small, const Shape& large) {
    std::size_t large_stride = 1, small_stride = 1;
    for (std::size_t back = 1; back <= large.size(); ++back) {  // from the last axis
      const std::size_t extent = large[large.size() - back];
      const std::size_t own = back <= small.size() ? small[small.size() - back] : 1;
      const bool stretched = own == 1 && extent != 1;
      if (extent != 1) {
        if (!axes.empty() && axes.back().stretched == stretched) {
          axes.back().extent *= extent;
        } else {
          axes.push_back({extent, large_stride, stretched ? 0 : small_stride, stretched});
        }
      }
      large_stride *= extent;
      small_stride *= own;
    }
    if (axes.empty()) axes.push_back({1, 1, 1, false});
    std::reverse(axes.begin(), axes.end());
  }

  // How many innermost runs meet in one element of the small array.
  std::size_t runs_a_sum() const {
    std::size_t count = 1;
    for (const Axis& axis : axes) count *= axis.stretched ? axis.extent : 1;
    return axes.back().stretched ? count / axes.back().extent : count;
  }

  // Calls row(large, small, extent, stretched) for every innermost run.
  template <class Large, class Small, class Row>
  void run(Large* large, Small* small, const Row& row, std::size_t depth = 0) const {
    const Axis& axis = axes[depth];
    if (depth + 1 == axes.size()) return row(large, small, axis.extent, axis.stretched);
    for (std::size_t i = 0; i < axis.extent; ++i) {
      run(large + i * axis.large_stride, small + i * axis.small_stride, row, depth + 1);
    }
  }
};

bool stretches_to(const Shape& small, const Shape& large) {
  const auto fits = [](std::size_t own, std::size_t extent) { return own == 1 || own == extent; };
  return small.size() <= large.size() &&
         std::equal(small.rbegin(), small.rend(), large.rbegin(), fits);
}

}  // namespace

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  Shape result = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  for (std::size_t back = 1; back <= shorter.size(); ++back) {
    const std::size_t own = shorter[shorter.size() - back];
    std::size_t& extent = result[result.size() - back];
    require(own == extent || own == 1 || extent == 1, op, ": shapes ", a, " and ", b,
            " do not broadcast; counted from the last axis, extents must be equal or 1");
    if (extent == 1) extent = own;
  }
  return result;
}

template <class T> Array<T> broadcast_to(const char* op, const Array<T>& x, const Shape& shape) {
  require(stretches_to(x.shape(), shape), op, ": shape ", x.shape(), " does not broadcast to ",
          shape, "; counted from the last axis, extents must be equal or 1");
  Array<T> y = uninitialized<T>(shape, op);
  if (y.size() == 0) return y;
  Walk(x.shape(), shape)
      .run(y.data(), x.data(), [](T* large, const T* small, std::size_t n, bool stretched) {
        if (stretched) {
          std::fill_n(large, n, *small);
        } else {
          std::copy_n(small, n, large);
        }
      });
  return y;
}

namespace {

// The sums in the type Sum: innermost runs are summed by halves, and then one after another.
template <class Sum, class T>
Array<Sum> summed(const Walk& walk, const Array<T>& y, const Shape& shape) {
  Array<Sum> x = zeros<Sum>(shape);
  walk.run(y.data(), x.data(), [](const T* large, Sum* small, std::size_t n, bool stretched) {
    if (stretched) {
      *small += Sum(contiguous_sum(large, n));
    } else {
      for (std::size_t i = 0; i < n; ++i) small[i] += Sum(large[i]);
    }
  });
  return x;
}

}  // namespace

template <class T> Array<T> sum_to_shape(const Array<T>& y, const Shape& shape) {
  require(stretches_to(shape, y.shape()), "gradient: shape ", y.shape(), ", for a value of shape ",
          shape, "; need the value's shape, or one that it broadcasts to");
  if (y.size() == 0) return zeros<T>(shape);
  const Walk walk(shape, y.shape());
  constexpr std::size_t few = 64;  // running sums of more terms than this are kept in double
  if constexpr (std::is_same_v<T, float>) {
    if (walk.runs_a_sum() > few) return convert<T>(summed<double>(walk, y, shape));
  }
  return summed<T>(walk, y, shape);
}

template <class T> void add_into(Array<T>& sum, const Array<T>& term) {
  constexpr std::size_t grain = 1 << 18;  // less is done sooner than shared out
  parallel_each(sum.size(), grain,
                [s = sum.data(), t = term.data()](std::size_t i) { s[i] += t[i]; });
}

INSTANTIATE_TWICE(broadcast_to)
INSTANTIATE_TWICE(sum_to_shape)
INSTANTIATE_TWICE(add_into)

}  // namespace tapesort
