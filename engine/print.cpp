#include "engine/print.hpp"

#include <ostream>

namespace tapesort {

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
template std::ostream& arrays::operator<<(std::ostream&, const Array<bool>&);

}  // namespace tapesort
