// An array seen as (outer, n, inner) around one axis, for loops along that axis:
// element k of the line (o, i) stands at (o * n + k) * inner + i.
#pragma once

#include <algorithm>

#include "engine/check.hpp"
#include "engine/parallel.hpp"

namespace tapesort {

// axis in -dimension .. dimension - 1 (negative counts from the end) -> 0 .. dimension - 1.
inline std::size_t checked_axis(const char* op, int axis, const Shape& shape) {
  const int dimension = static_cast<int>(shape.size());
  require(axis >= -dimension && axis < dimension, op, ": axis ", axis,
          " is out of range for shape ", shape, "; need ", -dimension, " <= axis < ", dimension);
  return static_cast<std::size_t>(axis < 0 ? axis + dimension : axis);
}

// Every index in 0 .. extent - 1.
inline void check_indices(const char* op, const Indices& indices, std::size_t extent,
                          const Shape& shape) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const Index index = indices.data()[i];
    require(index >= 0 && static_cast<std::size_t>(index) < extent, op, ": index ", index,
            " at position ", i, " is out of range for shape ", shape, "; need 0 <= index < ",
            extent);
  }
}

struct AxisView {
  std::size_t axis, outer = 1, n, inner = 1;

  AxisView(const char* op, int signed_axis, const Shape& shape)
      : axis(checked_axis(op, signed_axis, shape)), n(shape[axis]) {
    for (std::size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }

  std::size_t lines() const { return outer * inner; }
  // Where a line's first element stands; the others are `inner` apart.
  std::size_t first(std::size_t line) const { return line + line / inner * (n - 1) * inner; }
  // Calls f(first(line), line) for every line, in parallel: f may write what belongs to its line alone.
  template <class F> void for_lines(const F& f) const {
    const std::size_t grain = 1 + (std::size_t{1} << 15) / (n + 1);
    parallel_for(lines(), grain, [&](std::size_t begin, std::size_t end, std::size_t) {
      std::size_t line = begin;
      for (; inner == 1 && line < end; ++line) f(line * n, line);
      for (std::size_t o = begin / inner; line < end; ++o) {
        const std::size_t stop = std::min(end, (o + 1) * inner), before = o * (n - 1) * inner;
        for (; line < stop; ++line) f(before + line, line);
      }
    });
  }
};

// `shape` without its axis, or with extent 1 there.
inline Shape without_axis(const Shape& shape, std::size_t axis, bool keep_dims) {
  Shape result;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != axis) {
      result.push_back(shape[i]);
    } else if (keep_dims) {
      result.push_back(1);
    }
  }
  return result;
}

}  // namespace tapesort
