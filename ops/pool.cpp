#include "ops/pool.hpp"

#include <cmath>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
#include "engine/simd_sums.hpp"

namespace tapesort {
namespace {

using std::isnan;  // of a number; that of a register is found by its type

struct Windows {
  std::size_t n, h, w, c, oh, ow, window, stride;

  Windows(const char* op, const Shape& x, std::size_t window, std::size_t stride)
      : window(window), stride(stride) {
    require(x.size() == 4, op, ": x must be (N, H, W, C), its shape is ", x);
    require(window >= 1 && stride >= 1, op, ": window and stride must be >= 1, got ", window,
            " and ", stride);
    n = x[0], h = x[1], w = x[2], c = x[3];
    require(window <= h && window <= w, op, ": a window of ", window, " x ", window,
            " does not fit into x ", x);
    oh = (h - window) / stride + 1;
    ow = (w - window) / stride + 1;
  }

  Shape x_shape() const { return {n, h, w, c}; }
  Shape y_shape() const { return {n, oh, ow, c}; }

  // Calls f(positions of the window's first pixel in x and of its result in y) for every window,
  // image by image in parallel: windows of one image may overlap. Each is the first of c channels.
  template <class F> void for_each(const F& f) const {
    const std::size_t grain = 1 + (std::size_t{1} << 15) / (h * w * c + 1);
    parallel_each(n, grain, [&](std::size_t image) {
      for (std::size_t i = 0; i < oh; ++i) {
        for (std::size_t j = 0; j < ow; ++j) {
          f(((image * h + i * stride) * w + j * stride) * c, ((image * oh + i) * ow + j) * c);
        }
      }
    });
  }

  // f(first channel, zero) for all channels: a register of them at a time, the rest one by one.
  template <class T, class F> void for_channels(const F& f) const {
    std::size_t channel = 0;
    for (; channel + Lanes<T>::size <= c; channel += Lanes<T>::size) f(channel, Lanes<T>(T(0)));
    for (; channel < c; ++channel) f(channel, T(0));
  }

  // Calls f(distance from the window's first pixel) for its pixels, rows first.
  template <class F> void for_taps(const F& f) const {
    for (std::size_t k = 0; k < window; ++k) {
      for (std::size_t l = 0; l < window; ++l) f((k * w + l) * c);
    }
  }
};

}  // namespace

template <class T>
FirstOrder<T> max_pool2d(const Var<T>& x, std::size_t window, std::size_t stride) {
  const Windows win("max_pool2d", x.shape(), window, stride);
  Array<T> y = uninitialized<T>(win.y_shape());
  win.for_each([&win, xs = x.value().data(), ys = y.data()](std::size_t ix, std::size_t iy) {
    T* best = ys + iy;
    std::copy_n(xs + ix, win.c, best);
    win.for_taps([&](std::size_t tap) {
      const T* v = xs + ix + tap;
      for (std::size_t c = 0; c < win.c; ++c)
        best[c] = v[c] > best[c] || v[c] != v[c] ? v[c] : best[c];
    });
  });

  return record("max_pool2d", {x}, std::move(y), [win](Node<T>& y) {
    Array<T> xbar = zeros<T>(win.x_shape());
    const T *xs = y.input(0).value().data(), *ys = y.value().data(), *ybars = y.cotangent().data();
    win.for_each([=, &win, xbars = xbar.data()](std::size_t ix, std::size_t iy) {
      win.for_channels<T>([=, &win](std::size_t c, auto zero) {
        using V = decltype(zero);
        const V largest = simd::load_as<V>(ys + iy + c);
        // The first of equal pixels takes all, and leaves nothing to the others.
        V left = simd::load_as<V>(ybars + iy + c);
        win.for_taps([&](std::size_t tap) {
          const V v = simd::load_as<V>(xs + ix + c + tap);
          T* vbar = xbars + ix + c + tap;
          const decltype(v == largest) here = (v == largest) | isnan(v);
          simd::store(vbar, V(simd::load_as<V>(vbar) + simd::select(here, left, zero)));
          left = simd::select(here, zero, left);
        });
      });
    });
    accumulate(y.input(0), std::move(xbar));
  });
}

template <class T>
FirstOrder<T> avg_pool2d(const Var<T>& x, std::size_t window, std::size_t stride) {
  const Windows win("avg_pool2d", x.shape(), window, stride);
  const T share = T(1) / T(window * window);
  Array<T> y = uninitialized<T>(win.y_shape());
  win.for_each([&, xs = x.value().data(), ys = y.data()](std::size_t ix, std::size_t iy) {
    win.for_channels<T>([&](std::size_t c, auto zero) {
      auto total = zero;  // a sum of rows' sums, whose rounding errors are fewer
      for (std::size_t k = 0; k < window; ++k) {
        auto row = zero;
        for (std::size_t l = 0; l < window; ++l) {
          row += simd::load_as<decltype(zero)>(xs + ix + (k * win.w + l) * win.c + c);
        }
        total += row;
      }
      simd::store(ys + iy + c, decltype(zero)(total * share));
    });
  });

  return record("avg_pool2d", {x}, std::move(y), [win, share](Node<T>& y) {
    Array<T> xbar = zeros<T>(win.x_shape());
    const T* ybars = y.cotangent().data();
    win.for_each([&, xbars = xbar.data()](std::size_t ix, std::size_t iy) {
      win.for_taps([&](std::size_t tap) {
        for (std::size_t c = 0; c < win.c; ++c) xbars[ix + tap + c] += share * ybars[iy + c];
      });
    });
    accumulate(y.input(0), std::move(xbar));
  });
}

INSTANTIATE(max_pool2d)
INSTANTIATE(avg_pool2d)

}  // namespace tapesort
