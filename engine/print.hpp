// Arrays and Vars as text. (Tapes: replay/.)
#pragma once

#include <iosfwd>

#include "engine/tape.hpp"

namespace tapesort {

namespace arrays {
// {{1, 2}, {3, 4}}
template <class T> std::ostream& operator<<(std::ostream& out, const Array<T>& array);
}  // namespace arrays

template <class T> std::ostream& operator<<(std::ostream& out, const Var<T>& x) {
  return arrays::operator<<(out, x.value());
}

}  // namespace tapesort
