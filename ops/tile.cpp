#include "ops/tile.hpp"

#include <array>
#include <utility>

#include "engine/simd_sums.hpp"

namespace tapesort {
namespace {

// P rows by V registers of columns. Each step loads V registers of b, broadcasts P numbers of a,
// and makes P V multiply-adds: with 14 x 2 sums, 28 of them for 16 loads.
template <class T, Term term, std::size_t P, std::size_t V>
void tile(const Terms<T>& s, const T* start, std::size_t start_row, T* c, std::size_t c_row) {
  using Vector = Lanes<T>;
  constexpr std::size_t groups = (P + 2) / 3;
  Vector sum[P][V];
#pragma GCC unroll 16
  for (std::size_t p = 0; p < P; ++p) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < V; ++v) sum[p][v] = Vector(T(0));
  }
  const std::size_t row = s.a.row, a_step = s.a.step, b_step = s.b.step, inner = s.inner;
  const T *a_r = s.a.at, *b_r = s.b.at;
  for (std::size_t r = 0; r < s.outer; ++r, a_r += s.a.jump, b_r += s.b.jump) {
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
        for (std::size_t v = 0; v < V; ++v) {
          if constexpr (term == Term::product) {
            sum[p][v] = simd::multiply_add(a_k, b_k[v], sum[p][v]);
          } else if constexpr (term == Term::squared_difference) {
            const Vector difference = a_k - b_k[v];
            sum[p][v] = simd::multiply_add(difference, difference, sum[p][v]);
          } else {
            const Vector h = simd::load(s.h.at + p * s.h.row + v * Vector::size);
            sum[p][v] = simd::multiply_add(a_k, h - b_k[v], sum[p][v]);
          }
        }
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
      Vector first(T(0));
      if (start) first = Vector::load_unaligned(start + p * start_row + v * Vector::size);
      (first + sum[p][v]).store_unaligned(c + p * c_row + v * Vector::size);
    }
  }
}

template <class T>
using TileFunction = void (*)(const Terms<T>&, const T*, std::size_t, T*, std::size_t);

// tile<T, term, 1, V>, tile<T, term, 2, V>, ..
template <class T, Term term, std::size_t V, std::size_t... P>
constexpr std::array<TileFunction<T>, sizeof...(P)> tiles(std::index_sequence<P...>) {
  return {tile<T, term, P + 1, V>...};
}

// All rows, for V registers of columns: in as few tiles as possible, of almost the same height.
template <class T, Term term, std::size_t V>
void all_rows(const Terms<T>& terms, std::size_t rows, const T* start, std::size_t start_row, T* c,
              std::size_t c_row) {
  constexpr std::size_t highest = vector_registers == 32 ? 14 : V == 2 ? 6 : 12;
  static constexpr auto tile_of = tiles<T, term, V>(std::make_index_sequence<highest>());
  Terms<T> s = terms;
  const std::size_t count = (rows + highest - 1) / highest;
  for (std::size_t t = 0; t < count; ++t) {
    const std::size_t p = rows * t / count, height = rows * (t + 1) / count - p;
    s.a.at = terms.a.at + p * s.a.row;
    if constexpr (term == Term::weighted_difference) s.h.at = terms.h.at + p * s.h.row;
    tile_of[height - 1](s, start ? start + p * start_row : start, start_row, c + p * c_row, c_row);
  }
}

// The same for a sum of any length: halves, the second of which is made elsewhere and added.
// Rounding then grows with the length of a part, and beyond that with its logarithm.
template <class T, Term term, std::size_t V>
void by_halves(const Terms<T>& terms, std::size_t rows, const T* start, std::size_t start_row, T* c,
               std::size_t c_row) {
  constexpr std::size_t longest = 128, width = V * Lanes<T>::size;
  if (terms.outer != 1 || terms.inner <= longest) {
    return all_rows<T, term, V>(terms, rows, start, start_row, c, c_row);
  }
  Terms<T> first = terms, second = terms;
  first.inner = terms.inner / 2;
  second.inner -= first.inner;
  second.a.at += first.inner * terms.a.step;
  second.b.at += first.inner * terms.b.step;
  by_halves<T, term, V>(first, rows, start, start_row, c, c_row);
  Array<T> rest = uninitialized<T>({rows, width});
  by_halves<T, term, V>(second, rows, nullptr, 0, rest.data(), width);
  for (std::size_t p = 0; p < rows; ++p) {
    for (std::size_t o = 0; o < width; ++o) c[p * c_row + o] += rest.data()[p * width + o];
  }
}

}  // namespace

template <class T, Term term>
void sum_terms(const Terms<T>& terms, std::size_t rows, std::size_t columns, const T* start,
               std::size_t start_row, T* c, std::size_t c_row) {
  constexpr std::size_t lanes = Lanes<T>::size;
  Terms<T> s = terms;
  if (rows == 0) return;
  for (std::size_t o = 0; o < columns; o += 2 * lanes) {
    if (terms.inner > 0) s.b.at = terms.b.at + o;  // without terms, b may be null
    if constexpr (term == Term::weighted_difference) s.h.at = terms.h.at + o;
    const auto strip = o + 2 * lanes <= columns ? by_halves<T, term, 2> : by_halves<T, term, 1>;
    strip(s, rows, start ? start + o : start, start_row, c + o, c_row);
  }
}

#define INSTANTIATE_TERM(T, term)                                                       \
  template void sum_terms<T, term>(const Terms<T>&, std::size_t, std::size_t, const T*, \
                                   std::size_t, T*, std::size_t);
INSTANTIATE_TERM(float, Term::product)
INSTANTIATE_TERM(float, Term::squared_difference)
INSTANTIATE_TERM(float, Term::weighted_difference)
INSTANTIATE_TERM(double, Term::product)
INSTANTIATE_TERM(double, Term::squared_difference)
INSTANTIATE_TERM(double, Term::weighted_difference)

}  // namespace tapesort
