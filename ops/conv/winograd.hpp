// Convolution with 3 x 3 kernels at stride 1 by fewer multiplications (Winograd 1980; Lavin and
// Gray 2016): a 4 x 4 tile of outputs takes 36 products instead of 144, of sums of its 6 x 6 inputs
// with sums of the 3 x 3 weights. Section 2 of README.md derives it.
//
//   u = B' x B    m = u v, for each of the 36 a matrix product (tiles, c) (c, o)
//   v = G w G'    y = A' m A
//
// Without it (applies() always false) a training step of the small ResNet takes 1.1 to 1.2 times as
// long (`tapesort bench train --row resnet-100`, one thread), one of the network `small` 1.4 times.
#pragma once

#include "engine/simd.hpp"
#include "ops/conv/image.hpp"

namespace tapesort::detail {

// From an image with the border that its canvas says, which is not drawn, to (out_h, out_w, o).
template <class T> class Winograd {
 public:
  // A tile of 4 x 4 outputs depends on 6 x 6 inputs, and takes as many products.
  static constexpr std::size_t tile = 4, inputs = 6, products = inputs * inputs;

  // Whether it can be done (3 x 3, stride 1, channels in whole registers) and is profitable; a partly
  // filled tile costs as much as a full one.
  static bool applies(std::size_t kh, std::size_t kw, std::size_t stride, std::size_t c,
                      std::size_t o, std::size_t out_h, std::size_t out_w) {
    return kh == 3 && kw == 3 && stride == 1 && c % Lanes<T>::size == 0 &&
           o % Lanes<T>::size == 0 && products * tiles(out_h) * tiles(out_w) < 9 * out_h * out_w;
  }
  static std::size_t tiles(std::size_t extent) { return (extent + tile - 1) / tile; }

  Winograd(const Canvas<T>& canvas, std::size_t o, std::size_t out_h, std::size_t out_w)
      : canvas_(canvas), c_(canvas.channels), o_(o), out_h_(out_h), out_w_(out_w) {}

  // w (3, 3, c, o) -> v (36, c, o)
  void transform_weight(const T* w, T* v) const;
  // wbar = G' vbar G
  void transform_weight_back(const T* vbar, T* wbar) const;

  // How many numbers of scratch memory the following need.
  std::size_t scratch_size() const { return products * strip_tiles() * (c_ + o_); }

  // y[i, j, o] = bias[o] + the convolution; y's rows and pixels are `row` and `pixel` apart.
  void convolve(const T* image, const T* v, const T* bias, T* y, std::size_t row, std::size_t pixel,
                T* scratch) const;
  // vbar += that of one image; ybar (out_h, out_w, o).
  void add_weight_gradient(const T* image, const T* ybar, T* vbar, T* scratch) const;

 private:
  // Tiles are taken a few rows at a time, so that u and m stay in the cache.
  std::size_t tiles_down() const { return tiles(out_h_); }
  std::size_t tiles_across() const { return tiles(out_w_); }
  std::size_t strip_rows() const {
    return std::min(tiles_down(), std::max<std::size_t>(1, 14 / tiles_across()));
  }
  std::size_t strip_tiles() const { return strip_rows() * tiles_across(); }
  // u of tile rows begin .. end - 1.
  void transform_image(const T* image, std::size_t begin, std::size_t end, T* u) const;

  Canvas<T> canvas_;
  std::size_t c_, o_, out_h_, out_w_;
};

}  // namespace tapesort::detail
