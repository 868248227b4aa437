// The two loops over one row of P_hat that need vector instructions.
#pragma once

#include <algorithm>
#include <limits>

#include "engine/dual.hpp"
#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"
#include "engine/sums.hpp"

namespace tapesort {

// row_j = e^(row_j - shift) / sum_k e^(row_k - shift); shift is the row's largest element.
template <class T> void softmax_row(T* row, std::size_t n, T shift) {
  using Lanes = Lanes<T>;
  Lanes sums(T(0));
  std::size_t j = 0;
  for (; j + Lanes::size <= n; j += Lanes::size) {
    const Lanes e = exp(simd::load(row + j) - Lanes(shift));
    simd::store(row + j, e);
    sums += e;
  }
  if (j < n) {
    // The rest goes through the same exponential, padded with what becomes zero.
    T padded[Lanes::size];
    std::fill(std::copy(row + j, row + n, padded), padded + Lanes::size,
              -std::numeric_limits<T>::infinity());
    const Lanes e = exp(simd::load(padded) - Lanes(shift));
    simd::store(padded, e);
    std::copy_n(padded, n - j, row + j);
    sums += e;
  }
  const T total = simd::sum(sums);
  const T scale = 1 / total;
  for (std::size_t i = 0; i < n; ++i) row[i] *= scale;
}

template <class T> void softmax_row(Dual<T>* row, std::size_t n, Dual<T> shift) {
  Dual<T> total;
  for (std::size_t i = 0; i < n; ++i) total += row[i] = exp(row[i] - shift);
  for (std::size_t i = 0; i < n; ++i) row[i] /= total;
}

// sum_j a_j (b_j - c)
template <class T> T dot_relative(const T* a, const T* b, T c, std::size_t n) {
  return sum_of<T>(n, [=](std::size_t j) { return a[j] * (b[j] - c); });
}

}  // namespace tapesort
