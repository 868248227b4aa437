// The transposes of a convolution when few elements of ybar are not zero, as behind max-pooling,
// where at most one in four is: each such element is visited once, instead of every position. It
// meets kh kw c weights, and as many elements of x; of one row of the kernel's taps these are kw c
// numbers side by side in memory, in x as in the weights, and fill the registers for any c.
//
// Without it (sparse_applies always false) a training step takes 1.7 times as long at
// `tapesort bench train --row knn-100`, 1.5 times at `--row sort-100`, one thread.
#pragma once

#include <cstdint>
#include <limits>

#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"
#include "ops/conv/geometry.hpp"

namespace tapesort::detail {

// A non-zero of ybar, and the offset of the first of the weights or pixels that it multiplies.
template <class T> struct Nonzero {
  T value;
  std::uint32_t offset;
};

// A row of taps' weights of one output, zeros beside them: read from 0 they are those of the second of
// two neighbouring pixels of ybar, read from c those of the first, up to the end of the registers that
// hold the (kw + 1) c numbers that the two reach.
template <class T> std::size_t weight_line(const ConvGeometry& g) {
  return g.c + whole_lanes<T>((g.kw + 1) * g.c);
}

// Whether the sparse way can be gone and is faster. Offsets within an image with its border, or within
// the weights of a row of taps, must have 32 bits. Of the numbers in registers, zeros that fill them
// included, it visits at most half as many, as each visit also reads its element: of a window
// whole_lanes(kw c) o in place of 4 kw c whole_lanes(o).
template <class T> bool sparse_applies(const ConvGeometry& g) {
  constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
  const std::size_t h = g.h + 2 * g.padding, w = g.w + 2 * g.padding, row = g.kw * g.c;
  return g.stride == 1 && row > 0 && whole_lanes<T>(row) * g.o <= 2 * row * whole_lanes<T>(g.o) &&
         element_count({h, w, g.c}) <= most && element_count({g.o, weight_line<T>(g)}) <= most;
}

// to[r, i] += sum over e of e.value from[e.offset + r step + i], i over the lanes of a register, r over
// at most widest_block of them.
constexpr std::size_t widest_block = 10;
template <class T>
void add_nonzeros(const Nonzero<T>* elements, std::size_t count, const T* from, std::size_t step,
                  std::size_t registers, T* to);

}  // namespace tapesort::detail
