// Arrays, Vars and tapes made visible.
#pragma once

#include <iosfwd>
#include <string>

#include "engine/tape.hpp"

namespace tapesort {

namespace arrays {
// {{1, 2}, {3, 4}}
template <class T> std::ostream& operator<<(std::ostream& out, const Array<T>& array);
}  // namespace arrays

template <class T> std::ostream& operator<<(std::ostream& out, const Var<T>& x) {
  return arrays::operator<<(out, x.value());
}

// One line a node: index, op, shape, inputs (indices; constants as c and their shape), and
// summaries of value and cotangent: the numbers themselves up to four elements, else mean and
// range. Cotangents are freed as they are passed on; see Tape::keep_cotangents.
template <class T> std::string to_table(const Tape<T>& tape);

// The same graph in Graphviz's language: `dot -Tsvg`.
template <class T> std::string to_dot(const Tape<T>& tape);

}  // namespace tapesort
