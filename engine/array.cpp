#include "engine/array.hpp"

#include <ostream>

#include "engine/check.hpp"

namespace tapesort {

std::string to_text(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + ")";
}

std::size_t element_count(const Shape& shape, const char* op) {
  std::size_t product = 1;
  bool empty = false;
  for (std::size_t extent : shape) {
    empty |= extent == 0;
    if (extent == 0) continue;
    require(!__builtin_mul_overflow(product, extent, &product) && product >> 60 == 0, op,
            ": shape ", shape,
            " is too large; need fewer than 2^60 elements, where extents of 0 count as 1");
  }
  return empty ? 0 : product;
}

template <class T> std::ostream& arrays::operator<<(std::ostream& out, const Array<T>& array) {
  const T* next = array.data();
  const auto put = [&](const auto& self, std::size_t axis) -> void {
    if (axis == array.dimension()) {
      out << +*next++;  // + makes a number of a byte
      return;
    }
    out << '{';
    for (std::size_t i = 0; i < array.shape()[axis]; ++i) {
      if (i > 0) out << ", ";
      self(self, axis + 1);
    }
    out << '}';
  };
  put(put, 0);
  return out;
}

template std::ostream& arrays::operator<<(std::ostream&, const Array<float>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<double>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<Index>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<int>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<std::uint8_t>&);

}  // namespace tapesort
