// A convolution and its two transposes, of a batch of images.
//
//   y     = x * w       convolve, from x with its border of zeros
//   xbar  = ybar * w'   convolve again: at stride 1 the transpose of a convolution is the one with
//                       the weights flipped and their channels exchanged; at stride s it falls into
//                       s x s of these, each for every s-th row and column of x (TransposedAxis)
//   wbar  = x' * ybar   the same sums, over pixels instead of taps
//
// The threads share the images. Each works on one image at a time, in scratch memory that fits its
// cache, and has a weight gradient of its own; these are added up in the threads' order.
#pragma once

#include <functional>

#include "engine/parallel.hpp"
#include "engine/simd_sums.hpp"
#include "ops/conv/image.hpp"
#include "ops/conv/winograd.hpp"

namespace tapesort::detail {

// Where to find image n: in memory, or drawn into scratch memory of one image's size.
template <class T> using Images = std::function<const T*(std::size_t n, T* scratch)>;

template <class T> Images<T> images_of(const Array<T>& batch) {
  const std::size_t size = batch.shape()[0] == 0 ? 0 : batch.size() / batch.shape()[0];
  return [first = batch.data(), size](std::size_t n, T*) { return first + n * size; };
}

// The sum over n images of what add(image, sum) adds to `sum`, (rows, width), as an array of `shape`
// without the columns beyond it. make_add() makes one `add` a thread, which owns its scratch memory;
// the threads' sums are added up in the threads' order.
template <class T, class MakeAdd>
Array<T> sum_over_images(std::size_t n, std::size_t rows, std::size_t width, const Shape& shape,
                         const MakeAdd& make_add) {
  Array<T> parts = zeros<T>({parallel_parts(n, 1), rows, width});
  parallel_for(n, 1, [&](std::size_t begin, std::size_t end, std::size_t part) {
    auto add = make_add();
    for (std::size_t i = begin; i < end; ++i) add(i, parts.data() + part * rows * width);
  });
  return sum_parts(parts, shape);
}

// Where results go: y's images, rows and pixels, by the distances between them.
template <class T> struct Placement {
  T* first;
  std::size_t image, row, pixel;
};

// n images of out_h rows from those of x, drawn on the canvas. Weight and bias come in whole lanes,
// conv.o columns, of which `channels` are wanted.
template <class T>
void convolve(const ImageConv& conv, std::size_t n, std::size_t out_h, std::size_t channels,
              const Canvas<T>& canvas, const Images<T>& x, const Array<T>& weight,
              const Array<T>& bias, const Placement<T>& y) {
  if (Winograd<T>::applies(conv.kh, conv.kw, conv.stride, conv.c, channels, out_h,
                           conv.out_width)) {
    const Winograd<T> winograd(canvas, channels, out_h, conv.out_width);
    Array<T> v = uninitialized<T>({Winograd<T>::products, conv.c, channels});
    winograd.transform_weight(weight.data(), v.data());
    parallel_for(n, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      Array<T> from = uninitialized<T>({canvas.image_size()});
      Array<T> scratch = uninitialized<T>({winograd.scratch_size()});
      for (std::size_t image = begin; image < end; ++image) {
        winograd.convolve(x(image, from.data()), v.data(), bias.data(), y.first + image * y.image,
                          y.row, y.pixel, scratch.data());
      }
    });
    return;
  }
  parallel_for(n, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    Array<T> drawn = canvas.clear(), scratch = uninitialized<T>({canvas.image_size()});
    Array<T> row = uninitialized<T>({conv.out_width, conv.o});
    for (std::size_t image = begin; image < end; ++image) {
      canvas.draw(x(image, scratch.data()), drawn.data());
      for (std::size_t i = 0; i < out_h; ++i) {
        T* to = y.first + image * y.image + i * y.row;
        if (channels == conv.o) {
          convolve_row(conv, drawn.data(), weight.data(), bias.data(), i, to, y.pixel);
          continue;
        }
        convolve_row(conv, drawn.data(), weight.data(), bias.data(), i, row.data(), conv.o);
        for (std::size_t j = 0; j < conv.out_width; ++j) {
          std::copy_n(row.data() + j * conv.o, channels, to + j * y.pixel);
        }
      }
    }
  });
}

template <class T>
Array<T> convolve_forward(const ConvGeometry& g, const Array<T>& x, const Array<T>& weight,
                          const Array<T>& bias) {
  const Canvas<T> canvas = x_canvas<T>(g);
  const ImageConv conv = image_conv<T>(g);
  Array<T> y = uninitialized<T>(g.y_shape());
  convolve(conv, g.n, g.oh, g.o, canvas, images_of(x),
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
      const ImageConv conv{canvas.w,      g.o, rows.taps, columns.taps, whole_lanes<T>(g.c),
                           columns.count, 1};
      T* first = xbar.data() + rows.first * row + columns.first * g.c;
      convolve(conv, g.n, rows.count, g.c, canvas, ybar,
               transposed_weight(g, weight.data(), a, b, rows, columns), zeros<T>({conv.o}),
               Placement<T>{first, g.h * row, s * row, s * g.c});
    }
  }
  return xbar;
}

template <class T>
Array<T> weight_gradient(const ConvGeometry& g, const Array<T>& x, const Images<T>& ybar) {
  const Canvas<T> canvas = x_canvas<T>(g);
  const std::size_t pixels = g.oh * g.ow;
  if (Winograd<T>::applies(g.kh, g.kw, g.stride, g.c, g.o, g.oh, g.ow)) {
    const Winograd<T> winograd(canvas, g.o, g.oh, g.ow);
    const std::size_t rows = Winograd<T>::products * g.c;
    const Array<T> vbar = sum_over_images<T>(g.n, rows, g.o, {rows, g.o}, [&] {
      return
          [&, from = uninitialized<T>({pixels * g.o}),
           scratch = uninitialized<T>({winograd.scratch_size()})](std::size_t n, T* sum) mutable {
            winograd.add_weight_gradient(x.data() + n * canvas.image_size(), ybar(n, from.data()),
                                         sum, scratch.data());
          };
    });
    Array<T> wbar = uninitialized<T>(g.weight_shape());
    winograd.transform_weight_back(vbar.data(), wbar.data());
    return wbar;
  }
  const ImageConv conv = image_conv<T>(g);
  return sum_over_images<T>(g.n, g.kh * g.kw * g.c, conv.o, g.weight_shape(), [&] {
    return [&, drawn = canvas.clear(), from = uninitialized<T>({pixels * g.o}),
            filled = uninitialized<T>({conv.o == g.o ? 0 : pixels * conv.o})](std::size_t n,
                                                                              T* sum) mutable {
      canvas.draw(x.data() + n * canvas.image_size(), drawn.data());
      const T* cotangent = ybar(n, from.data());
      if (conv.o != g.o) {
        fill_lanes(cotangent, pixels, g.o, filled.data());
        cotangent = filled.data();
      }
      add_weight_gradient(conv, drawn.data(), cotangent, g.oh, sum);
    };
  });
}

template <class T> Array<T> bias_gradient(const ConvGeometry& g, const Array<T>& ybar) {
  const std::size_t pixels = g.oh * g.ow;
  return sum_over_images<T>(g.n, 1, g.o, {g.o}, [&] {
    return [&, partial = uninitialized<T>({g.o})](std::size_t n, T* sum) mutable {
      add_pixels(ybar.data() + n * pixels * g.o, pixels, g.o, partial.data(), sum);
    };
  });
}

}  // namespace tapesort::detail
