#include "ops/conv/sparse.hpp"

#include <array>
#include <utility>

#include "engine/instantiate.hpp"
#include "engine/simd_sums.hpp"
namespace tapesort::detail {
namespace {

// Step is std::size_t, or a constant, which instructions hold as it is.
template <class T, std::size_t R, class Step>
void add_block(const Nonzero<T>* elements, std::size_t count, const T* from, Step step, T* to) {
  using Vector = Lanes<T>;
  Vector sum[R];
#pragma GCC unroll 10
  for (std::size_t r = 0; r < R; ++r) sum[r] = Vector(T(0));
  for (const Nonzero<T>* e = elements; e != elements + count; ++e) {
    const Vector value(e->value);
    const T* at = from + e->offset;
#pragma GCC unroll 10
    for (std::size_t r = 0; r < R; ++r) {
      sum[r] = simd::multiply_add(value, Vector::load_unaligned(at + r * step), sum[r]);
    }
  }
#pragma GCC unroll 10
  for (std::size_t r = 0; r < R; ++r) {
    T* at = to + r * Vector::size;
    (Vector::load_unaligned(at) + sum[r]).store_unaligned(at);
  }
}

// add_block<T, 1, Step>, add_block<T, 2, Step>, ..
template <class T, class Step, std::size_t... R> constexpr auto blocks(std::index_sequence<R...>) {
  return std::array{add_block<T, R + 1, Step>...};
}

}  // namespace

template <class T>
void add_nonzeros(const Nonzero<T>* elements, std::size_t count, const T* from, std::size_t step,
                  std::size_t registers, T* to) {
  using Next = std::integral_constant<std::size_t, Lanes<T>::size>;
  constexpr std::make_index_sequence<widest_block> sizes;
  static constexpr auto side_by_side = blocks<T, Next>(sizes);
  static constexpr auto apart = blocks<T, std::size_t>(sizes);
  if (step == Next::value) return side_by_side[registers - 1](elements, count, from, {}, to);
  apart[registers - 1](elements, count, from, step, to);
}

INSTANTIATE(add_nonzeros)

}  // namespace tapesort::detail
