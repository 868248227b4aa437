// Convolution of one image, and its two transposes, in terms of sum_terms. What they ask for:
// images with their border of zeros already around them, channels of the result in whole registers.
#pragma once

#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"
#include "ops/conv/geometry.hpp"
#include "ops/tile.hpp"

namespace tapesort::detail {

// parts (number of parts, .., columns or more) summed over the parts in order, without the columns
// that fill up the registers, as `shape` (.., columns).
template <class T> Array<T> sum_parts(const Array<T>& parts, const Shape& shape) {
  const std::size_t columns = shape.back(), width = parts.shape().back();
  Array<T> sum = zeros<T>(shape);
  const std::size_t rows = sum.size() / columns;
  for (std::size_t part = 0; part < parts.shape()[0]; ++part) {
    for (std::size_t r = 0; r < rows; ++r) {
      const T* from = parts.data() + (part * rows + r) * width;
      for (std::size_t c = 0; c < columns; ++c) sum.data()[r * columns + c] += from[c];
    }
  }
  return sum;
}

// A convolution of stride `stride` from a bordered image, `width` pixels of c channels wide, to an
// image `out_width` pixels of o channels wide.
struct ImageConv {
  std::size_t width, c, kh, kw, o, out_width, stride;
};
template <class T> ImageConv image_conv(const ConvGeometry& g) {
  return {g.w + 2 * g.padding, g.c, g.kh, g.kw, whole_lanes<T>(g.o), g.ow, g.stride};
}

// Row i of y, its pixels `pixel` apart:
//   row[j, o] = bias[o] + sum_klc image[s i + k, s j + l, c] weight[k, l, c, o]
template <class T>
void convolve_row(const ImageConv& g, const T* image, const T* weight, const T* bias, std::size_t i,
                  T* row, std::size_t pixel) {
  const std::size_t taps = g.kw * g.c;  // of one kernel row: side by side in image and weight
  const Terms<T> terms{{image + i * g.stride * g.width * g.c, 1, g.width * g.c, g.stride * g.c},
                       {weight, g.o, taps * g.o},
                       taps,
                       g.kh};
  sum_terms(terms, g.out_width, g.o, bias, 0, row, pixel);
}

// wbar[k, l, c, o] += sum_ij image[s i + k, s j + l, c] ybar[i, j, o], over `rows` rows of ybar.
template <class T>
void add_weight_gradient(const ImageConv& g, const T* image, const T* ybar, std::size_t rows,
                         T* wbar) {
  // A few rows at a time: they stay in the first-level cache while all of wbar passes by.
  const std::size_t band = std::max<std::size_t>(1, 112 / g.out_width);
  const std::size_t taps = g.kw * g.c;
  for (std::size_t i = 0; i < rows; i += band) {
    for (std::size_t k = 0; k < g.kh; ++k) {
      const Terms<T> terms{
          {image + (i * g.stride + k) * g.width * g.c, g.stride * g.c, g.stride * g.width * g.c, 1},
          {ybar + i * g.out_width * g.o, g.o, g.out_width * g.o},
          g.out_width,
          std::min(band, rows - i)};
      T* w = wbar + k * taps * g.o;
      sum_terms(terms, taps, g.o, w, g.o, w, g.o);
    }
  }
}

// sum[o] += each pixel's o; sums of sums, so that rounding errors do not grow with their number.
template <class T>
void add_pixels(const T* image, std::size_t pixels, std::size_t o, T* partial, T* sum) {
  constexpr std::size_t block = 64;
  for (std::size_t from = 0; from < pixels; from += block) {
    std::fill_n(partial, o, T(0));
    for (std::size_t p = from; p < std::min(pixels, from + block); ++p) {
      for (std::size_t c = 0; c < o; ++c) partial[c] += image[p * o + c];
    }
    for (std::size_t c = 0; c < o; ++c) sum[c] += partial[c];
  }
}

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

// x with its border of zeros.
template <class T> Canvas<T> x_canvas(const ConvGeometry& g) {
  const auto border = std::ptrdiff_t(g.padding);
  return {g.h + 2 * g.padding, g.w + 2 * g.padding, g.c, g.h, g.w, border, border};
}

// One of the stride x stride parts of the transpose. x's row r = s i + k - p took from y's row i,
// so rows with the same (r + p) mod s = a are reached by the same taps, k = a, a + s, .., and among
// themselves are an image, of which row u = (r - first) / s takes from ybar's row i = u + q - t by
// its tap k = a + s t, with q = (first + p - a) / s: a convolution of stride 1, with the taps
// counted from the other end.
struct TransposedAxis {
  std::size_t taps;    // how many
  std::size_t first;   // the first such row of x
  std::size_t count;   // and how many there are
  std::ptrdiff_t top;  // where ybar's row 0 stands on the canvas, of count + taps - 1 rows

  TransposedAxis(std::size_t extent, std::size_t kernel, std::size_t stride, std::size_t padding,
                 std::size_t a)
      : taps(a < kernel ? (kernel - a + stride - 1) / stride : 0),
        first((a + stride - padding % stride) % stride),
        count(first < extent ? (extent - first + stride - 1) / stride : 0),
        top(std::ptrdiff_t(taps) - 1 - std::ptrdiff_t((first + padding - a) / stride)) {}
};

// The weights for the part (a, b), flipped, with inputs and outputs exchanged:
// (kh, kw, c, o) -> (rows.taps, columns.taps, o, whole_lanes(c)).
template <class T>
Array<T> transposed_weight(const ConvGeometry& g, const T* weight, std::size_t a, std::size_t b,
                           const TransposedAxis& rows, const TransposedAxis& columns) {
  const std::size_t width = whole_lanes<T>(g.c);
  Array<T> transposed = zeros<T>({rows.taps, columns.taps, g.o, width});
  T* to = transposed.data();
  for (std::size_t t = rows.taps; t-- > 0;) {
    for (std::size_t u = columns.taps; u-- > 0; to += g.o * width) {
      const T* from = weight + ((a + g.stride * t) * g.kw + b + g.stride * u) * g.c * g.o;
      for (std::size_t c = 0; c < g.c; ++c) {
        for (std::size_t o = 0; o < g.o; ++o) to[o * width + c] = from[c * g.o + o];
      }
    }
  }
  return transposed;
}

}  // namespace tapesort::detail
