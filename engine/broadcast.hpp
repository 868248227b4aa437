// Broadcasting by NumPy's rules, and its transpose, in one place.
//
//   rule       align shapes at their last axis; an extent of 1 (or a missing one) stretches
//   forward    broadcast_to copies an element to every place that it stretches to
//   transpose  sum_to_shape sums the cotangents of all those places
#pragma once

#include "engine/array.hpp"

namespace tapesort {

// The common shape of a and b; std::invalid_argument naming `op` and both when there is none.
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

// x stretched to `shape`; std::invalid_argument naming `op` when x does not stretch to it, or when
// `shape` is too large (element_count).
template <class T> Array<T> broadcast_to(const char* op, const Array<T>& x, const Shape& shape);

// y summed over the axes along which `shape` was stretched to give y's shape;
// std::invalid_argument when `shape` does not stretch to it.
template <class T> Array<T> sum_to_shape(const Array<T>& y, const Shape& shape);

// x seen as if it had `shape`: copied only when it has another one. x must outlive it.
template <class T> class Stretched {
 public:
  Stretched(const char* op, const Array<T>& x, const Shape& shape) : seen_(&x) {
    if (x.shape() != shape) {
      copy_ = broadcast_to(op, x, shape);
      seen_ = &copy_;
    }
  }
  Stretched(const char*, Array<T>&&, const Shape&) = delete;  // would not outlive it
  Stretched(const Stretched&) = delete;
  const Array<T>& operator*() const { return *seen_; }

 private:
  Array<T> copy_;
  const Array<T>* seen_;
};

}  // namespace tapesort
