#include "ops/conv/winograd.hpp"

#include <algorithm>

namespace tapesort {
namespace {

template <class V, std::size_t N>
using Line = std::array<V, N>;

// The four linear maps along one axis. B', A' and their like are what these do.
template <class V>
Line<V, 4> image_sums(const Line<V, 4>& x) {  // B' x
  return {x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]};
}
template <class V>
Line<V, 4> weight_sums(const Line<V, 3>& w) {  // G w
  const V half(0.5f), outer = half * (w[0] + w[2]), inner = half * w[1];
  return {w[0], outer + inner, outer - inner, w[2]};
}
template <class V>
Line<V, 3> weight_sums_back(const Line<V, 4>& v) {  // G' v
  const V half(0.5f), outer = half * (v[1] + v[2]);
  return {v[0] + outer, half * (v[1] - v[2]), outer + v[3]};
}
template <class V>
Line<V, 2> outputs(const Line<V, 4>& m) {  // A' m
  return {m[0] + m[1] + m[2], m[1] - m[2] - m[3]};
}
template <class V>
Line<V, 4> outputs_back(const Line<V, 2>& y) {  // A y
  return {y[0], y[0] + y[1], y[0] - y[1], V(0.0f) - y[1]};
}

// map along both axes of an N x N block: columns first, then rows.
template <std::size_t M, std::size_t N, class V, class Map>
std::array<Line<V, M>, M> both_ways(const std::array<Line<V, N>, N>& block, const Map& map) {
  std::array<Line<V, M>, N> half;  // half[j][i]
#pragma GCC unroll 4
  for (std::size_t j = 0; j < N; ++j) {
    Line<V, N> column;
#pragma GCC unroll 4
    for (std::size_t i = 0; i < N; ++i) column[i] = block[i][j];
    half[j] = map(column);
  }
  std::array<Line<V, M>, M> result;
#pragma GCC unroll 4
  for (std::size_t i = 0; i < M; ++i) {
    Line<V, N> row;
#pragma GCC unroll 4
    for (std::size_t j = 0; j < N; ++j) row[j] = half[j][i];
    result[i] = map(row);
  }
  return result;
}

}  // namespace

template <class T>
void Winograd<T>::transform_weight(const T* w, T* v) const {
  using V = Lanes<T>;
  const std::size_t size = c_ * o_;
  for (std::size_t at = 0; at < size; at += V::size) {
    std::array<Line<V, 3>, 3> block;
    for (std::size_t k = 0; k < 9; ++k) block[k / 3][k % 3] = V::load_unaligned(w + k * size + at);
    const auto sums = both_ways<4>(block, weight_sums<V>);
    for (std::size_t k = 0; k < 16; ++k) sums[k / 4][k % 4].store_unaligned(v + k * size + at);
  }
}

template <class T>
void Winograd<T>::transform_weight_back(const T* vbar, T* wbar) const {
  using V = Lanes<T>;
  const std::size_t size = c_ * o_;
  for (std::size_t at = 0; at < size; at += V::size) {
    std::array<Line<V, 4>, 4> block;
    for (std::size_t k = 0; k < 16; ++k) {
      block[k / 4][k % 4] = V::load_unaligned(vbar + k * size + at);
    }
    const auto sums = both_ways<3>(block, weight_sums_back<V>);
    for (std::size_t k = 0; k < 9; ++k) sums[k / 3][k % 3].store_unaligned(wbar + k * size + at);
  }
}

template <class T>
void Winograd<T>::transform_image(const T* image, std::size_t begin, std::size_t end, T* u) const {
  using V = Lanes<T>;
  const std::size_t plane = (end - begin) * tiles_across() * c_;
  for (std::size_t ti = begin; ti < end; ++ti) {
    for (std::size_t tj = 0; tj < tiles_across(); ++tj, u += c_) {
      const T* x = image + (2 * ti * width_ + 2 * tj) * c_;
      for (std::size_t c = 0; c < c_; c += V::size) {
        std::array<Line<V, 4>, 4> block;
#pragma GCC unroll 16
        for (std::size_t k = 0; k < 16; ++k) {
          block[k / 4][k % 4] = V::load_unaligned(x + (k / 4 * width_ + k % 4) * c_ + c);
        }
        const auto sums = both_ways<4>(block, image_sums<V>);
#pragma GCC unroll 16
        for (std::size_t k = 0; k < 16; ++k) sums[k / 4][k % 4].store_unaligned(u + k * plane + c);
      }
    }
  }
}

template <class T>
void Winograd<T>::convolve(const T* image, const T* v, const T* bias, T* y, std::size_t row,
                           std::size_t pixel, T* scratch) const {
  using V = Lanes<T>;
  T *u = scratch, *m = scratch + 16 * strip_tiles() * c_;
  for (std::size_t begin = 0; begin < tiles_down(); begin += strip_rows()) {
    const std::size_t end = std::min(begin + strip_rows(), tiles_down());
    const std::size_t tiles = (end - begin) * tiles_across(), plane = tiles * o_;
    transform_image(image, begin, end, u);
    for (std::size_t k = 0; k < 16; ++k) {
      multiply_tiles(u + k * tiles * c_, c_, 1, v + k * c_ * o_, o_, tiles, c_, o_, m + k * plane,
                     o_, /*add=*/false);
    }
    const T* from = m;
    for (std::size_t ti = begin; ti < end; ++ti) {
      for (std::size_t tj = 0; tj < tiles_across(); ++tj, from += o_) {
        T* to = y + 2 * ti * row + 2 * tj * pixel;
        const bool lower = 2 * ti + 1 < out_h_, right = 2 * tj + 1 < out_w_;
        for (std::size_t o = 0; o < o_; o += V::size) {
          std::array<Line<V, 4>, 4> block;
#pragma GCC unroll 16
          for (std::size_t k = 0; k < 16; ++k) {
            block[k / 4][k % 4] = V::load_unaligned(from + k * plane + o);
          }
          const auto tile = both_ways<2>(block, outputs<V>);
          const V b = V::load_unaligned(bias + o);
          (tile[0][0] + b).store_unaligned(to + o);
          if (right) (tile[0][1] + b).store_unaligned(to + pixel + o);
          if (lower) (tile[1][0] + b).store_unaligned(to + row + o);
          if (lower && right) (tile[1][1] + b).store_unaligned(to + row + pixel + o);
        }
      }
    }
  }
}

template <class T>
void Winograd<T>::add_weight_gradient(const T* image, const T* ybar, T* vbar, T* scratch) const {
  using V = Lanes<T>;
  T *u = scratch, *mbar = scratch + 16 * strip_tiles() * c_;
  const V zero(T(0));
  for (std::size_t begin = 0; begin < tiles_down(); begin += strip_rows()) {
    const std::size_t end = std::min(begin + strip_rows(), tiles_down());
    const std::size_t tiles = (end - begin) * tiles_across(), plane = tiles * o_;
    transform_image(image, begin, end, u);
    T* to = mbar;
    for (std::size_t ti = begin; ti < end; ++ti) {
      for (std::size_t tj = 0; tj < tiles_across(); ++tj, to += o_) {
        const T* from = ybar + (2 * ti * out_w_ + 2 * tj) * o_;
        const bool lower = 2 * ti + 1 < out_h_, right = 2 * tj + 1 < out_w_;
        for (std::size_t o = 0; o < o_; o += V::size) {
          const std::array<Line<V, 2>, 2> tile{
              Line<V, 2>{V::load_unaligned(from + o),
                         right ? V::load_unaligned(from + o_ + o) : zero},
              Line<V, 2>{lower ? V::load_unaligned(from + out_w_ * o_ + o) : zero,
                         lower && right ? V::load_unaligned(from + (out_w_ + 1) * o_ + o) : zero}};
          const auto sums = both_ways<4>(tile, outputs_back<V>);
#pragma GCC unroll 16
          for (std::size_t k = 0; k < 16; ++k) {
            sums[k / 4][k % 4].store_unaligned(to + k * plane + o);
          }
        }
      }
    }
    for (std::size_t k = 0; k < 16; ++k) {
      T* w = vbar + k * c_ * o_;
      const Sums<T> product{u + k * tiles * c_, 1, c_, 0, mbar + k * plane, o_, 0, tiles, 1};
      sum_products(product, c_, o_, w, o_, w, o_);
    }
  }
}

template class Winograd<float>;
template class Winograd<double>;

}  // namespace tapesort
