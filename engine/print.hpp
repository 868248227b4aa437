// A tape made visible.
#pragma once

#include <string>

#include "engine/tape.hpp"

namespace tapesort {

// One line a node: index, op, shape, inputs (indices; constants as c and their shape), and
// summaries of value and cotangent: the numbers themselves up to four elements, else mean and
// range. Cotangents are freed as they are passed on; see Tape::keep_cotangents.
template <class T> std::string to_table(const Tape<T>& tape);

// The same graph in Graphviz's language: `dot -Tsvg`.
template <class T> std::string to_dot(const Tape<T>& tape);

}  // namespace tapesort
