// How errors are worded: "op: what is wrong, with the shapes; what to do about it".
//
// std::invalid_argument  an argument is wrong: shape, range, index
// std::logic_error       the tape is misused: another tape, tape gone, nothing recorded
// NonFiniteError         the trap for NaN and infinity found one
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "engine/array.hpp"

namespace tapesort {

struct NonFiniteError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace detail {
inline void put(std::ostringstream& out, const Shape& shape) { out << to_text(shape); }
template <class Part> void put(std::ostringstream& out, const Part& part) { out << part; }
}  // namespace detail

// The parts one after another; shapes as "(2, 3)".
template <class... Parts> std::string to_message(const Parts&... parts) {
  std::ostringstream out;
  (detail::put(out, parts), ...);
  return out.str();
}

template <class... Parts> [[noreturn]] void bad_argument(const Parts&... parts) {
  throw std::invalid_argument(to_message(parts...));
}

// Throws unless `ok`. The parts are put into words only on failure.
template <class... Parts> void require(bool ok, const Parts&... parts) {
  if (!ok) bad_argument(parts...);
}

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

inline void require_same_shape(const char* op, const char* a_name, const Shape& a,
                               const char* b_name, const Shape& b) {
  require(a == b, op, ": shapes differ: ", a_name, " is ", a, ", ", b_name, " is ", b);
}

}  // namespace tapesort
