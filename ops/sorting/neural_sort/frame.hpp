// NeuralSort's rows at any real place x, one row at a time, vectorised over its items (section 7 of
// README.md). Relative to a centre item c in the neighbourhood,
//
//     logit(x, j) = 2 (x - c) U_j - V_j,   U_j = (v_c - v_j) / tau,
//                                          V_j = sum_(q=c..j-1) (2 (q - c) + 1) gap_q >= 0.
//
// A frame holds U and V of the items that the rows of a stretch of places can reach.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/array.hpp"
#include "engine/simd_sums.hpp"
#include "ops/sorting/neural_sort/lanes.hpp"

namespace tapesort::band {

using simd::load;

template <class T> class Frame {
 public:
  // The items that rows between the places left <= centre <= right reach: at least up to where a
  // logit is below -cutoff of the row's largest, and not across a gap above cutoff (which would
  // cost a row at a whole place that much at least).
  void set(const T* gap, std::size_t centre, double left, double right, T cutoff);

  std::size_t centre() const { return centre_; }
  std::size_t first() const { return first_; }
  std::size_t count() const { return count_; }
  T cutoff() const { return cutoff_; }
  const T* U() const { return U_.data() + zero_ - (centre_ - first_); }
  const T* V() const { return V_.data() + zero_ - (centre_ - first_); }

  // The row's largest logit: that of the item nearest to x.
  T largest(double x) const {
    const double last = double(first_ + count_ - 1);
    const double nearest = std::min(std::max(std::round(x), double(first_)), last);
    const std::size_t j = std::size_t(nearest) - first_;
    return slope(x) * U()[j] - V()[j];
  }
  T slope(double x) const { return T(2 * (x - double(centre_))); }

 private:
  static constexpr std::ptrdiff_t tile = 16;

  // Continues U and V from the centre in the direction `step`; returns how many items there are.
  std::size_t extend(const T* gap, int step, double end, T cutoff);
  // Room for `items` on either side of the centre.
  void reserve(std::size_t items);

  T cutoff_ = 0;
  std::size_t centre_ = 0, first_ = 0, count_ = 0;
  std::size_t zero_ = 0;  // where the centre is in U_ and V_
  std::vector<T> U_, V_;
};

template <class T> void Frame<T>::reserve(std::size_t items) {
  if (items <= zero_) return;
  const std::size_t zero = std::max<std::size_t>(256, 2 * items), shift = zero - zero_;
  for (std::vector<T>* x : {&U_, &V_}) {
    std::vector<T> wider(2 * zero);
    std::copy(x->begin(), x->end(), wider.begin() + std::ptrdiff_t(shift));
    x->swap(wider);
  }
  zero_ = zero;
}

template <class T> std::size_t Frame<T>::extend(const T* gap, int step, double end, T cutoff) {
  const double distance = std::abs(end - double(centre_));  // of the last row from the centre
  double u = 0, v = 0, largest = 0;
  for (std::ptrdiff_t m = 0;; m += tile) {
    reserve(std::size_t(m + 2 * tile) + Lanes<T>::size);
    T d[tile];
    std::ptrdiff_t open = 0;  // items before a gap that ends it all
    for (std::ptrdiff_t k = 0; k < tile; ++k) d[k] = step > 0 ? gap[m + k] : gap[-1 - m - k];
    while (open < tile && d[open] <= cutoff) ++open;
    // The tile's own sums first, so that only their totals wait for the tile before.
    double du[tile], dv[tile];
    double tile_u = 0, tile_v = 0;
    for (std::ptrdiff_t k = 0; k < tile; ++k) {
      du[k] = tile_u += double(d[k]);
      dv[k] = tile_v += double(2 * (m + k) + 1) * double(d[k]);
    }
    T *to_u = U_.data() + zero_ + step * (m + 1), *to_v = V_.data() + zero_ + step * (m + 1);
    for (std::ptrdiff_t k = 0; k < tile; ++k) {
      to_u[step * k] = T(step * (u + du[k]));
      to_v[step * k] = T(v + dv[k]);
    }
    if (open < tile) return std::size_t(m + open);
    u += tile_u;
    v += tile_v;
    const double logit = 2 * distance * u - v;
    largest = std::max(largest, logit);
    if (double(m + tile) > distance && logit < largest - double(cutoff)) {
      return std::size_t(m + tile);
    }
  }
}

template <class T>
void Frame<T>::set(const T* gap, std::size_t centre, double left, double right, T cutoff) {
  centre_ = centre;
  cutoff_ = cutoff;
  reserve(1);
  U_[zero_] = V_[zero_] = T(0);
  const std::size_t before = extend(gap + centre, -1, left, cutoff);
  const std::size_t after = extend(gap + centre, 1, right, cutoff);
  first_ = centre - before;
  count_ = before + 1 + after;
  // Up to whole lanes, with items of no weight.
  std::fill_n(U_.data() + zero_ + after + 1, Lanes<T>::size, T(0));
  std::fill_n(V_.data() + zero_ + after + 1, Lanes<T>::size, T(1e30));
}

// A row at place x: its normaliser and means relative to the frame's centre item.
template <class T, int columns> struct RowSums {
  T largest;
  double total, mean_U, var_U;  // of e^(logit - largest); of U under the row
  double mean[columns > 0 ? columns : 1];
};

template <class T, int columns>
[[gnu::flatten]] RowSums<T, columns> sum_row(const Frame<T>& frame, double x, const T* const* b) {
  using L = Lanes<T>;
  constexpr int slots = columns > 0 ? columns : 1;
  const T *U = frame.U(), *V = frame.V();
  RowSums<T, columns> row{};
  row.largest = frame.largest(x);
  const L slope(frame.slope(x)), largest(row.largest);
  L total(T(0)), u_sum(T(0)), uu_sum(T(0));
  L sums[slots]{L(T(0))}, own[slots]{L(T(0))};
  const T* item[slots];
  for (int c = 0; c < columns; ++c) {
    own[c] = L(b[c][frame.centre()]);
    item[c] = b[c] + frame.first();
    sums[c] = L(T(0));
  }
  for (std::size_t j = 0; j < frame.count(); j += L::size) {
    const L u = load(U + j), logit = (slope * u - load(V + j)) - largest;
    if (!simd::any(logit > L(-frame.cutoff()))) continue;  // the frame is as wide as its widest row
    const L e = exp(logit);
    total += e;
    u_sum += e * u;
    uu_sum += e * u * u;
    for (int c = 0; c < columns; ++c)
      sums[c] += weighted(e > L(T(0)), e, load(item[c] + j) - own[c]);
  }
  row.total = simd::sum(total);
  row.mean_U = simd::sum(u_sum) / row.total;
  row.var_U = simd::sum(uu_sum) / row.total - row.mean_U * row.mean_U;
  for (int c = 0; c < columns; ++c) row.mean[c] = simd::sum(sums[c]) / row.total;
  return row;
}

}  // namespace tapesort::band
