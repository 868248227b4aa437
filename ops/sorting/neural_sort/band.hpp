// P_hat as a band in sorted order: its products with columns, and the pullback to the scores, in
// O(n) memory. README.md derives it; there are three ways to the rows, chosen place by place:
//   lanes    where a row is narrow: neighbouring rows side by side (section 6), O(w) each
//   blocks   where it is wide, and smooth in the place x: the rows at a few Chebyshev nodes, the
//            rest interpolated (section 8), so that the cost a row no longer grows with w
//   singles  where it is wide but not smooth, or few rows are wanted: one at a time (section 7)
#pragma once

#include <vector>

#include "ops/sorting/neural_sort/lanes.hpp"
#include "ops/sorting/neural_sort/sorted_scores.hpp"

namespace tapesort {

struct RowRange {
  std::size_t begin, end;  // places begin .. end - 1, of all sets
};
// Appends a range, to the last one where it touches that.
inline void join(std::vector<RowRange>& ranges, const RowRange& next) {
  if (!ranges.empty() && next.begin <= ranges.back().end) {
    ranges.back().end = std::max(ranges.back().end, next.end);
  } else {
    ranges.push_back(next);
  }
}

// Chebyshev nodes of a block.
template <class T> constexpr int band_nodes = sizeof(T) == 4 ? 24 : 48;

// How far below a row's largest logit one may be and still count: section 3 of README.md.
template <class T> constexpr T band_cutoff(std::size_t n) {
  if (n <= 256) return sizeof(T) == 4 ? T(87) : T(700);
  return sizeof(T) == 4 ? T(18) : T(38);
}

// From G_j = sum_i g_ij and K_j = sum_i (j - i) g_ij, g being the cotangent of the logits, to
// the scores, added to vbar: section 5 of README.md.
template <class T, class Sum>
void add_score_gradient(const SortedScores<T>& scores, const Sum* G, const Sum* K, Column<T>& vbar);

template <class T> class Band {
 public:
  // The rows in `ranges` (disjoint, ascending). The scores must outlive the band.
  Band(const SortedScores<T>& scores, const std::vector<RowRange>& ranges, bool interpolate);

  // Means of columns b under every row, as pull_back needs them: relative to b at the row's own
  // item, or at a block's centre.
  struct Means {
    Columns<T> rows;
    std::vector<std::vector<T>> nodes;  // [chunk * columns + column][node]
  };

  // y_c = P_hat b_c on the rows of this band (elsewhere y_c stays as it is). y may be empty.
  Means apply(const Columns<T>& b, Columns<T>& y);

  // log sum_j e^(logit(i, j) - logit(i, i)), row by row.
  Column<T> log_normalisers();

  // H_c += P_hat^T a_c over the rows of this band. After apply or log_normalisers.
  void apply_transposed(const Columns<T>& a, Columns<T>& H) const;

  // For the cotangent Pbar[i, j] = sum_c a_c[i] b_c[j] of P_hat on the rows of this band: adds the
  // gradient to vbar, and P_hat^T a_c to H_c. `means` is what apply gave for b.
  void pull_back(const Columns<T>& a, const Columns<T>& b, const Means& means, Column<T>& vbar,
                 Columns<T>& H) const;

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
                    T* const* to) const;

  const SortedScores<T>* scores_;
  bool interpolate_, planned_ = false;
  T cutoff_;
  // sum_(j != i) e^(logit(i, j) - logit(i, i)) where the row is done by lanes, else infinity.
  Column<T> rest_;
  std::vector<Chunk> chunks_;
};

}  // namespace tapesort
