// Convolution with 3 x 3 and 5 x 5 kernels at stride 1 by fewer multiplications (Winograd 1980; Lavin
// and Gray 2016). Section 2 of README.md derives it, and names u, v and m.
//
// Without it (applies() always false) `tapesort --threads 1 bench train` takes 1.2 times as long at row
// resnet-100, 1.25 times at knn-100, 1.3 times at sort-100.
#pragma once

#include <functional>

#include "engine/simd.hpp"
#include "ops/conv/geometry.hpp"

namespace tapesort::detail {

template <class T> class Winograd {
 public:
  // A tile of 4 x 4 outputs, or 2 x 2 with 5 x 5 weights, depends on 6 x 6 inputs, and takes as many
  // products.
  static constexpr std::size_t inputs = 6, products = inputs * inputs;

  // Whether it can be done and is profitable: the sums before the products take as long for one channel
  // as for a register of them, and a partly filled tile costs as much as a full one. With
  // 5 x 5 weights gradients are computed the plain way, whose errors are half as large there.
  static bool applies(const CanvasConv<T>& conv) {
    return (conv.kh == 3 || (conv.kh == 5 && !conv.transposed)) && conv.kw == conv.kh &&
           conv.stride == 1 && conv.canvas.channels >= Lanes<T>::size && conv.o >= Lanes<T>::size &&
           products * tiles(conv.kh, conv.oh) * tiles(conv.kh, conv.ow) <
               conv.kh * conv.kh * conv.oh * conv.ow;
  }

  explicit Winograd(const CanvasConv<T>& conv)
      : kernel_(conv.kh),
        tile_(inputs + 1 - kernel_),
        c_(conv.canvas.channels),
        width_(conv.width()),
        oh_(conv.oh),
        ow_(conv.ow),
        tiles_down_(tiles(kernel_, oh_)),
        tiles_across_(tiles(kernel_, ow_)),
        canvas_(conv.canvas) {
    canvas_.h = tile_ * tiles_down_ + kernel_ - 1;
    canvas_.w = tile_ * tiles_across_ + kernel_ - 1;
  }

  // What images must be drawn on: the convolution's canvas, with room for whole tiles, and a
  // register's room behind it.
  const Canvas<T>& canvas() const { return canvas_; }

  // w (kernel, kernel, c, width) -> v (36, c, width)
  Array<T> transform_weight(const T* w) const;
  // wbar = G' vbar G, 3 x 3
  Array<T> transform_weight_back(const T* vbar) const;

  // How many numbers of scratch memory the following need.
  std::size_t scratch_size() const {
    return products * strip_tiles() * (c_width() + width_) + tile_ * tile_ * width_;
  }

  // Calls f(block) for every tile.
  void convolve(const T* drawn, const T* v, const T* bias, T* scratch,
                const std::function<void(const Block<T>&)>& f) const;
  // vbar += that of one image, 3 x 3; ybar (oh, ow, width).
  void add_weight_gradient(const T* drawn, const T* ybar, T* vbar, T* scratch) const;

 private:
  static std::size_t tiles(std::size_t kernel, std::size_t extent) {
    const std::size_t tile = inputs + 1 - kernel;
    return (extent + tile - 1) / tile;
  }
  std::size_t c_width() const { return whole_lanes<T>(c_); }
  // Tiles are taken a few rows at a time, so that u and m stay in the cache.
  std::size_t strip_rows() const {
    return std::min(tiles_down_, std::max<std::size_t>(1, 14 / tiles_across_));
  }
  std::size_t strip_tiles() const { return strip_rows() * tiles_across_; }
  // u (36, tiles, whole lanes of c) of tile rows begin .. end - 1.
  void transform_image(const T* drawn, std::size_t begin, std::size_t end, T* u) const;
  template <std::size_t Tile>
  void transform_products(const T* m, std::size_t plane, const T* bias, T* y) const;
  void transform_cotangent(const T* ybar, std::size_t down, std::size_t across, T* mbar,
                           std::size_t plane) const;

  std::size_t kernel_, tile_, c_, width_, oh_, ow_, tiles_down_, tiles_across_;
  Canvas<T> canvas_;
};

}  // namespace tapesort::detail
