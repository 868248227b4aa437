// Operators that move elements without changing them. The transpose of moving is moving back; of
// copying to several places, summing over them.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

// The same elements in the same (row-major) order. One extent may be -1: what is left.
// std::invalid_argument when the element counts differ.
template <class T> Var<T> reshape(const Var<T>& x, const std::vector<Index>& shape);

// Axis i of the result is axis axes[i] of x; without axes, they are reversed. std::invalid_argument
// unless axes is a permutation of x's axes.
template <class T> Var<T> transpose(const Var<T>& x, const std::vector<int>& axes);
template <class T> Var<T> transpose(const Var<T>& x);

// Positions begin .. end - 1 along an axis. Negative positions count from the end.
// std::invalid_argument unless 0 <= begin <= end <= extent.
template <class T> Var<T> slice(const Var<T>& x, int axis, Index begin, Index end);

// One after the other along an existing axis. std::invalid_argument for no parts, or when they
// differ in another axis' extent.
template <class T> Var<T> concat(const std::vector<Var<T>>& parts, int axis = 0);
// Side by side along a new axis. std::invalid_argument for no parts, or when their shapes differ.
template <class T> Var<T> stack(const std::vector<Var<T>>& parts, int axis = 0);

// The slices of x at `indices` along an axis (rows, by default): x (.., n, ..) and indices (i..)
// give (.., i.., ..). A position may be taken several times; its cotangents add up.
// std::invalid_argument for an index outside 0 .. n - 1.
template <class T> Var<T> take(const Var<T>& x, const Indices& indices, int axis = 0);

// One element per index: y[.., k, ..] = x[.., indices[.., k, ..], ..]. For example sorting by a
// permutation. std::invalid_argument unless x and indices agree in all extents but that of the
// axis, or for an index out of range.
template <class T> Var<T> take_along_axis(const Var<T>& x, const Indices& indices, int axis = -1);

// x stretched to `shape` by NumPy's rules; std::invalid_argument when it does not stretch to it.
template <class T> Var<T> broadcast_to(const Var<T>& x, const Shape& shape);

// indices (...) -> (..., classes): 1 at the index, else 0. std::invalid_argument for an index
// outside 0 .. classes - 1.
template <class T> Array<T> one_hot(const Indices& indices, std::size_t classes);

namespace detail {

// x with an axis of extent 1 put in before `axis`.
template <class T> Var<T> expand(const Var<T>& x, std::size_t axis) {
  std::vector<Index> shape(x.shape().begin(), x.shape().end());
  shape.insert(shape.begin() + std::ptrdiff_t(axis), 1);
  return reshape(x, shape);
}

// x in blocks of `size` elements side by side, of which the result has number from[0], from[1], ..; a
// block may be taken up to `uses` times. The pullback adds where the forward copies from.
template <class T>
Var<T> gathered(const char* op, const Var<T>& x, const Shape& shape, std::vector<std::size_t> from,
                std::size_t size = 1, std::size_t uses = 1);

}  // namespace detail

}  // namespace tapesort
