// The transposes of a convolution when few elements of ybar are not zero, as behind max-pooling,
// where at most one in four is: each such element is visited once, instead of every position.
// What stands beside it in memory, and fills the registers, are the channels of x: one element of
// ybar meets kh kw c weights, and as many elements of x.
//
// Without it (sparse_applies always false) a training step takes 1.6 times as long at
// `tapesort bench train --row knn-100` and 1.8 times at `--row sort-100`, one thread.
#pragma once

#include <cstdint>
#include <limits>

#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"
#include "ops/conv/geometry.hpp"

namespace tapesort::detail {

// A non-zero of ybar, and the offset of the weights or pixels it multiplies.
template <class T> struct Nonzero {
  T value;
  std::uint32_t offset;
};

constexpr std::size_t widest_sparse_kernel = 7;

// Whether the sparse way can be gone and is faster: few channels of x would leave the registers
// empty, and offsets within an image with its border, or within the weights of one row of taps and
// one register of channels, must have 32 bits.
template <class T> bool sparse_applies(const ConvGeometry& g) {
  constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
  const std::size_t h = g.h + 2 * g.padding, w = g.w + 2 * g.padding;
  return g.stride == 1 && g.c >= Lanes<T>::size && g.kw <= widest_sparse_kernel &&
         element_count({h, w, whole_lanes<T>(g.c)}) <= most &&
         element_count({g.o, g.kw + 2, Lanes<T>::size}) <= most;
}

// For one output channel and one row of the kernel's taps:
//   wbar[l, c] += sum over e of e.value image[e.offset + l channels + c]
// for kw taps l of `channels` numbers, a multiple of Lanes<T>::size. kw <= widest_sparse_kernel.
template <class T>
void add_sparse_weight_gradient(const Nonzero<T>* elements, std::size_t count, const T* image,
                                std::size_t kw, std::size_t channels, T* wbar);

// For two neighbouring pixels of ybar, one row of the kernel's taps and one register of channels:
//   xbar[u pixel + c] += sum over e of e.value weight[e.offset + u Lanes<T>::size + c]
// for the kw + 1 pixels u that they reach.
template <class T>
void add_sparse_input_gradient(const Nonzero<T>* elements, std::size_t count, const T* weight,
                               std::size_t kw, std::size_t pixel, T* xbar);

}  // namespace tapesort::detail
