// The extents of a convolution, checked once, and images with a border.
#pragma once

#include "engine/check.hpp"
#include "engine/simd_sums.hpp"
#include "ops/conv/conv.hpp"

namespace tapesort::detail {

struct ConvGeometry {
  std::size_t n, h, w, c;  // x
  std::size_t kh, kw, o;   // weight is (kh, kw, c, o)
  std::size_t oh, ow;      // y is (n, oh, ow, o)
  std::size_t stride, padding;

  ConvGeometry(const char* op, const Shape& x, const Shape& weight, const Shape& bias,
               const Conv2dOptions& options)
      : stride(options.stride), padding(options.padding) {
    require(x.size() == 4, op, ": x must be (N, H, W, C), its shape is ", x);
    require(weight.size() == 4, op, ": weight must be (KH, KW, C, O), its shape is ", weight);
    require(x[3] == weight[2], op, ": channels differ: x is ", x, ", weight is ", weight,
            "; need x.shape[3] == weight.shape[2]");
    require(bias.size() == 1 && bias[0] == weight[3], op, ": bias is ", bias, ", weight is ",
            weight, "; need bias of shape (", weight[3], ")");
    require(stride >= 1, op, ": stride must be >= 1, got 0");
    constexpr std::size_t most = std::size_t{1} << 31;  // far from what sums could overflow at
    require(stride <= most && padding <= most, op, ": stride and padding must be <= ", most,
            ", got ", stride, " and ", padding);
    require(weight[0] >= 1 && weight[1] >= 1 && weight[3] >= 1, op, ": weight is ", weight,
            "; need a kernel of at least 1 x 1 and an output channel");
    n = x[0], h = x[1], w = x[2], c = x[3];
    kh = weight[0], kw = weight[1], o = weight[3];
    require(kh <= h + 2 * padding && kw <= w + 2 * padding, op, ": the kernel of weight ", weight,
            " is larger than the image of x ", x, " with padding ", padding);
    oh = (h + 2 * padding - kh) / stride + 1;
    ow = (w + 2 * padding - kw) / stride + 1;
  }

  Shape x_shape() const { return {n, h, w, c}; }
  Shape weight_shape() const { return {kh, kw, c, o}; }
  Shape y_shape() const { return {n, oh, ow, o}; }
};

// A canvas (h, w, channels) on which images (image_h, image_w, channels) are drawn: pixel (i, j) at
// (top + i, left + j), zero elsewhere; what falls outside is left out.
template <class T> struct Canvas {
  std::size_t h, w, channels;
  std::size_t image_h, image_w;
  std::ptrdiff_t top, left;

  std::size_t image_size() const { return image_h * image_w * channels; }

  // An empty one; what is drawn on it later leaves the border as it is. `more` numbers stand behind it.
  Array<T> clear(std::size_t more = 0) const {
    return zeros<T>({element_count({h, w, channels}, "convolution") + more});
  }

  void draw(const T* image, T* canvas) const {
    const auto inside = [](std::ptrdiff_t at, std::size_t extent) {
      return at >= 0 && at < std::ptrdiff_t(extent);
    };
    for (std::size_t i = 0; i < image_h; ++i) {
      const std::ptrdiff_t row = top + std::ptrdiff_t(i);
      if (!inside(row, h)) continue;
      const T* from = image + i * image_w * channels;
      T* to = canvas + std::size_t(row) * w * channels;
      if (left >= 0 && left + image_w <= w) {
        std::copy_n(from, image_w * channels, to + std::size_t(left) * channels);
        continue;
      }
      for (std::size_t j = 0; j < image_w; ++j) {
        const std::ptrdiff_t column = left + std::ptrdiff_t(j);
        if (!inside(column, w)) continue;
        std::copy_n(from + j * channels, channels, to + std::size_t(column) * channels);
      }
    }
  }
};

// A convolution of what is drawn on a canvas, without further padding, to an image of o channels.
template <class T> struct CanvasConv {
  Canvas<T> canvas;
  std::size_t kh, kw, o, oh, ow, stride;
  bool transposed = false;  // a gradient is computed

  std::size_t width() const { return whole_lanes<T>(o); }  // o, in whole registers
};

// Some pixels of a convolution's result: rows i .. i + rows - 1, columns j .. j + columns - 1. In y its
// rows are `row` apart, and pixels width().
template <class T> struct Block {
  std::size_t i, j, rows, columns;
  const T* y;
  std::size_t row;
};

// Of x with its border of zeros.
template <class T> CanvasConv<T> canvas_conv(const ConvGeometry& g) {
  const auto border = std::ptrdiff_t(g.padding);
  const Canvas<T> canvas{g.h + 2 * g.padding, g.w + 2 * g.padding, g.c, g.h, g.w, border, border};
  return {canvas, g.kh, g.kw, g.o, g.oh, g.ow, g.stride};
}

}  // namespace tapesort::detail
