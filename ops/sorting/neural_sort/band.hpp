// P_hat as a band in sorted order: its products with columns, and the pullback to the scores, in
// O(n) memory.
//
// Three ways to the rows, chosen place by place:
//   lanes    where a row is narrow: neighbouring rows side by side (band_kernels.hpp), O(w) each
//   blocks   where it is wide, and smooth as a function of the place x: the rows at a few Chebyshev
//            nodes, the rest interpolated, so that the cost a row no longer grows with w
//   singles  where it is wide but not smooth, and few rows are wanted: one row at a time
//
// When a block may be interpolated. In x the row p(x) is an exponential family with statistic
// U_j = (v_c - v_j) / tau: p_j(x) = e^(2 (x - c) U_j - V_j) / Z(x). Everything asked of it (means,
// the normaliser, and each item's share of the gradient) is analytic in x except where Z = 0. With
// V(x) = Var U under the row at x, |Z(x + i s)| / Z(x) >= E cos(2 s (U - EU)) >= 1 - 2 s^2 V(x), so
// there is no zero within 1 / sqrt(2 V) of the real axis. A block of half-length h is therefore
// safe when h^2 V is bounded on it and some way beyond both of its ends: Chebyshev's error falls
// like rho^-nodes, and the bound below gives rho > 2.8 for values and gradients alike. V is checked
// at the nodes, and between neighbouring nodes by its mean, as d EU / dx = 2 V: a jump between two
// nodes (a cluster's edge, a step between tied groups) cannot hide. A block that fails is halved,
// down to a length at which its nodes are most of its rows.
#pragma once

#include <vector>

#include "ops/sorting/neural_sort/lanes.hpp"
#include "ops/sorting/neural_sort/sorted_scores.hpp"

namespace tapesort {

struct RowRange {
  std::size_t begin, end;  // places begin .. end - 1, of all sets
};

// Chebyshev nodes of a block.
template <class T> constexpr int band_nodes = sizeof(T) == 4 ? 16 : 32;

// How far below a row's largest logit one may be and still count; see neural_sort.hpp.
template <class T> constexpr T band_cutoff(std::size_t n) {
  if (n <= 256) return sizeof(T) == 4 ? T(87) : T(700);
  return sizeof(T) == 4 ? T(18) : T(38);
}

// From G_j = sum_i g_ij and K_j = sum_i (j - i) g_ij, g being the cotangent of the logits, to
// the scores, added to vbar. Every row of g sums to zero; so with S_j = sum_(k<j) G_k of the same
// set, for scores tied at the places first .. last,
//   vbar_j = (2 K_j + (first + last - 2 j) G_j + S_first + S_(last+1)) / tau.
// The weights n + 1 - 2 i of the formula and the signs in A_j's derivative are both in it, joined
// before anything could cancel.
template <class T, class Sum>
void add_score_gradient(const SortedScores<T>& scores, const Sum* G, const Sum* K, Column<T>& vbar);

template <class T> class Band {
 public:
  // Columns of numbers by place (in sorted order), several at a time.
  using Columns = std::vector<Column<T>>;

  // The rows in `ranges` (disjoint, ascending). The scores must outlive the band.
  Band(const SortedScores<T>& scores, const std::vector<RowRange>& ranges, bool interpolate);

  // Means of columns b under every row, as pull_back needs them: relative to b at the row's own
  // item, or at a block's centre.
  struct Means {
    Columns rows;
    std::vector<std::vector<T>> nodes;  // [chunk * columns + column][node]
  };

  // y_c = P_hat b_c on the rows of this band (elsewhere y_c stays as it is). y may be empty.
  Means apply(const Columns& b, Columns& y);

  // log sum_j e^(logit(i, j) - logit(i, i)), row by row.
  Column<T> log_normalisers();

  // H_c += P_hat^T a_c over the rows of this band. After apply or log_normalisers.
  void apply_transposed(const Columns& a, Columns& H) const;

  // For the cotangent Pbar[i, j] = sum_c a_c[i] b_c[j] of P_hat on the rows of this band: adds the
  // gradient to vbar, and P_hat^T a_c to H_c. `means` is what apply gave for b.
  void pull_back(const Columns& a, const Columns& b, const Means& means, Column<T>& vbar,
                 Columns& H) const;

  // Adds the gradient of sum_i a[i] log_normalisers[i] to vbar.
  void pull_back_log_normalisers(const Column<T>& a, Column<T>& vbar) const;

 private:
  struct Block {
    std::size_t row, length;  // a single row when length is 1
    std::size_t first_node;   // within its chunk
    std::size_t first_item, last_item;
  };
  struct Chunk {
    RowRange range;
    std::vector<RowRange> lanes;
    std::vector<Block> blocks;
    std::vector<T> node_scale;
    std::size_t reach = 0;  // of the rows in lanes
  };
  struct Pass;

  template <int columns> void rows_pass(const Pass& pass);
  template <int columns> void plan(Chunk& chunk, std::size_t index, const Pass& pass);
  template <int columns>
  void lanes(Chunk& chunk, std::size_t row, std::size_t count, const Pass& pass);
  template <int columns>
  bool block(Chunk& chunk, std::size_t index, std::size_t row, std::size_t length,
             const Pass& pass);
  template <int columns, band::Sums sums>
  void columns_pass(const T* const* a, const T* const* b, const Means* means, std::size_t first,
                    T* G, T* K, T* const* H) const;

  const SortedScores<T>* scores_;
  bool interpolate_, planned_ = false;
  T cutoff_;
  // sum_(j != i) e^(logit(i, j) - logit(i, i)) where the row is done by lanes, or infinity: the row's
  // own item has 1 / (1 + rest), the others together rest / (1 + rest).
  Column<T> rest_;
  std::vector<Chunk> chunks_;
};

}  // namespace tapesort
