// A convolution and its two transposes, of one image and of a batch: section 1 of README.md. They are
// made of sum_terms, which asks for images with their border of zeros already around them, and for
// channels of the result in whole registers.
//
// The threads share the images. Each works on one image at a time, in scratch memory that fits its
// cache, and has a weight gradient of its own; these are added up in the threads' order.
#pragma once

#include <functional>
#include <optional>

#include "engine/parallel.hpp"
#include "ops/conv/geometry.hpp"
#include "ops/conv/winograd.hpp"
#include "ops/tile.hpp"

namespace tapesort::detail {

// Row i of y, its pixels `pixel` apart, of conv.width() channels:
//   row[j, o] = bias[o] + sum_klc drawn[s i + k, s j + l, c] weight[k, l, c, o]
template <class T>
void convolve_row(const CanvasConv<T>& conv, const T* drawn, const T* weight, const T* bias,
                  std::size_t i, T* row, std::size_t pixel) {
  const std::size_t c = conv.canvas.channels, line = conv.canvas.w * c, width = conv.width();
  const std::size_t taps = conv.kw * c;  // of one kernel row: side by side in image and weight
  const Terms<T> terms{{drawn + i * conv.stride * line, 1, line, conv.stride * c},
                       {weight, width, taps * width},
                       taps,
                       conv.kh};
  sum_terms(terms, conv.ow, width, bias, 0, row, pixel);
}

// wbar[k, l, c, o] += sum_ij drawn[s i + k, s j + l, c] ybar[i, j, o], conv.width() channels o.
template <class T>
void add_weight_gradient(const CanvasConv<T>& conv, const T* drawn, const T* ybar, T* wbar) {
  const std::size_t c = conv.canvas.channels, line = conv.canvas.w * c, width = conv.width();
  const std::size_t taps = conv.kw * c, row = conv.ow * width;
  // A few rows at a time: they stay in the first-level cache while all of wbar passes by.
  const std::size_t band = std::max<std::size_t>(1, 112 / conv.ow);
  for (std::size_t i = 0; i < conv.oh; i += band) {
    for (std::size_t k = 0; k < conv.kh; ++k) {
      const Terms<T> terms{
          {drawn + (i * conv.stride + k) * line, conv.stride * c, conv.stride * line, 1},
          {ybar + i * row, width, row},
          conv.ow,
          std::min(band, conv.oh - i)};
      T* w = wbar + k * taps * width;
      sum_terms(terms, taps, width, w, width, w, width);
    }
  }
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

// Where to find image n: in memory, or drawn into scratch memory of one image's size.
template <class T> using Images = std::function<const T*(std::size_t n, T* scratch)>;

template <class T> Images<T> images_of(const Array<T>& batch) {
  const std::size_t size = batch.shape()[0] == 0 ? 0 : batch.size() / batch.shape()[0];
  return [first = batch.data(), size](std::size_t n, T*) { return first + n * size; };
}

// The sum over n images of what add(begin, end, sum) adds to `sum`, (rows, width), for a thread's images
// begin .. end - 1, as an array of `shape` without the columns beyond it. Sums over more images than
// `few` are kept in double.
template <class T, class Add>
Array<T> sum_over_images(std::size_t n, std::size_t rows, std::size_t width, const Shape& shape,
                         const Add& add) {
  constexpr std::size_t few = 64;
  Array<Wide<T>> parts = zeros<Wide<T>>({parallel_parts(n, 1), rows, width});
  parallel_for(n, 1, [&](std::size_t begin, std::size_t end, std::size_t part) {
    Wide<T>* total = parts.data() + part * rows * width;
    for (; begin < end; begin += few) {
      Array<T> sum = zeros<T>({rows * width});
      add(begin, std::min(begin + few, end), sum.data());
      for (std::size_t i = 0; i < sum.size(); ++i) total[i] += sum.data()[i];
    }
  });
  Array<Wide<T>> sum = zeros<Wide<T>>(shape);
  const std::size_t columns = shape.back();
  for (std::size_t r = 0; r < parts.size() / width; ++r) {  // part by part
    const Wide<T>* from = parts.data() + r * width;
    Wide<T>* to = sum.data() + r % rows * columns;
    for (std::size_t c = 0; c < columns; ++c) to[c] += from[c];
  }
  return convert<T>(sum);
}

// Convolves n images of x, drawn on the canvas, and calls f(image, block, spare) until every pixel of each
// was in a block. Weight and bias have conv.width() channels; a thread's `spare` has room for two pixels.
template <class T, class F>
void convolve_blocks(CanvasConv<T> conv, std::size_t n, const Images<T>& x, Array<T> weight,
                     const Array<T>& bias, const F& f) {
  const std::size_t width = conv.width(), row = conv.ow * width, size = conv.canvas.image_size();
  std::optional<Winograd<T>> winograd;
  if (Winograd<T>::applies(conv)) {
    winograd.emplace(conv);
    conv.canvas = winograd->canvas();
    weight = winograd->transform_weight(weight.data());
  }
  parallel_for(n, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    Array<T> drawn = conv.canvas.clear(Lanes<T>::size), from = uninitialized<T>({size});
    Array<T> scratch = uninitialized<T>({winograd ? winograd->scratch_size() : 2 * row});
    Array<T> spare = uninitialized<T>({2, width});
    for (std::size_t image = begin; image < end; ++image) {
      conv.canvas.draw(x(image, from.data()), drawn.data());
      const auto give = [&](const Block<T>& block) { f(image, block, spare.data()); };
      if (winograd) {
        winograd->convolve(drawn.data(), weight.data(), bias.data(), scratch.data(), give);
        continue;
      }
      for (std::size_t i = 0; i < conv.oh; i += 2) {
        const std::size_t rows = std::min<std::size_t>(2, conv.oh - i);
        for (std::size_t k = 0; k < rows; ++k) {
          convolve_row(conv, drawn.data(), weight.data(), bias.data(), i + k,
                       scratch.data() + k * row, width);
        }
        give({i, 0, rows, conv.ow, scratch.data(), row});
      }
    }
  });
}

// Where results go: y's images, rows and pixels, by the distances between them.
template <class T> struct Placement {
  T* first;
  std::size_t image, row, pixel;
};

// The convolved images as they are.
template <class T>
void convolve(const CanvasConv<T>& conv, std::size_t n, const Images<T>& x, Array<T> weight,
              const Array<T>& bias, const Placement<T>& y) {
  const std::size_t width = conv.width(), o = conv.o;
  const auto copy = [&](std::size_t image, const Block<T>& block, T*) {
    for (std::size_t k = 0; k < block.rows; ++k) {
      const T* row = block.y + k * block.row;
      T* to = y.first + image * y.image + (block.i + k) * y.row + block.j * y.pixel;
      const bool dense = width == o && y.pixel == o;  // without a gap: in one piece
      const std::size_t pieces = dense ? 1 : block.columns, piece = dense ? block.columns * o : o;
      for (std::size_t l = 0; l < pieces; ++l) {
        std::copy_n(row + l * width, piece, to + l * y.pixel);
      }
    }
  };
  convolve_blocks(conv, n, x, std::move(weight), bias, copy);
}

template <class T>
Array<T> convolve_forward(const ConvGeometry& g, const Array<T>& x, const Array<T>& weight,
                          const Array<T>& bias) {
  Array<T> y = uninitialized<T>(g.y_shape());
  convolve(canvas_conv<T>(g), g.n, images_of(x),
           whole_lane_rows(weight.data(), g.kh * g.kw * g.c, g.o),
           whole_lane_rows(bias.data(), 1, g.o),
           Placement<T>{y.data(), g.oh * g.ow * g.o, g.ow * g.o, g.o});
  return y;
}

template <class T>
Array<T> input_gradient(const ConvGeometry& g, const Array<T>& weight, const Images<T>& ybar) {
  const std::size_t s = g.stride, row = g.w * g.c;
  // A pixel that no tap reaches stays zero.
  Array<T> xbar = s <= std::min(g.kh, g.kw) ? uninitialized<T>(g.x_shape()) : zeros<T>(g.x_shape());
  for (std::size_t a = 0; a < std::min(s, g.kh); ++a) {
    for (std::size_t b = 0; b < std::min(s, g.kw); ++b) {
      const TransposedAxis rows(g.h, g.kh, s, g.padding, a), columns(g.w, g.kw, s, g.padding, b);
      if (rows.count == 0 || columns.count == 0) continue;
      const Canvas<T> canvas{rows.count + rows.taps - 1,
                             columns.count + columns.taps - 1,
                             g.o,
                             g.oh,
                             g.ow,
                             rows.top,
                             columns.top};
      const CanvasConv<T> conv{canvas,        rows.taps, columns.taps, g.c, rows.count,
                               columns.count, 1,         true};
      T* first = xbar.data() + rows.first * row + columns.first * g.c;
      convolve(conv, g.n, ybar, transposed_weight(g, weight.data(), a, b, rows, columns),
               zeros<T>({conv.width()}), Placement<T>{first, g.h * row, s * row, s * g.c});
    }
  }
  return xbar;
}

template <class T>
Array<T> weight_gradient(const ConvGeometry& g, const Array<T>& x, const Images<T>& ybar) {
  CanvasConv<T> conv = canvas_conv<T>(g);
  conv.transposed = true;
  std::optional<Winograd<T>> winograd;
  if (Winograd<T>::applies(conv)) winograd.emplace(conv);
  const Canvas<T>& canvas = winograd ? winograd->canvas() : conv.canvas;
  const std::size_t pixels = g.oh * g.ow, width = conv.width();
  const auto add = [&](std::size_t begin, std::size_t end, T* sum) {
    Array<T> drawn = canvas.clear(Lanes<T>::size), from = uninitialized<T>({pixels * g.o});
    Array<T> filled = uninitialized<T>({width == g.o ? 0 : pixels * width});
    Array<T> scratch = uninitialized<T>({winograd ? winograd->scratch_size() : 0});
    for (std::size_t n = begin; n < end; ++n) {
      canvas.draw(x.data() + n * canvas.image_size(), drawn.data());
      const T* cotangent = ybar(n, from.data());
      if (width != g.o) {
        fill_lanes(cotangent, pixels, g.o, filled.data());
        cotangent = filled.data();
      }
      if (winograd) {
        winograd->add_weight_gradient(drawn.data(), cotangent, sum, scratch.data());
      } else {
        add_weight_gradient(conv, drawn.data(), cotangent, sum);
      }
    }
  };
  const std::size_t taps = g.kh * g.kw * g.c;
  if (!winograd) return sum_over_images<T>(g.n, taps, width, g.weight_shape(), add);
  const std::size_t rows = Winograd<T>::products * g.c;
  const Array<T> vbar = sum_over_images<T>(g.n, rows, width, {rows, width}, add);
  const Array<T> filled = winograd->transform_weight_back(vbar.data());
  Array<T> wbar = uninitialized<T>(g.weight_shape());
  for (std::size_t t = 0; t < taps; ++t) {
    std::copy_n(filled.data() + t * width, g.o, wbar.data() + t * g.o);
  }
  return wbar;
}

}  // namespace tapesort::detail
