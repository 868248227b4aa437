// The rows at all nodes of a block (section 8 of README.md), and their columns' sums.
//
// From node to node the weight e^logit of item j is multiplied by e^(-2 step |U_j|), when the walk
// begins at that end of the block where the item's logit is largest: the right end for items from the
// centre on, the left end for those before it. There are three sizes of steps, so four exponentials
// serve all nodes, each at one product more. Products that only get smaller cannot overflow.
#pragma once

#include "ops/sorting/neural_sort/chebyshev.hpp"
#include "ops/sorting/neural_sort/frame.hpp"

namespace tapesort::band {

template <class T, int nodes> class Walk {
 public:
  using L = Lanes<T>;
  using Nodes = Chebyshev<nodes>;

  // side 1: over the items from the centre on; -1: over those before it.
  Walk(const Frame<T>& frame, int side, double middle, double half)
      : frame_(frame),
        side_(side),
        half_(half),
        begin_(side > 0 ? frame.centre() - frame.first() : 0),
        end_(side > 0 ? frame.count() : frame.centre() - frame.first()),
        slope_(frame.slope(middle + side * half * Nodes::node(0))),
        largest_(frame.largest(middle + side * half * Nodes::node(0))) {
    T below[padded]{};
    for (int t = 0; half > 0 && t < nodes; ++t)  // not of a single row
      below[t] = largest_ - frame.largest(middle + half * Nodes::node(node(t)));
    for (std::size_t t = 0; t < padded; t += L::size) store(scales_ + t, exp(load(below + t)));
  }

  // The walk's t-th node.
  int node(int t) const { return side_ > 0 ? t : nodes - 1 - t; }
  // Weights are relative to the largest logit where the walk begins. Times this, they are relative to
  // the largest of the t-th node's own row.
  T scale(int t) const { return scales_[t]; }

  struct Items {
    std::size_t first, count;  // a register of items of the frame
    Mask<T> inside;            // the first `count`
    L U, weight, factors[3];   // weight: at the walk's first node; the next is weight * factor
  };
  template <class F> void for_items(const F& f) const {
    const L ramp = simd::ramp<T>(), slope(slope_), largest(largest_);
    const int sizes = half_ > 0 ? 3 : 0;  // a single row takes no step
    T rates[3];
    for (int size = 0; size < sizes; ++size)
      rates[size] = T(-2 * side_ * half_ * Nodes::step(size));
    for (std::size_t j = begin_; j < end_; j += L::size) {
      Items items;
      items.first = j;
      items.count = std::min(L::size, end_ - j);
      items.inside = ramp < L(T(items.count));
      items.U = simd::select(items.inside, load(frame_.U() + j), L(T(0)));
      const L V = simd::select(items.inside, load(frame_.V() + j), L(T(1e30)));
      const L logit = (slope * items.U - V) - largest;
      // Items beyond the block weigh most here; those within it may weigh more further on.
      const std::size_t away = side_ > 0 ? j - begin_ : end_ - (j + items.count);
      if (double(away) > half_ && !simd::any(logit > L(-frame_.cutoff()))) continue;
      items.weight = exp(logit);
      for (int size = 0; size < sizes; ++size) items.factors[size] = exp(L(rates[size]) * items.U);
      f(items);
    }
  }

 private:
  static constexpr std::size_t padded = whole_lanes<T>(nodes);

  const Frame<T>& frame_;
  int side_;
  double half_;
  std::size_t begin_, end_;
  T slope_, largest_, scales_[padded];
};

template <class T, int columns, int nodes>
[[gnu::flatten]] void sum_rows(const Frame<T>& frame, double middle, double half, const T* const* b,
                               RowSums<T, columns>* rows) {
  using L = Lanes<T>;
  using Nodes = Chebyshev<nodes>;
  constexpr int sums = 3 + columns, tile = 16;
  L total[nodes][sums];
  for (auto& of_node : total) std::fill_n(of_node, sums, L(T(0)));
  for (const int side : {1, -1}) {
    const Walk<T, nodes> walk(frame, side, middle, half);
    L sum[nodes][sums];
    for (auto& of_node : sum) std::fill_n(of_node, sums, L(T(0)));
    // A tile of registers stays in the cache while all nodes are visited.
    L weight[tile], factors[3][tile], U[tile], item[columns > 0 ? columns : 1][tile];
    int count = 0;
    const auto add_tile = [&] {
      for (int t = 0; t < nodes; ++t) {
        const L* factor = factors[t == 0 ? 0 : Nodes::step_at(t - 1)];
        L of_node[sums];
        std::copy_n(sum[t], sums, of_node);
        for (int k = 0; k < count; ++k) {
          const L e = t == 0 ? weight[k] : weight[k] * factor[k], e_u = e * U[k];
          weight[k] = e;
          of_node[0] += e;
          of_node[1] += e_u;
          of_node[2] += e_u * U[k];
          for (int c = 0; c < columns; ++c) of_node[3 + c] += e * item[c][k];
        }
        std::copy_n(of_node, sums, sum[t]);
      }
      count = 0;
    };
    walk.for_items([&](const auto& items) {
      weight[count] = items.weight;
      U[count] = items.U;
      for (int size = 0; size < 3; ++size) factors[size][count] = items.factors[size];
      for (int c = 0; c < columns; ++c) {
        const L x = load(b[c] + frame.first() + items.first) - L(b[c][frame.centre()]);
        item[c][count] = simd::select(items.inside, x, L(T(0)));
      }
      if (++count == tile) add_tile();
    });
    add_tile();
    for (int t = 0; t < nodes; ++t) {
      for (int k = 0; k < sums; ++k) total[walk.node(t)][k] += L(walk.scale(t)) * sum[t][k];
    }
  }
  for (int t = 0; t < nodes; ++t) {
    RowSums<T, columns>& row = rows[t];
    row.largest = frame.largest(middle + half * Nodes::node(t));
    row.total = simd::sum(total[t][0]);
    row.mean_U = simd::sum(total[t][1]) / row.total;
    row.var_U = simd::sum(total[t][2]) / row.total - row.mean_U * row.mean_U;
    for (int c = 0; c < columns; ++c) row.mean[c] = T(simd::sum(total[t][3 + c]) / row.total);
  }
}

// What the transposed sums need of a row.
template <class T, int columns> struct RowWeights {
  T offset;  // x - centre
  T a[columns];
  T a_mean;  // sum_c a_c mean_c
};

// The columns' sums (lanes.hpp) over the first `count` rows of a block (1 or all), added to those in
// `to`, which begin at item `origin`: G, K and the H_c. a_i comes multiplied by 1 / total.
template <class T, int columns, Sums sums, int nodes>
[[gnu::flatten]] void sum_columns(const Frame<T>& frame, double middle, double half,
                                  const RowWeights<T, columns>* rows, int count, const T* const* b,
                                  std::size_t origin, T* const* to) {
  using L = Lanes<T>;
  const L ramp = simd::ramp<T>();
  for (const int side : {1, -1}) {
    const Walk<T, nodes> walk(frame, side, middle, half);
    RowWeights<T, columns> visited[nodes];
    for (int t = 0; t < count; ++t) {
      visited[t] = rows[count == 1 ? 0 : walk.node(t)];
      visited[t].a_mean *= walk.scale(t);
      for (T& a : visited[t].a) a *= walk.scale(t);
    }
    walk.for_items([&](const auto& items) {
      const std::size_t j = frame.first() + items.first;
      const auto add_to = [&](T* sum, const L& x) {
        T numbers[L::size];
        store(numbers, x);
        for (std::size_t k = 0; k < items.count; ++k) sum[j - origin + k] += numbers[k];
      };
      const L distance = ramp + L(T(double(j) - double(frame.centre())));
      L g_sum(T(0)), k_sum(T(0)), h_sum[columns]{L(T(0))}, item[columns]{L(T(0))};
      for (int c = 0; c < columns; ++c) {
        h_sum[c] = L(T(0));
        if (sums != Sums::logits) continue;
        item[c] = simd::select(items.inside, load(b[c] + j) - L(b[c][frame.centre()]), L(T(0)));
      }
      L e = items.weight;
      for (int t = 0; t < count; ++t) {
        const RowWeights<T, columns>& row = visited[t];
        if (t > 0) e *= items.factors[Chebyshev<nodes>::step_at(t - 1)];
        L g(-row.a_mean);
        for (int c = 0; c < columns; ++c) {
          const L a(row.a[c]);
          h_sum[c] += e * a;
          if (sums == Sums::logits) g += a * item[c];
          if (sums == Sums::moments) g = a;
        }
        if (sums == Sums::transpose) continue;
        g *= e;
        k_sum += (distance - L(row.offset)) * g;
        if (sums == Sums::logits) g_sum += g;
      }
      for (int c = 0; c < columns; ++c) add_to(to[c + 2], h_sum[c]);
      if (sums != Sums::transpose) add_to(to[1], k_sum);
      if (sums == Sums::logits) add_to(to[0], g_sum);
    });
  }
}

}  // namespace tapesort::band
