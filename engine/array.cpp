#include "engine/array.hpp"

#include "engine/check.hpp"

namespace tapesort {

std::string to_text(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + ")";
}

// Extents of 0 do not hide the others: the product of any of them, as a stride or a number of rows,
// must not overflow either.
std::size_t element_count(const Shape& shape, const char* op) {
  std::size_t product = 1;
  bool empty = false;
  for (std::size_t extent : shape) {
    empty |= extent == 0;
    if (extent == 0) continue;
    require(!__builtin_mul_overflow(product, extent, &product) && std::uint64_t{product} >> 60 == 0,
            op, ": shape ", shape,
            " is too large; need fewer than 2^60 elements, where extents of 0 count as 1");
  }
  return empty ? 0 : product;
}

}  // namespace tapesort
