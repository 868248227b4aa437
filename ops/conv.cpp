#include "ops/conv.hpp"

#include "engine/parallel.hpp"
#include "ops/conv_geometry.hpp"

namespace tapesort {
namespace {

// y += the convolution of one image; y holds the bias.
template <class T>
void forward_image(const ConvGeometry& g, const T* x, const T* weight, T* y) {
  for (std::size_t i = 0; i < g.oh; ++i) {
    for (std::size_t j = 0; j < g.ow; ++j, y += g.o) {
      for (std::size_t k = 0; k < g.kh; ++k) {
        for (std::size_t l = 0; l < g.kw; ++l) {
          const std::size_t row = i * g.stride + k - g.padding, col = j * g.stride + l - g.padding;
          if (row >= g.h || col >= g.w) continue;
          const T* pixel = x + (row * g.w + col) * g.c;
          const T* w = weight + (k * g.kw + l) * g.c * g.o;
          for (std::size_t c = 0; c < g.c; ++c, w += g.o) {
            for (std::size_t o = 0; o < g.o; ++o) y[o] += pixel[c] * w[o];
          }
        }
      }
    }
  }
}

// xbar and wbar (either may be null) += those of one image.
template <class T>
void backward_image(const ConvGeometry& g, const T* x, const T* weight, const T* ybar, T* xbar,
                    T* wbar) {
  for (std::size_t i = 0; i < g.oh; ++i) {
    for (std::size_t j = 0; j < g.ow; ++j, ybar += g.o) {
      for (std::size_t k = 0; k < g.kh; ++k) {
        for (std::size_t l = 0; l < g.kw; ++l) {
          const std::size_t row = i * g.stride + k - g.padding, col = j * g.stride + l - g.padding;
          if (row >= g.h || col >= g.w) continue;
          const std::size_t pixel = (row * g.w + col) * g.c, tap = (k * g.kw + l) * g.c * g.o;
          for (std::size_t c = 0; c < g.c; ++c) {
            if (xbar) {
              T sum = 0;
              for (std::size_t o = 0; o < g.o; ++o) sum += ybar[o] * weight[tap + c * g.o + o];
              xbar[pixel + c] += sum;
            }
            if (wbar) {
              for (std::size_t o = 0; o < g.o; ++o) {
                wbar[tap + c * g.o + o] += ybar[o] * x[pixel + c];
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace

Conv2dOptions Conv2dOptions::same(std::size_t kernel) {
  require(kernel % 2 == 1, "Conv2dOptions::same: the kernel must be odd, got ", kernel);
  return {1, kernel / 2};
}

template <class T>
Var<T> conv2d(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
              const Conv2dOptions& options) {
  const ConvGeometry g("conv2d", x.shape(), weight.shape(), bias.shape(), options);
  Array<T> y = uninitialized<T>(g.y_shape());
  const T *xs = x.value().data(), *ws = weight.value().data(), *b = bias.value().data();
  parallel_for(g.n, 1, [&, ys = y.data()](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t n = begin; n < end; ++n) {
      T* image = ys + n * g.oh * g.ow * g.o;
      for (std::size_t p = 0; p < g.oh * g.ow; ++p) std::copy_n(b, g.o, image + p * g.o);
      forward_image(g, xs + n * g.h * g.w * g.c, ws, image);
    }
  });

  return record("conv2d", {x, weight, bias}, std::move(y), [g](Node<T>& y) {
    const Var<T>&x = y.input(0), weight = y.input(1);
    Array<T> xbar = x.needs_grad() ? zeros<T>(g.x_shape()) : Array<T>();
    const Shape w_shape = g.weight_shape();
    // One weight gradient for each part, summed in the order of the parts.
    const Shape parts_shape{parallel_parts(g.n, 1), w_shape[0], w_shape[1], w_shape[2], w_shape[3]};
    Array<T> wbar = weight.needs_grad() ? zeros<T>(parts_shape) : Array<T>();
    const T *xs = x.value().data(), *ws = weight.value().data(), *ybar = y.cotangent().data();
    T* xbars = x.needs_grad() ? xbar.data() : nullptr;
    T* wbars = weight.needs_grad() ? wbar.data() : nullptr;
    parallel_for(g.n, 1, [&](std::size_t begin, std::size_t end, std::size_t part) {
      for (std::size_t n = begin; n < end; ++n) {
        const std::size_t at = n * g.h * g.w * g.c;
        backward_image(g, xs + at, ws, ybar + n * g.oh * g.ow * g.o, xbars ? xbars + at : nullptr,
                       wbars ? wbars + part * weight.size() : nullptr);
      }
    });
    if (xbars) accumulate(x, std::move(xbar));
    if (wbars) accumulate(weight, std::move(wbar));
    accumulate(y.input(2), with_shape(y.take_cotangent(), {g.n * g.oh * g.ow, g.o}));
  });
}

#define INSTANTIATE(T) \
  template Var<T> conv2d(const Var<T>&, const Var<T>&, const Var<T>&, const Conv2dOptions&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
