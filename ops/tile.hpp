// The inner loop of convolution, of its transposes, of squared distances, and of products too small
// for BLAS, which first copies its operands: a tile of running sums held in registers.
#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/array.hpp"
#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"

namespace tapesort {

// What is summed: of a number a and a number b, or of these and the result's own number h.
enum class Term {
  product,              // a b
  squared_difference,   // (a - b)^2
  weighted_difference,  // a (h - b)
};

// The operands of  sum over r < outer, k < inner of  term(a.at[p a.row + k a.step + r a.jump],
//                                                         b.at[o       + k b.step + r b.jump],
//                                                         h.at[p h.row + o])
// for each row p and column o of a result. In a convolution p is a pixel, o an output channel, and
// the summed index runs over the kernel's rows (r) and over each row's taps and channels (k), which
// stand side by side in memory. In the gradient of the weights p is a tap and channel, and the
// summed index runs over the image's rows (r) and pixels (k).
template <class T> struct Terms {
  struct Operand {
    const T* at;
    std::size_t step, jump, row = 0;
  };
  Operand a, b;
  std::size_t inner, outer;
  Operand h = {};
};

// c[p c_row + o] = start[p start_row + o] + that sum, for `rows` rows and `columns` columns, a
// multiple of Lanes<T>::size. c may be start; a null start is zero. A long sum over k alone
// (outer = 1) is made by halves.
template <class T, Term term = Term::product>
void sum_terms(const Terms<T>& terms, std::size_t rows, std::size_t columns, const T* start,
               std::size_t start_row, T* c, std::size_t c_row);

// Copies the rows of a matrix, each filled up with zeros to whole registers.
template <class T> void fill_lanes(const T* matrix, std::size_t rows, std::size_t columns, T* to) {
  const std::size_t width = whole_lanes<T>(columns);
  for (std::size_t r = 0; r < rows; ++r) {
    std::fill(std::copy_n(matrix + r * columns, columns, to + r * width), to + (r + 1) * width,
              T(0));
  }
}
template <class T>
Array<T> whole_lane_rows(const T* matrix, std::size_t rows, std::size_t columns) {
  Array<T> filled = uninitialized<T>({rows, whole_lanes<T>(columns)});
  fill_lanes(matrix, rows, columns, filled.data());
  return filled;
}

}  // namespace tapesort
