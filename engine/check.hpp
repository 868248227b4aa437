// How errors are worded: "op: what is wrong, with the shapes; what to do about it".
//
// std::invalid_argument  an argument is wrong: shape, range, index
// std::logic_error       the tape is misused: another tape, tape gone, nothing recorded
// std::runtime_error     the content of a file, or the system, is at fault
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "engine/array.hpp"

namespace tapesort {

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

template <class... Parts> [[noreturn]] void misuse(const Parts&... parts) {
  throw std::logic_error(to_message(parts...));
}

template <class... Parts> [[noreturn]] void fault(const Parts&... parts) {
  throw std::runtime_error(to_message(parts...));
}

// Throws unless `ok`. The parts are put into words only on failure.
template <class... Parts> void require(bool ok, const Parts&... parts) {
  if (!ok) bad_argument(parts...);
}

inline void require_same_shape(const char* op, const char* a_name, const Shape& a,
                               const char* b_name, const Shape& b) {
  require(a == b, op, ": shapes differ: ", a_name, " is ", a, ", ", b_name, " is ", b);
}

}  // namespace tapesort
