#include "ops/tile.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "ops/lanes.hpp"

namespace tapesort {
namespace {

// P rows by V registers of columns. Each step loads V registers of b, broadcasts P numbers of a,
// and makes P V multiply-adds: with 14 x 2 sums, 28 of them for 16 loads.
template <class T, std::size_t P, std::size_t V>
void tile(const Sums<T>& s, const T* start, std::size_t start_row, T* c, std::size_t c_row) {
  using Vector = Lanes<T>;
  constexpr std::size_t groups = (P + 2) / 3;
  Vector sum[P][V];
#pragma GCC unroll 16
  for (std::size_t p = 0; p < P; ++p) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < V; ++v) sum[p][v] = Vector(T(0));
  }
  const std::size_t row = s.a_row, a_step = s.a_step, b_step = s.b_step, inner = s.inner;
  const T *a_r = s.a, *b_r = s.b;
  for (std::size_t r = 0; r < s.outer; ++r, a_r += s.a_jump, b_r += s.b_jump) {
    // One pointer for three rows, which reaches them as [0], [row], [2 row]: an address of the CPU
    // may contain a multiple of one register, and there are not enough registers for P pointers.
    const T* a[groups];
#pragma GCC unroll 16
    for (std::size_t g = 0; g < groups; ++g) a[g] = a_r + 3 * g * row;
    const T* b = b_r;
    for (std::size_t k = 0; k < inner; ++k) {
      Vector b_k[V];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < V; ++v) b_k[v] = Vector::load_unaligned(b + v * Vector::size);
#pragma GCC unroll 16
      for (std::size_t p = 0; p < P; ++p) {
        const Vector a_k(a[p / 3][(p % 3) * row]);
#pragma GCC unroll 2
        for (std::size_t v = 0; v < V; ++v) sum[p][v] = multiply_add(a_k, b_k[v], sum[p][v]);
      }
      b += b_step;
#pragma GCC unroll 16
      for (std::size_t g = 0; g < groups; ++g) a[g] += a_step;
    }
  }
#pragma GCC unroll 16
  for (std::size_t p = 0; p < P; ++p) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < V; ++v) {
      const Vector first = Vector::load_unaligned(start + p * start_row + v * Vector::size);
      (first + sum[p][v]).store_unaligned(c + p * c_row + v * Vector::size);
    }
  }
}

template <class T>
using TileFunction = void (*)(const Sums<T>&, const T*, std::size_t, T*, std::size_t);

// tile<T, 1, V>, tile<T, 2, V>, ..
template <class T, std::size_t V, std::size_t... P>
constexpr std::array<TileFunction<T>, sizeof...(P)> tiles(std::index_sequence<P...>) {
  return {tile<T, P + 1, V>...};
}

// All rows, for V registers of columns: in as few tiles as possible, of almost the same height.
template <class T, std::size_t V>
void all_rows(const Sums<T>& sums, std::size_t rows, const T* start, std::size_t start_row, T* c,
              std::size_t c_row) {
  constexpr std::size_t highest = vector_registers == 32 ? 14 : V == 2 ? 6 : 12;
  static constexpr auto tile_of = tiles<T, V>(std::make_index_sequence<highest>());
  Sums<T> s = sums;
  const std::size_t count = (rows + highest - 1) / highest;
  for (std::size_t t = 0; t < count; ++t) {
    const std::size_t p = rows * t / count, height = rows * (t + 1) / count - p;
    s.a = sums.a + p * s.a_row;
    tile_of[height - 1](s, start + p * start_row, start_row, c + p * c_row, c_row);
  }
}

}  // namespace

template <class T>
void sum_products(const Sums<T>& sums, std::size_t rows, std::size_t columns, const T* start,
                  std::size_t start_row, T* c, std::size_t c_row) {
  constexpr std::size_t lanes = Lanes<T>::size;
  Sums<T> s = sums;
  std::size_t o = 0;
  for (; o + 2 * lanes <= columns; o += 2 * lanes) {
    s.b = sums.b + o;
    all_rows<T, 2>(s, rows, start + o, start_row, c + o, c_row);
  }
  if (o < columns) {
    s.b = sums.b + o;
    all_rows<T, 1>(s, rows, start + o, start_row, c + o, c_row);
  }
}

template <class T>
void multiply_tiles(const T* a, std::size_t a_row, std::size_t a_step, const T* b,
                    std::size_t b_row, std::size_t rows, std::size_t inner, std::size_t columns,
                    T* c, std::size_t c_row, bool add) {
  constexpr std::size_t strip = 2 * Lanes<T>::size;
  static constexpr T zero[strip] = {};
  for (std::size_t o = 0; o < columns; o += strip) {
    const Sums<T> product{a, a_row, a_step, 0, b + o, b_row, 0, inner, 1};
    const T* start = add ? c + o : zero;
    sum_products(product, rows, std::min(strip, columns - o), start, add ? c_row : 0, c + o, c_row);
  }
}

#define INSTANTIATE(T)                                                                            \
  template void sum_products(const Sums<T>&, std::size_t, std::size_t, const T*, std::size_t, T*, \
                             std::size_t);                                                        \
  template void multiply_tiles(const T*, std::size_t, std::size_t, const T*, std::size_t,         \
                               std::size_t, std::size_t, std::size_t, T*, std::size_t, bool);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
