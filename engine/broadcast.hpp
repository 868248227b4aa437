// Broadcasting by NumPy's rules, and its transpose, in one place.
//
//   rule       align shapes at their last axis; an extent (length of an axis) of 1, or a missing
//              one, stretches: (4, 1) and (3) stretch to (4, 3)
//   forward    broadcast_to copies an element to every place that it stretches to
//   transpose  sum_to_shape sums the cotangents of all those places
//
// Why a sum? A copied element is a value that is used several times, and the contributions of all
// uses add up. From (), one number, to (3), J is a column of three ones, and J^T ybar is
// ybar_1 + ybar_2 + ybar_3.
#pragma once

#include <optional>

#include "engine/array.hpp"

namespace tapesort {

// The common shape of a and b; std::invalid_argument naming `op` and both when there is none.
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

// x stretched to `shape`; std::invalid_argument naming `op` when x does not stretch to it, or when
// `shape` is too large.
template <class T> Array<T> broadcast_to(const char* op, const Array<T>& x, const Shape& shape);

// The transpose of broadcast_to: x of `shape`, x[i] the sum of y over the places that broadcast_to
// copies x[i] to. std::invalid_argument when `shape` does not stretch to y's.
template <class T> Array<T> sum_to_shape(const Array<T>& y, const Shape& shape);

// sum += term, of the same shape.
template <class T> void add_into(Array<T>& sum, const Array<T>& term);

// x as if it had `shape`; copied only when it has another one. x must outlive this object.
template <class T> class Stretched {
 public:
  Stretched(const char* op, const Array<T>& x, const Shape& shape) : seen_(&x) {
    if (x.shape() != shape) seen_ = &copy_.emplace(broadcast_to(op, x, shape));
  }
  Stretched(const char*, Array<T>&&, const Shape&) = delete;  // a temporary would end first
  Stretched(const Stretched&) = delete;
  const Array<T>& operator*() const { return *seen_; }

 private:
  std::optional<Array<T>> copy_;
  const Array<T>* seen_;
};

}  // namespace tapesort
