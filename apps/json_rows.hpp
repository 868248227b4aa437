// An array as JSON, nested as its axes are, written a row at a time: a large matrix is never in memory
// as text.
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "engine/array.hpp"

namespace tapesort {

template <class T>
void write_json(std::ostream& out, const Array<T>& x, std::size_t axis = 0, std::size_t start = 0) {
  const std::size_t extent = x.shape()[axis];
  if (axis + 1 == x.dimension()) {
    const T* row = x.data() + start;
    out << nlohmann::json(std::vector<T>(row, row + extent));
    return;
  }
  std::size_t step = 1;
  for (std::size_t i = axis + 1; i < x.dimension(); ++i) step *= x.shape()[i];
  out << '[';
  for (std::size_t i = 0; i < extent; ++i) {
    if (i > 0) out << ',';
    write_json(out, x, axis + 1, start + i * step);
  }
  out << ']';
}

}  // namespace tapesort
