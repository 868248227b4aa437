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

template <class T> Array<T> Winograd<T>::transform_weight(const T* w) const {
  using Maps = WinogradMaps<T>;
  const std::size_t size = c_ * width_;
  Array<T> v = uninitialized<T>({products, size});
  if (kernel_ == 3) transform_planes(Maps::template weight_sums<3>, w, v.data(), size);
  if (kernel_ == 5) transform_planes(Maps::template weight_sums<5>, w, v.data(), size);
  return v;
}

template <class T> Array<T> Winograd<T>::transform_weight_back(const T* vbar) const {
  const std::size_t size = c_ * width_;
  Array<T> wbar = uninitialized<T>({kernel_, kernel_, c_, width_});
  transform_planes(WinogradMaps<T>::template weight_sums_back<3>, vbar, wbar.data(), size);
  return wbar;
}

template <class T>
void Winograd<T>::transform_image(const T* drawn, std::size_t begin, std::size_t end, T* u) const {
  using V = Lanes<T>;
  const std::size_t row = canvas_.w * c_, plane = (end - begin) * tiles_across_ * c_width();
  for (std::size_t ti = begin; ti < end; ++ti) {
    for (std::size_t tj = 0; tj < tiles_across_; ++tj, u += c_width()) {
      const T* first = drawn + tile_ * (ti * row + tj * c_);
      for (std::size_t c = 0; c < c_; c += V::size) {
        both_ways(
            WinogradMaps<T>::image_sums,
            [=](auto i, auto j) { return V::load_unaligned(first + i * row + j * c_ + c); },
            [=](auto i, auto j, const V& sum) {
              sum.store_unaligned(u + (inputs * i + j) * plane + c);
            });
      }
    }
  }
}

// Of one tile, whose m are in 36 planes.
template <class T>
template <std::size_t Tile>
void Winograd<T>::transform_products(const T* m, std::size_t plane, const T* bias, T* y) const {
  using V = Lanes<T>;
  for (std::size_t o = 0; o < width_; o += V::size) {
    const V b = V::load_unaligned(bias + o);
    both_ways(
        WinogradMaps<T>::template outputs<Tile>,
        [=](auto i, auto j) { return V::load_unaligned(m + (inputs * i + j) * plane + o); },
        [=](auto i, auto j, const V& sum) {
          (sum + b).store_unaligned(y + (Tile * i + j) * width_ + o);
        });
  }
}

template <class T>
void Winograd<T>::convolve(const T* drawn, const T* v, const T* bias, T* scratch,
                           const std::function<void(const Block<T>&)>& f) const {
  T *u = scratch, *m = u + products * strip_tiles() * c_width();
  T* y = m + products * strip_tiles() * width_;
  for (std::size_t begin = 0; begin < tiles_down_; begin += strip_rows()) {
    const std::size_t end = std::min(begin + strip_rows(), tiles_down_);
    const std::size_t tiles = (end - begin) * tiles_across_, plane = tiles * width_;
    transform_image(drawn, begin, end, u);
    for (std::size_t k = 0; k < products; ++k) {
      const Terms<T> product{
          {u + k * tiles * c_width(), 1, 0, c_width()}, {v + k * c_ * width_, width_, 0}, c_, 1};
      sum_terms<T>(product, tiles, width_, nullptr, 0, m + k * plane, width_);
    }
    const T* from = m;
    for (std::size_t ti = begin; ti < end; ++ti) {
      for (std::size_t tj = 0; tj < tiles_across_; ++tj, from += width_) {
        if (kernel_ == 3) transform_products<4>(from, plane, bias, y);
        if (kernel_ == 5) transform_products<2>(from, plane, bias, y);
        const std::size_t i = tile_ * ti, j = tile_ * tj;
        f({i, j, std::min(tile_, oh_ - i), std::min(tile_, ow_ - j), y, tile_ * width_});
      }
    }
  }
}

// Of one tile, of which `down` rows and `across` columns are there.
template <class T>
void Winograd<T>::transform_cotangent(const T* ybar, std::size_t down, std::size_t across, T* mbar,
                                      std::size_t plane) const {
  using V = Lanes<T>;
  for (std::size_t o = 0; o < width_; o += V::size) {
    both_ways(
        WinogradMaps<T>::template outputs_back<4>,
        [=](auto i, auto j) {
          return i < down && j < across ? V::load_unaligned(ybar + (i * ow_ + j) * width_ + o)
                                        : V(T(0));
        },
        [=](auto i, auto j, const V& sum) {
          sum.store_unaligned(mbar + (inputs * i + j) * plane + o);
        });
  }
}

template <class T>
void Winograd<T>::add_weight_gradient(const T* drawn, const T* ybar, T* vbar, T* scratch) const {
  T *u = scratch, *mbar = u + products * strip_tiles() * c_width();
  for (std::size_t begin = 0; begin < tiles_down_; begin += strip_rows()) {
    const std::size_t end = std::min(begin + strip_rows(), tiles_down_);
    const std::size_t tiles = (end - begin) * tiles_across_, plane = tiles * width_;
    transform_image(drawn, begin, end, u);
    T* to = mbar;
    for (std::size_t i = tile_ * begin; i < tile_ * end; i += tile_) {
      for (std::size_t j = 0; j < tile_ * tiles_across_; j += tile_, to += width_) {
        const T* from = ybar + (i * ow_ + j) * width_;
        transform_cotangent(from, oh_ - i, ow_ - j, to, plane);
      }
    }
    for (std::size_t k = 0; k < products; ++k) {
      T* w = vbar + k * c_ * width_;
      const Terms<T> product{
          {u + k * tiles * c_width(), c_width(), 0, 1}, {mbar + k * plane, width_, 0}, tiles, 1};
      sum_terms(product, c_, width_, w, width_, w, width_);
    }
  }
}

INSTANTIATE_CLASS(Winograd)

}  // namespace tapesort::detail
