// NeuralSort's rows for a few neighbouring places at once, one place a lane (section 6 of README.md):
//
//     logit(i, i + m) - logit(i, i) = - sum_(q=1..m) (2 q - 1) gap_(i+q-1)
//     logit(i, i - m) - logit(i, i) = - sum_(q=1..m) (2 q - 1) gap_(i-q)
//
// Where a logit is below -cutoff, e^logit is left out: a row is a narrow band around its item. This is
// decided for each lane, so that a result does not depend on what stands in the lanes beside it.
#pragma once

#include <type_traits>

#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"

namespace tapesort::band {

using simd::load;
using simd::store;

// What the columns of a band are summed for.
enum class Sums {
  transpose,  // H_j = sum_i p_ij a_i
  moments,    // H_j (lane_columns: without i = j), K_j = sum_i (j - i) p_ij a_i, for one column
  logits      // H_j, and with g_ij = p_ij <a_i, b_j - y_i>, y_i = sum_j p_ij b_j:
              // G_j = sum_i g_ij, K_j = sum_i (j - i) g_ij
};

// e x inside the band, and 0 outside, even if x, which may be of a set beside, is not finite.
template <class T> Lanes<T> weighted(const Mask<T>& inside, const Lanes<T>& e, const Lanes<T>& x) {
  return simd::select(inside, e * x, Lanes<T>(T(0)));
}

// A long sum as a sum of short ones: rounding then grows with their length, not with the row's.
constexpr std::size_t short_sum = 64;
template <class T> struct LongSum {
  Lanes<T> total = Lanes<T>(T(0)), recent = total;
  void carry() {
    total += recent;
    recent = Lanes<T>(T(0));
  }
};

// Calls f(first, columns) for columns 0 .. count - 1, four, two or one at a time.
template <class F> void for_columns(std::size_t count, const F& f) {
  std::size_t first = 0;
  for (; count - first >= 4; first += 4) f(first, std::integral_constant<int, 4>());
  if (count - first >= 2) f(first, std::integral_constant<int, 2>()), first += 2;
  if (first < count) f(first, std::integral_constant<int, 1>());
}

// Rows i .. i + lanes - 1: rest = sum_(j != i) e^logit(i, j), which beside the row's own 1 may be
// too small to see, and for each column b its mean under the row, relative to the row's own item:
// mean_i = sum_j p_ij (b_j - b_i). Returns how far the widest row reaches. (flatten: everything called
// is inlined. GCC would leave exp a call, which makes the loop 1.2 times as slow.)
template <class T, int columns>
[[gnu::flatten]] std::size_t lane_rows(const T* gap, std::size_t i, T cutoff, const T* const* b,
                                       T* rest, T (*mean)[Lanes<T>::size]) {
  using L = Lanes<T>;
  constexpr int slots = columns > 0 ? columns : 1;
  L own[slots]{L(T(0))};
  for (int c = 0; c < columns; ++c) own[c] = load(b[c] + i);
  LongSum<T> total, sums[slots];
  const auto carry = [&] {
    total.carry();
    for (LongSum<T>& sum : sums) sum.carry();
  };
  const auto add = [&](const Mask<T>& inside, const L& e, std::ptrdiff_t j, std::size_t m) {
    total.recent += e;
    for (int c = 0; c < columns; ++c)
      sums[c].recent += weighted(inside, e, load(b[c] + j) - own[c]);
    if (m % short_sum == 0) carry();
  };
  const auto side = [&](std::ptrdiff_t step) {
    std::ptrdiff_t j = std::ptrdiff_t(i);
    const T* g = gap + (step > 0 ? j : j - 1);
    std::size_t m = 1;
    for (L logit(T(0));; ++m, g += step) {
      logit -= L(T(2 * m - 1)) * load(g);
      const Mask<T> inside = logit > L(-cutoff);
      if (!simd::any(inside)) break;
      add(inside, simd::select(inside, exp(logit), L(T(0))), j += step, m);
    }
    carry();
    return m;
  };
  const std::size_t right = side(1), left = side(-1);
  const L inverse = L(T(1)) / (L(T(1)) + total.total);
  store(rest, total.total);
  for (int c = 0; c < columns; ++c) store(mean[c], sums[c].total * inverse);
  return std::max(left, right);
}

// Items j .. j + lanes - 1, over the rows within `reach` places. a_i comes multiplied by the row's
// scale (zero for rows that do not take part); mean_i as lane_rows gave it.
template <class T, int columns, Sums sums>
[[gnu::flatten]] void lane_columns(const T* gap, std::size_t j, T cutoff, std::size_t reach,
                                   const T* const* a, const T* const* b, const T* const* mean, T* G,
                                   T* K, T (*H)[Lanes<T>::size]) {
  using L = Lanes<T>;
  L own[columns]{L(T(0))};
  for (int c = 0; c < columns && sums == Sums::logits; ++c) own[c] = load(b[c] + j);
  LongSum<T> g_sum, k_sum, h_sum[columns];
  const auto carry = [&] {
    g_sum.carry();
    k_sum.carry();
    for (LongSum<T>& sum : h_sum) sum.carry();
  };
  const auto add = [&](const Mask<T>& inside, const L& e, std::ptrdiff_t i, T distance) {
    L g(T(0));
    for (int c = 0; c < columns; ++c) {
      const L weight = weighted(inside, e, load(a[c] + i));
      h_sum[c].recent += weight;
      if (sums == Sums::logits) {
        g += weighted(inside, weight, (own[c] - load(b[c] + i)) - load(mean[c] + i));
      } else if (sums == Sums::moments) {
        g += weight;
      }
    }
    if (sums != Sums::transpose) k_sum.recent += L(distance) * g;
    if (sums == Sums::logits) g_sum.recent += g;
  };
  const std::ptrdiff_t here = std::ptrdiff_t(j);
  if (sums != Sums::moments) add(Mask<T>(true), L(T(1)), here, T(0));
  const auto side = [&](std::ptrdiff_t step) {
    L logit(T(0)), difference(T(0));
    const T* g = gap + (step > 0 ? here : here - 1);
    for (std::size_t m = 1; m <= reach; ++m, g += step) {
      const L d = load(g);
      logit -= d + difference + difference;
      difference += d;
      const Mask<T> inside = logit > L(-cutoff);
      if (!simd::any(inside)) break;
      add(inside, simd::select(inside, exp(logit), L(T(0))), here + step * std::ptrdiff_t(m),
          -T(step) * T(m));
      if (m % short_sum == 0) carry();
    }
    carry();
  };
  side(-1);
  side(1);
  store(G, g_sum.total);
  store(K, k_sum.total);
  for (int c = 0; c < columns; ++c) store(H[c], h_sum[c].total);
}

}  // namespace tapesort::band
