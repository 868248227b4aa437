#include "ops/conv/relu_pool.hpp"

#include "engine/instantiate.hpp"
#include "engine/simd_sums.hpp"
#include "ops/conv/batch.hpp"
#include "ops/conv/sparse.hpp"

namespace tapesort {
namespace {

using namespace detail;

// Which pixel of each window was the largest: 2 * row + column.
using Corners = Array<std::uint8_t>;

// A convolution's geometry, and that of the pooled result.
struct Pooled : ConvGeometry {
  std::size_t ph, pw;
  explicit Pooled(const ConvGeometry& g) : ConvGeometry(g), ph(g.oh / 2), pw(g.ow / 2) {}
  Shape shape() const { return {n, ph, pw, o}; }
  std::size_t image_size() const { return ph * pw * o; }
};

// One window for each of n channels: max(a, b, c, d, 0), NaN counted as largest, and which it was.
// a, b, c, d and the scratch rows `largest` and `corner` have whole registers.
template <class T>
void pool_windows(const T* a, const T* b, const T* c, const T* d, std::size_t n, T* largest,
                  T* corner, T* y, std::uint8_t* corners) {
  for (std::size_t o = 0; o < whole_lanes<T>(n); ++o) {
    T best = a[o], which = 0;
    const auto challenge = [&](T v, T number) {
      const bool wins = (v > best) | (v != v);
      best = wins ? v : best;
      which = wins ? number : which;
    };
    challenge(b[o], 1);
    challenge(c[o], 2);
    challenge(d[o], 3);
    largest[o] = best < 0 ? T(0) : best;
    corner[o] = which;
  }
  std::copy_n(largest, n, y);
  for (std::size_t o = 0; o < n; ++o) corners[o] = static_cast<std::uint8_t>(corner[o]);
}

template <class T>
Array<T> forward(const Pooled& g, const Array<T>& x, const Array<T>& weight, const Array<T>& bias,
                 Corners& corners) {
  const CanvasConv<T> conv = canvas_conv<T>(g);
  const std::size_t width = conv.width();
  Array<T> y = uninitialized<T>(g.shape());
  const auto pool = [&](std::size_t n, const Block<T>& block, T* spare) {
    for (std::size_t k = 0; k < block.rows / 2; ++k) {
      for (std::size_t l = 0; l < block.columns / 2; ++l) {
        const T *upper = block.y + 2 * (k * block.row + l * width), *lower = upper + block.row;
        const std::size_t i = block.i / 2 + k, j = block.j / 2 + l;
        const std::size_t to = ((n * g.ph + i) * g.pw + j) * g.o;
        pool_windows(upper, upper + width, lower, lower + width, g.o, spare, spare + width,
                     y.data() + to, corners.data() + to);
      }
    }
  };
  convolve_blocks(conv, g.n, images_of(x), whole_lane_rows(weight.data(), g.kh * g.kw * g.c, g.o),
                  whole_lane_rows(bias.data(), 1, g.o), pool);
  return y;
}

// The result, its cotangent, and where it goes: what all gradients are made from.
template <class T> struct Backward {
  const Pooled& g;
  const Array<T>&y, &ybar;
  const Corners& corners;

  // Calls f(i, j, o, di, dj, value, alive) for every pooled element of image n; its cotangent
  // belongs to the convolution's pixel (2 i + di, 2 j + dj) when alive, and to none otherwise.
  template <class F>
  void for_elements(std::size_t n, std::size_t i_begin, std::size_t i_end, const F& f) const {
    // Numbers and pointers of this function's own, as f's stores could change all others.
    const std::size_t columns = g.pw, channels = g.o, begin = n * g.image_size();
    const T *values = y.data() + begin, *cotangents = ybar.data() + begin;
    const std::uint8_t* corner_of = corners.data() + begin;
    std::size_t at = i_begin * columns * channels;
    for (std::size_t i = i_begin; i < i_end; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        for (std::size_t o = 0; o < channels; ++o, ++at) {
          const std::size_t corner = corner_of[at];
          f(i, j, o, corner / 2, corner % 2, cotangents[at], !(values[at] <= 0));
        }
      }
    }
  }

  // The cotangent of the convolution, image by image.
  Images<T> dense() const {
    return [this](std::size_t n, T* image) -> const T* {
      std::fill_n(image, g.oh * g.ow * g.o, T(0));
      for_elements(n, 0, g.ph, [&](auto i, auto j, auto o, auto di, auto dj, T value, bool alive) {
        image[((2 * i + di) * g.ow + 2 * j + dj) * g.o + o] = alive ? value : T(0);
      });
      return image;
    };
  }

  Array<T> bias_gradient() const {
    const auto add = [&](std::size_t begin, std::size_t end, Wide<T>* sum) {
      for (std::size_t n = begin; n < end; ++n) {
        for_elements(n, 0, g.ph, [=](auto, auto, auto o, auto, auto, T value, bool alive) {
          sum[o] += alive ? value : T(0);
        });
      }
    };
    return convert<T>(sum_over_images<Wide<T>>(g.n, 1, g.o, {g.o}, add));
  }

  Array<T> weight_gradient(const Array<T>& x) const {
    if (!sparse_applies<T>(g)) return detail::weight_gradient(g, x, dense());
    const Canvas<T> canvas = canvas_conv<T>(g).canvas;
    const std::size_t c = g.c, canvas_width = canvas.w;
    const std::size_t row = canvas_width * c, width = whole_lanes<T>(g.kw * c);
    // As many rows of windows at a time as the first-level cache can hold the pixels of.
    const std::size_t fitting = (std::size_t{28} << 10) / (row * sizeof(T));
    const std::size_t band = fitting < g.kh + 1 ? 1 : (fitting - g.kh + 1) / 2;
    const std::size_t room = band * g.pw;
    // Registers of sums are taken from a row of the kernel's taps, or, where that is just one, from all
    // rows together.
    const bool narrow = width == Lanes<T>::size;
    const std::size_t lines = narrow ? 1 : g.kh, per_line = narrow ? g.kh : width / Lanes<T>::size;
    const std::size_t step = narrow ? row : Lanes<T>::size;

    // (o, kh, kw, c) -> (kh, kw, c, o)
    const auto add = [&](std::size_t begin, std::size_t end, T* sum) {
      Array<T> drawn = canvas.clear(Lanes<T>::size);
      Array<Nonzero<T>> elements = uninitialized<Nonzero<T>>({g.o, room});
      Indices counts = uninitialized<Index>({g.o});
      for (std::size_t n = begin; n < end; ++n) {
        canvas.draw(x.data() + n * canvas.image_size(), drawn.data());
        for (std::size_t i = 0; i < g.ph; i += band) {
          counts.fill(0);
          for_elements(n, i, std::min(i + band, g.ph),
                       [=, elements = elements.data(), counts = counts.data()](
                           auto i, auto j, auto o, auto di, auto dj, T value, bool alive) {
                         const std::size_t pixel = (2 * i + di) * canvas_width + 2 * j + dj;
                         elements[o * room + counts[o]] = {value, std::uint32_t(pixel * c)};
                         counts[o] += alive;
                       });
          for (std::size_t o = 0; o < g.o; ++o) {
            for (std::size_t k = 0; k < lines; ++k) {
              for_blocks(per_line, widest_block, [&](std::size_t first, std::size_t registers) {
                add_nonzeros(elements.data() + o * room, std::size_t(counts.data()[o]),
                             drawn.data() + k * row + first * step, step, registers,
                             sum + (o * g.kh + k) * width + first * Lanes<T>::size);
              });
            }
          }
        }
      }
    };
    const Array<T> sum = sum_over_images<T>(g.n, g.o * g.kh, width, {g.o, g.kh, g.kw * g.c}, add);
    Array<T> wbar = uninitialized<T>(g.weight_shape());
    const std::size_t taps = g.kh * g.kw * g.c;
    for (std::size_t t = 0; t < taps; ++t) {
      for (std::size_t o = 0; o < g.o; ++o) wbar.data()[t * g.o + o] = sum.data()[o * taps + t];
    }
    return wbar;
  }

  // (kh, o, line): as weight_line says.
  Array<T> weight_by_output(const Array<T>& weight) const {
    const std::size_t line = weight_line<T>(g), row = g.kw * g.c;
    Array<T> w = zeros<T>({g.kh, g.o, line});
    const T* from = weight.data();
    for (std::size_t k = 0; k < g.kh; ++k) {
      for (std::size_t l = 0; l < row; ++l) {
        T* to = w.data() + k * g.o * line + g.c + l;
        for (std::size_t o = 0; o < g.o; ++o) to[o * line] = *from++;
      }
    }
    return w;
  }

  Array<T> input_gradient(const Array<T>& weight) const {
    if (!sparse_applies<T>(g)) return detail::input_gradient(g, weight, dense());
    const std::size_t width = g.w + 2 * g.padding, height = g.h + 2 * g.padding;
    const std::size_t line = weight_line<T>(g), c = g.c, row_size = width * c;
    const std::size_t columns = g.pw, channels = g.o, line_registers = (line - c) / Lanes<T>::size;
    // So few registers at a time that their weights, of all outputs, stay in the first-level cache.
    const std::size_t fitting = (std::size_t{28} << 10) / (g.o * Lanes<T>::size * sizeof(T) + 1);
    const std::size_t block = std::clamp<std::size_t>(fitting, 1, widest_block);
    const Array<T> w = weight_by_output(weight);
    Array<T> xbar = uninitialized<T>(g.x_shape());
    parallel_for(g.n, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      // xbar with its border, and room for a register's end
      Array<T> canvas = uninitialized<T>({height * row_size + Lanes<T>::size});
      // For every row of the convolution and pair of its pixels, the elements there.
      Array<Nonzero<T>> elements = uninitialized<Nonzero<T>>({2 * g.ph, g.pw, g.o});
      Indices counts = uninitialized<Index>({2 * g.ph, g.pw});
      for (std::size_t n = begin; n < end; ++n) {
        counts.fill(0);
        for_elements(n, 0, g.ph,
                     [=, elements = elements.data(), counts = counts.data()](
                         auto i, auto j, auto o, auto di, auto dj, T value, bool alive) {
                       const std::size_t pair = (2 * i + di) * columns + j;
                       const std::size_t offset = o * line + (dj == 0 ? c : 0);
                       elements[pair * channels + counts[pair]] = {value, std::uint32_t(offset)};
                       counts[pair] += alive;
                     });
        canvas.fill(T(0));
        for (std::size_t k = 0; k < g.kh; ++k) {
          for_blocks(line_registers, block, [&](std::size_t first, std::size_t registers) {
            const T* weights = w.data() + k * g.o * line + first * Lanes<T>::size;
            for (std::size_t row = 0; row < 2 * g.ph; ++row) {
              T* to = canvas.data() + (row + k) * row_size + first * Lanes<T>::size;
              for (std::size_t j = 0; j < g.pw; ++j) {
                const std::size_t pair = row * g.pw + j;
                add_nonzeros(elements.data() + pair * g.o, std::size_t(counts.data()[pair]),
                             weights, Lanes<T>::size, registers, to + 2 * j * g.c);
              }
            }
          });
        }
        for (std::size_t i = 0; i < g.h; ++i) {
          std::copy_n(canvas.data() + (i + g.padding) * row_size + g.padding * g.c, g.w * g.c,
                      xbar.data() + (n * g.h + i) * g.w * g.c);
        }
      }
    });
    return xbar;
  }

  // Calls f(first, how many) for all registers of a line, in blocks of about the same size.
  template <class F> static void for_blocks(std::size_t registers, std::size_t most, const F& f) {
    const std::size_t blocks = (registers + most - 1) / most;
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t first = b * registers / blocks;
      f(first, (b + 1) * registers / blocks - first);
    }
  }
};

}  // namespace

template <class T>
FirstOrder<T> conv2d_relu_pool(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                               const Conv2dOptions& options) {
  const char* op = "conv2d_relu_pool";
  const Pooled g(ConvGeometry(op, x.shape(), weight.shape(), bias.shape(), options));
  require(g.ph >= 1 && g.pw >= 1, op, ": the convolution of x ", x.shape(), " gives (", g.oh, ", ",
          g.ow, ") pixels; need at least 2 x 2 to pool");
  Corners corners = uninitialized<std::uint8_t>(g.shape());
  Array<T> y = forward(g, x.value(), weight.value(), bias.value(), corners);
  return record(op, {x, weight, bias}, std::move(y), [g, corners = std::move(corners)](Node<T>& y) {
    const Backward<T> backward{g, y.value(), y.cotangent(), corners};
    const Var<T>&x = y.input(0), weight = y.input(1), bias = y.input(2);
    if (x.needs_grad()) accumulate(x, backward.input_gradient(weight.value()));
    if (weight.needs_grad()) accumulate(weight, backward.weight_gradient(x.value()));
    if (bias.needs_grad()) accumulate(bias, backward.bias_gradient());
  });
}

INSTANTIATE(conv2d_relu_pool)

}  // namespace tapesort
