// Convolution with 3 x 3 kernels at stride 1 by fewer multiplications (Winograd 1980; Lavin and
// Gray 2016). Section 2 of README.md derives it, and names u, v and m.
//
// Without it (applies() always false) a training step of the small ResNet takes 1.1 to 1.2 times as
// long (`tapesort bench train --row resnet-100`, one thread), one of the network `small` 1.4 times.
#pragma once

#include "engine/simd.hpp"
#include "ops/conv/geometry.hpp"

namespace tapesort::detail {

// From an image with the border that its canvas says, which is not drawn, to (oh, ow, o).
template <class T> class Winograd {
 public:
  // A tile of 4 x 4 outputs depends on 6 x 6 inputs, and takes as many products.
  static constexpr std::size_t tile = 4, inputs = 6, products = inputs * inputs;

  // Whether it can be done (3 x 3, stride 1, channels in whole registers) and is profitable; a partly
  // filled tile costs as much as a full one.
  static bool applies(const CanvasConv<T>& conv) {
    return conv.kh == 3 && conv.kw == 3 && conv.stride == 1 &&
           conv.canvas.channels % Lanes<T>::size == 0 && conv.o % Lanes<T>::size == 0 &&
           products * tiles(conv.oh) * tiles(conv.ow) < 9 * conv.oh * conv.ow;
  }
  static std::size_t tiles(std::size_t extent) { return (extent + tile - 1) / tile; }

  explicit Winograd(const CanvasConv<T>& conv)
      : canvas_(conv.canvas), c_(canvas_.channels), o_(conv.o), oh_(conv.oh), ow_(conv.ow) {}

  // w (3, 3, c, o) -> v (36, c, o)
  void transform_weight(const T* w, T* v) const;
  // wbar = G' vbar G
  void transform_weight_back(const T* vbar, T* wbar) const;

  // How many numbers of scratch memory the following need.
  std::size_t scratch_size() const { return products * strip_tiles() * (c_ + o_); }

  // y[i, j, o] = bias[o] + the convolution; y's rows and pixels are `row` and `pixel` apart.
  void convolve(const T* image, const T* v, const T* bias, T* y, std::size_t row, std::size_t pixel,
                T* scratch) const;
  // vbar += that of one image; ybar (oh, ow, o).
  void add_weight_gradient(const T* image, const T* ybar, T* vbar, T* scratch) const;

 private:
  // Tiles are taken a few rows at a time, so that u and m stay in the cache.
  std::size_t tiles_down() const { return tiles(oh_); }
  std::size_t tiles_across() const { return tiles(ow_); }
  std::size_t strip_rows() const {
    return std::min(tiles_down(), std::max<std::size_t>(1, 14 / tiles_across()));
  }
  std::size_t strip_tiles() const { return strip_rows() * tiles_across(); }
  // u of tile rows begin .. end - 1.
  void transform_image(const T* image, std::size_t begin, std::size_t end, T* u) const;

  Canvas<T> canvas_;
  std::size_t c_, o_, oh_, ow_;
};

}  // namespace tapesort::detail
