// NeuralSort's rows for a few neighbouring places at once, one place a lane.
//
// In sorted order the logit of row i changes from item j to item j + 1 by exactly
//
//     (2 i - 2 j - 1) gap_j,        gap_j = (v_j - v_(j+1)) / tau >= 0,
//
// because A_j's terms k <= j grow by the gap and its terms k > j shrink by it. So a row rises up to
// its own item and falls behind it, and relative to its own item
//
//     logit(i, i + m) = - sum_(q=1..m) (2 q - 1) gap_(i+q-1)
//     logit(i, i - m) = - sum_(q=1..m) (2 q - 1) gap_(i-q).
//
// All terms have one sign: nothing cancels, whatever n, the scores' offset and the type. Where a
// logit is below -cutoff, e^logit is left out: a row is a narrow band around its item. Seen from
// item j, one step away from row j -+ m adds gap + 2 (v_(j-+m) - v_j) / tau to minus the logit.
#pragma once

#include "engine/simd.hpp"

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

constexpr std::size_t short_sum = 64;

// Rows i .. i + lanes - 1: rest = sum_(j != i) e^logit(i, j), which beside the row's own 1 may be
// too small to see, and for each column b its mean under the row, relative to the row's own item:
// mean_i = sum_j p_ij (b_j - b_i). Returns how far the widest row reaches.
template <class T, int columns>
std::size_t lane_rows(const T* gap, std::size_t i, T cutoff, const T* const* b, T* rest,
                      T (*mean)[Lanes<T>::size]) {
  using L = Lanes<T>;
  constexpr int slots = columns > 0 ? columns : 1;
  L total(T(0));
  L own[slots]{L(T(0))}, sums[slots]{L(T(0))};
  for (int c = 0; c < columns; ++c) {
    own[c] = load(b[c] + i);
    sums[c] = L(T(0));
  }
  // A long sum is made of short ones: rounding then grows with their length, not with the row's.
  L recent(T(0)), recent_sums[slots]{L(T(0))};
  const auto carry = [&] {
    total += recent;
    recent = L(T(0));
    for (int c = 0; c < columns; ++c) {
      sums[c] += recent_sums[c];
      recent_sums[c] = L(T(0));
    }
  };
  for (int c = 0; c < columns; ++c) recent_sums[c] = L(T(0));
  const auto add = [&](const L& logit, std::size_t j, std::size_t m) {
    const L e = exp(logit);
    recent += e;
    for (int c = 0; c < columns; ++c) recent_sums[c] += e * (load(b[c] + j) - own[c]);
    if (m % short_sum == 0) carry();
  };
  std::size_t right = 1, left = 1;
  for (L logit(T(0));; ++right) {
    logit -= L(T(2 * right - 1)) * load(gap + i + right - 1);
    if (!simd::any(logit > L(-cutoff))) break;
    add(logit, i + right, right);
  }
  carry();
  for (L logit(T(0));; ++left) {
    logit -= L(T(2 * left - 1)) * load(gap + i - left);
    if (!simd::any(logit > L(-cutoff))) break;
    add(logit, i - left, left);
  }
  carry();
  const L inverse = L(T(1)) / (L(T(1)) + total);
  store(rest, total);
  for (int c = 0; c < columns; ++c) store(mean[c], sums[c] * inverse);
  return std::max(left, right);
}

// Items j .. j + lanes - 1, over the rows within `reach` places. a_i comes multiplied by the row's
// scale (zero for rows that do not take part); mean_i as lane_rows gave it.
template <class T, int columns, Sums sums>
void lane_columns(const T* gap, std::size_t j, T cutoff, std::size_t reach, const T* const* a,
                  const T* const* b, const T* const* mean, T* G, T* K, T (*H)[Lanes<T>::size]) {
  using L = Lanes<T>;
  L g_sum(T(0)), k_sum(T(0));
  L h_sum[columns]{L(T(0))}, own[columns]{L(T(0))};
  for (int c = 0; c < columns; ++c) {
    h_sum[c] = L(T(0));
    if (sums == Sums::logits) own[c] = load(b[c] + j);
  }
  L g_recent(T(0)), k_recent(T(0)), h_recent[columns]{L(T(0))};
  const auto carry = [&] {
    g_sum += g_recent;
    k_sum += k_recent;
    g_recent = k_recent = L(T(0));
    for (int c = 0; c < columns; ++c) {
      h_sum[c] += h_recent[c];
      h_recent[c] = L(T(0));
    }
  };
  for (int c = 0; c < columns; ++c) h_recent[c] = L(T(0));
  const auto add = [&](const L& e, std::size_t i, T distance) {
    L g(T(0));
    for (int c = 0; c < columns; ++c) {
      const L weight = e * load(a[c] + i);
      h_recent[c] += weight;
      if (sums == Sums::logits) {
        g += weight * ((own[c] - load(b[c] + i)) - load(mean[c] + i));
      } else if (sums == Sums::moments) {
        g += weight;
      }
    }
    if (sums != Sums::transpose) k_recent += L(distance) * g;
    if (sums == Sums::logits) g_recent += g;
  };
  if (sums != Sums::moments) add(L(T(1)), j, T(0));
  L logit(T(0)), difference(T(0));
  for (std::size_t m = 1; m <= reach; ++m) {
    const L step = load(gap + j - m);
    logit -= step + difference + difference;
    difference += step;
    if (!simd::any(logit > L(-cutoff))) break;
    add(exp(logit), j - m, T(m));
    if (m % short_sum == 0) carry();
  }
  carry();
  logit = difference = L(T(0));
  for (std::size_t m = 1; m <= reach; ++m) {
    const L step = load(gap + j + m - 1);
    logit -= step + difference + difference;
    difference += step;
    if (!simd::any(logit > L(-cutoff))) break;
    add(exp(logit), j + m, -T(m));
    if (m % short_sum == 0) carry();
  }
  carry();
  store(G, g_sum);
  store(K, k_sum);
  for (int c = 0; c < columns; ++c) store(H[c], h_sum[c]);
}

}  // namespace tapesort::band
