// Array<T>: the tensors of this library. Dense, row-major, any number of dimensions; () is a
// scalar.
//
// It is xtensor's xarray with recycled storage, so all of xtensor works on it. This is the only
// file that includes xtensor's array headers (they moved in later versions) and the only one that
// needs to know three of its habits:
//   - Array<float>({2, 3}) is two values, not a shape: use uninitialized, zeros or full.
//   - z += expression makes a temporary; xt::noalias(z) += expression does not.
//   - auto keeps an expression, and with it references to its operands: store results in an Array.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>
#include <xtensor/xarray.hpp>
#include <xtensor/xoperation.hpp>

#include "engine/memory.hpp"

namespace tapesort {

template <class T> using Array = xt::xarray<T, xt::layout_type::row_major, RecyclingAllocator<T>>;

// Labels and positions. 64 bits, signed, so that a negative one can be reported as what it is.
using Index = std::int64_t;
using Indices = Array<Index>;

// Up to four extents without an allocation; the same type for every T.
using Shape = typename Array<float>::shape_type;

// T itself; but the compiler does not deduce T from an argument of this type, it converts it.
template <class T> using Converted = std::common_type_t<T>;

// "(64, 10)", "(3)", "()" -- the form used by every message of this library.
std::string to_text(const Shape& shape);

// `shape` with the extents of `more` behind its own.
inline Shape extended(Shape shape, const Shape& more) {
  shape.insert(shape.end(), more.begin(), more.end());
  return shape;
}

// The product of the extents. std::invalid_argument that names `op` when the product of those that
// are not 0 reaches 2^60, more than can be addressed.
std::size_t element_count(const Shape& shape, const char* op = "array");

// std::invalid_argument, as by element_count, when the shape is too large.
template <class T> Array<T> uninitialized(const Shape& shape, const char* op = "array") {
  if (shape.empty()) return Array<T>();  // a scalar; the rest would take as long as an addition
  element_count(shape, op);
  return Array<T>::from_shape(shape);
}

template <class T> Array<T> full(const Shape& shape, T value) {
  Array<T> array = uninitialized<T>(shape);
  std::fill_n(array.data(), array.size(), value);
  return array;
}

template <class T> Array<T> zeros(const Shape& shape) { return full<T>(shape, T(0)); }
template <class T> Array<T> scalar(T value) { return full<T>(Shape{}, value); }  // 0-d

// Same elements, other type.
template <class To, class From> Array<To> convert(const Array<From>& from) {
  Array<To> to = uninitialized<To>(from.shape());
  std::transform(from.data(), from.data() + from.size(), to.data(),
                 [](From value) { return static_cast<To>(value); });
  return to;
}

// The same elements in the same order under another shape (element counts must agree).
template <class T> Array<T> with_shape(Array<T> array, const Shape& shape) {
  element_count(shape);  // xtensor compares products that may have overflowed
  array.reshape(shape);
  return array;
}

}  // namespace tapesort
