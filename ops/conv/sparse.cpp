#include "ops/conv/sparse.hpp"

#include <array>
#include <utility>

#include "engine/instantiate.hpp"
#include "engine/simd_sums.hpp"
namespace tapesort::detail {
namespace {

// sum[l][v] = sum over e of e.value from[e.offset + l step + v lanes], added to `to`, whose L
// groups of V registers are to_step apart.
template <class T, std::size_t L, std::size_t V>
void add_groups(const Nonzero<T>* elements, std::size_t count, const T* from, std::size_t step,
                T* to, std::size_t to_step) {
  using Vector = Lanes<T>;
  Vector sum[L][V];
#pragma GCC unroll 8
  for (std::size_t l = 0; l < L; ++l) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < V; ++v) sum[l][v] = Vector(T(0));
  }
  for (const Nonzero<T>* e = elements; e != elements + count; ++e) {
    const Vector value(e->value);
    const T* at = from + e->offset;
#pragma GCC unroll 8
    for (std::size_t l = 0; l < L; ++l) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < V; ++v) {
        const Vector x = Vector::load_unaligned(at + l * step + v * Vector::size);
        sum[l][v] = simd::multiply_add(value, x, sum[l][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (std::size_t l = 0; l < L; ++l) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < V; ++v) {
      T* w = to + l * to_step + v * Vector::size;
      (Vector::load_unaligned(w) + sum[l][v]).store_unaligned(w);
    }
  }
}

template <class T>
using Groups = void (*)(const Nonzero<T>*, std::size_t, const T*, std::size_t, T*, std::size_t);

// add_groups<T, 1, V>, add_groups<T, 2, V>, ..
template <class T, std::size_t V, std::size_t... L>
constexpr std::array<Groups<T>, sizeof...(L)> groups(std::index_sequence<L...>) {
  return {add_groups<T, L + 1, V>...};
}
using Lengths = std::make_index_sequence<widest_sparse_kernel + 1>;

}  // namespace

template <class T>
void add_sparse_weight_gradient(const Nonzero<T>* elements, std::size_t count, const T* image,
                                std::size_t kw, std::size_t channels, T* wbar) {
  static constexpr auto one = groups<T, 1>(Lengths()), two = groups<T, 2>(Lengths());
  constexpr std::size_t lanes = Lanes<T>::size;
  std::size_t c = 0;
  for (; c + 2 * lanes <= channels; c += 2 * lanes) {
    two[kw - 1](elements, count, image + c, channels, wbar + c, channels);
  }
  if (c < channels) one[kw - 1](elements, count, image + c, channels, wbar + c, channels);
}

template <class T>
void add_sparse_input_gradient(const Nonzero<T>* elements, std::size_t count, const T* weight,
                               std::size_t kw, std::size_t pixel, T* xbar) {
  static constexpr auto one = groups<T, 1>(Lengths());
  one[kw](elements, count, weight, Lanes<T>::size, xbar, pixel);
}

INSTANTIATE(add_sparse_weight_gradient)
INSTANTIATE(add_sparse_input_gradient)

}  // namespace tapesort::detail
