#include "ops/conv/winograd.hpp"

#include <algorithm>

#include "engine/instantiate.hpp"
#include "ops/conv/winograd_maps.hpp"
#include "ops/tile.hpp"

namespace tapesort::detail {
namespace {

// A map along both axes: of the N x N numbers load(i, j) to M x M numbers, for store(i, j, number).
// Inlined, or all these numbers would go through memory.
template <class V, std::size_t N, std::size_t M, class Load, class Store>
[[gnu::always_inline]] inline void both_ways(WinogradLine<V, M> (*map)(const WinogradLine<V, N>&),
                                             const Load& load, const Store& store) {
  std::array<WinogradLine<V, N>, M> half;
#pragma GCC unroll 6
  for (std::size_t j = 0; j < N; ++j) {
    WinogradLine<V, N> column;
#pragma GCC unroll 6
    for (std::size_t i = 0; i < N; ++i) column[i] = load(i, j);
    const WinogradLine<V, M> mapped = map(column);
#pragma GCC unroll 6
    for (std::size_t i = 0; i < M; ++i) half[i][j] = mapped[i];
  }
#pragma GCC unroll 6
  for (std::size_t i = 0; i < M; ++i) {
    const WinogradLine<V, M> mapped = map(half[i]);
#pragma GCC unroll 6
    for (std::size_t j = 0; j < M; ++j) store(i, j, mapped[j]);
  }
}

// Of N x N planes of `size` numbers to M x M planes.
template <class T, std::size_t N, std::size_t M>
void transform_planes(WinogradLine<Lanes<T>, M> (*map)(const WinogradLine<Lanes<T>, N>&),
                      const T* from, T* to, std::size_t size) {
  for (std::size_t at = 0; at < size; at += Lanes<T>::size) {
    both_ways(
        map, [=](auto i, auto j) { return simd::load(from + (N * i + j) * size + at); },
        [=](auto i, auto j, const Lanes<T>& sum) {
          simd::store(to + (M * i + j) * size + at, sum);
        });
  }
}

}  // namespace

template <class T> void Winograd<T>::transform_weight(const T* w, T* v) const {
  transform_planes(WinogradMaps<T>::weight_sums, w, v, c_ * o_);
}

template <class T> void Winograd<T>::transform_weight_back(const T* vbar, T* wbar) const {
  transform_planes(WinogradMaps<T>::weight_sums_back, vbar, wbar, c_ * o_);
}

template <class T>
void Winograd<T>::transform_image(const T* image, std::size_t begin, std::size_t end, T* u) const {
  using V = Lanes<T>;
  const std::size_t h = canvas_.image_h, w = canvas_.image_w;
  const std::size_t plane = (end - begin) * tiles_across() * c_;
  for (std::size_t ti = begin; ti < end; ++ti) {
    for (std::size_t tj = 0; tj < tiles_across(); ++tj, u += c_) {
      // Where the tile's inputs begin in the image; in the border these wrap around to be large.
      const std::size_t top = tile * ti - std::size_t(canvas_.top),
                        left = tile * tj - std::size_t(canvas_.left);
      const bool inside = top < h && h - top >= inputs && left < w && w - left >= inputs;
      for (std::size_t c = 0; c < c_; c += V::size) {
        const auto at = [=](auto i, auto j) {
          return V::load_unaligned(image + ((top + i) * w + left + j) * c_ + c);
        };
        const auto at_border = [=](auto i, auto j) {
          return top + i < h && left + j < w ? at(i, j) : V(T(0));
        };
        const auto store = [=](auto i, auto j, const V& sum) {
          sum.store_unaligned(u + (inputs * i + j) * plane + c);
        };
        // The image comes from memory, and in steps that no CPU foresees: ask for the part of the
        // tile below, or of the next image, that no other tile will have asked for.
        for (std::size_t k = 0; k < 16; ++k) {
          __builtin_prefetch(image + ((top + inputs + k / 4) * w + left + 1 + k % 4) * c_ + c);
        }
        if (inside) {
          both_ways(WinogradMaps<T>::image_sums, at, store);
        } else {
          both_ways(WinogradMaps<T>::image_sums, at_border, store);
        }
      }
    }
  }
}

template <class T>
void Winograd<T>::convolve(const T* image, const T* v, const T* bias, T* y, std::size_t row,
                           std::size_t pixel, T* scratch) const {
  using V = Lanes<T>;
  T *u = scratch, *m = scratch + products * strip_tiles() * c_;
  for (std::size_t begin = 0; begin < tiles_down(); begin += strip_rows()) {
    const std::size_t end = std::min(begin + strip_rows(), tiles_down());
    const std::size_t tiles = (end - begin) * tiles_across(), plane = tiles * o_;
    transform_image(image, begin, end, u);
    for (std::size_t k = 0; k < products; ++k) {
      const Terms<T> product{{u + k * tiles * c_, 1, 0, c_}, {v + k * c_ * o_, o_, 0}, c_, 1};
      sum_terms<T>(product, tiles, o_, nullptr, 0, m + k * plane, o_);
    }
    const T* from = m;
    for (std::size_t ti = begin; ti < end; ++ti) {
      for (std::size_t tj = 0; tj < tiles_across(); ++tj, from += o_) {
        T* to = y + tile * ti * row + tile * tj * pixel;
        const std::size_t down = oh_ - tile * ti, across = ow_ - tile * tj;  // are left
        for (std::size_t o = 0; o < o_; o += V::size) {
          const V b = V::load_unaligned(bias + o);
          both_ways(
              WinogradMaps<T>::outputs,
              [=](auto i, auto j) {
                return V::load_unaligned(from + (inputs * i + j) * plane + o);
              },
              [=](auto i, auto j, const V& sum) {
                if (i < down && j < across) (sum + b).store_unaligned(to + i * row + j * pixel + o);
              });
        }
      }
    }
  }
}

template <class T>
void Winograd<T>::add_weight_gradient(const T* image, const T* ybar, T* vbar, T* scratch) const {
  using V = Lanes<T>;
  T *u = scratch, *mbar = scratch + products * strip_tiles() * c_;
  for (std::size_t begin = 0; begin < tiles_down(); begin += strip_rows()) {
    const std::size_t end = std::min(begin + strip_rows(), tiles_down());
    const std::size_t tiles = (end - begin) * tiles_across(), plane = tiles * o_;
    transform_image(image, begin, end, u);
    T* to = mbar;
    for (std::size_t ti = begin; ti < end; ++ti) {
      for (std::size_t tj = 0; tj < tiles_across(); ++tj, to += o_) {
        const T* from = ybar + (tile * ti * ow_ + tile * tj) * o_;
        const std::size_t down = oh_ - tile * ti, across = ow_ - tile * tj;  // are left
        for (std::size_t o = 0; o < o_; o += V::size) {
          both_ways(
              WinogradMaps<T>::outputs_back,
              [=](auto i, auto j) {
                return i < down && j < across ? V::load_unaligned(from + (i * ow_ + j) * o_ + o)
                                              : V(T(0));
              },
              [=](auto i, auto j, const V& sum) {
                sum.store_unaligned(to + (inputs * i + j) * plane + o);
              });
        }
      }
    }
    for (std::size_t k = 0; k < products; ++k) {
      T* w = vbar + k * c_ * o_;
      const Terms<T> product{{u + k * tiles * c_, c_, 0, 1}, {mbar + k * plane, o_, 0}, tiles, 1};
      sum_terms(product, c_, o_, w, o_, w, o_);
    }
  }
}

INSTANTIATE_CLASS(Winograd)

}  // namespace tapesort::detail
