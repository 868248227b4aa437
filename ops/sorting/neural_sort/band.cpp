#include "ops/sorting/neural_sort/band.hpp"

#include <limits>

#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "ops/sorting/neural_sort/block.hpp"

namespace tapesort {

using band::Chebyshev;
using band::Frame;
using band::RowSums;

namespace {

// Half-length of a block times 2 Std U: the bound that is checked, and the length first tried.
// Section 8 of README.md derives this and the next.
constexpr double widest = 1.85, first_try = 1.64;
// Rows checked beyond the ends of a block, in half-lengths from its middle.
constexpr double beyond = 1.26;
// Singles rather than lanes when the rows' scale in places is above this.
constexpr std::size_t wide_scale = 40;

// Over how many places the rows around `row` change: where the logit has fallen by 1/2, on the
// steeper side, and at most as many as are in reach of each other.
template <class T>
std::size_t scale_of_rows(const T* gap, std::size_t row, std::size_t most, T cutoff) {
  std::size_t scale = most, in_reach = 1;
  const auto side = [&](const T* g, std::ptrdiff_t step) {
    T depth = 0;
    for (std::size_t q = 0; q < most && *g <= cutoff; ++q, ++in_reach, g += step) {
      depth += T(2 * q + 1) * *g;
      if (depth >= T(0.5)) {
        scale = std::min(scale, q + 1);
        break;
      }
    }
  };
  side(gap + row, 1);
  side(gap + row - 1, -1);
  return std::min(scale, in_reach);
}

}  // namespace

template <class T> struct Band<T>::Pass {
  const T* b[4];
  T* y[4];
  Means* means;
  std::size_t first_column;
  T* log_normaliser;
};

template <class T>
Band<T>::Band(const SortedScores<T>& scores, const std::vector<RowRange>& ranges, bool interpolate)
    : scores_(&scores),
      interpolate_(interpolate),
      cutoff_(band_cutoff<T>(scores.n)),
      rest_(scores.size(), T(0)) {
  std::fill_n(rest_.data(), rest_.size(), std::numeric_limits<T>::infinity());
  // Chunks are planned on their own, in parallel. They do not depend on the number of threads.
  const std::size_t longest = std::max<std::size_t>(512, scores.size() / 16 + 1);
  for (const RowRange& range : ranges) {
    const std::size_t rows = range.end - range.begin, parts = (rows + longest - 1) / longest;
    for (std::size_t p = 0; p < parts; ++p) {
      Chunk chunk;
      chunk.range = {range.begin + rows * p / parts, range.begin + rows * (p + 1) / parts};
      chunks_.push_back(std::move(chunk));
    }
  }
}

template <class T> typename Band<T>::Means Band<T>::apply(const Columns<T>& b, Columns<T>& y) {
  Means means;
  means.rows = zero_columns<T>(b.size(), scores_->size());
  means.nodes.resize(chunks_.size() * b.size());
  band::for_columns(b.size(), [&](std::size_t first, auto columns) {
    Pass pass{};
    pass.means = &means;
    pass.first_column = first;
    for (std::size_t c = 0; c < std::size_t(columns); ++c) {
      pass.b[c] = b[first + c].data();
      if (!y.empty()) pass.y[c] = y[first + c].data();
    }
    rows_pass<columns>(pass);
  });
  return means;
}

template <class T> Column<T> Band<T>::log_normalisers() {
  auto result = Column<T>::zeros(scores_->size());
  Pass pass{};  // no columns, no means
  pass.log_normaliser = result.data();
  rows_pass<0>(pass);
  return result;
}

template <class T> template <int columns> void Band<T>::rows_pass(const Pass& pass) {
  const FlushDenormals flush;
  const std::size_t rows = chunks_.empty() ? 1 : chunks_[0].range.end - chunks_[0].range.begin;
  parallel_for(
      chunks_.size(), 1 + 500 / (rows + 1), [&](std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t index = begin; index < end; ++index) {
          Chunk& chunk = chunks_[index];
          if (!planned_) {
            plan<columns>(chunk, index, pass);
            continue;
          }
          for (const RowRange& range : chunk.lanes) {
            for (std::size_t row = range.begin; row < range.end; row += Lanes<T>::size) {
              lanes<columns>(chunk, row, std::min(range.end - row, Lanes<T>::size), pass);
            }
          }
          for (std::size_t k = 0; k < chunk.blocks.size(); ++k) {
            block<columns>(chunk, index, chunk.blocks[k].row, chunk.blocks[k].length, pass);
          }
        }
      });
  planned_ = true;
}

// Walks through the rows, deciding and computing at once.
template <class T>
template <int columns>
void Band<T>::plan(Chunk& chunk, std::size_t index, const Pass& pass) {
  constexpr std::size_t shortest = 5 * band_nodes<T> / 2, least = 3 * band_nodes<T> / 2;
  const T* gap = scores_->gap.data();
  const std::size_t end = chunk.range.end;
  const bool few = chunk.range.end - chunk.range.begin < Lanes<T>::size && scores_->n > 32;
  for (std::size_t row = chunk.range.begin; row < end;) {
    const std::size_t left = end - row;
    if (few) {
      block<columns>(chunk, index, row++, 1, pass);
      continue;
    }
    std::size_t scale = 0;
    if (interpolate_ && left >= shortest) {
      scale = scale_of_rows(gap, row, left, cutoff_);
      std::size_t length = std::min(left, std::size_t(2 * first_try * double(scale)));
      for (std::size_t k = 1; k < length; ++k) {
        if (gap[row + k - 1] > cutoff_) length = k;  // not across what nothing reaches across
      }
      if (length < left) {  // even lengths, no short rest
        const std::size_t parts = (left + length - 1) / std::max<std::size_t>(1, length);
        if (parts < 4) length = std::min(length, (left + parts - 1) / parts);
      }
      if (length < shortest) length = 0;
      while (length >= least && !block<columns>(chunk, index, row, length, pass)) length /= 2;
      if (length >= least) {
        row += length;
        continue;
      }
    }
    const std::size_t count = std::min(left, Lanes<T>::size);
    if (scale <= wide_scale) {
      lanes<columns>(chunk, row, count, pass);
      join(chunk.lanes, {row, row + count});
    } else {
      for (std::size_t k = 0; k < count; ++k) block<columns>(chunk, index, row + k, 1, pass);
    }
    row += count;
  }
}

template <class T>
template <int columns>
void Band<T>::lanes(Chunk& chunk, std::size_t row, std::size_t count, const Pass& pass) {
  T rest[Lanes<T>::size], mean[columns > 0 ? columns : 1][Lanes<T>::size];
  const std::size_t reach =
      band::lane_rows<T, columns>(scores_->gap.data(), row, cutoff_, pass.b, rest, mean);
  chunk.reach = std::max(chunk.reach, reach);
  std::copy_n(rest, count, rest_.data() + row);
  for (int c = 0; c < columns; ++c) {
    std::copy_n(mean[c], count, pass.means->rows[pass.first_column + c].data() + row);
    if (pass.y[c] == nullptr) continue;
    for (std::size_t k = 0; k < count; ++k) pass.y[c][row + k] = pass.b[c][row + k] + mean[c][k];
  }
  if (pass.log_normaliser != nullptr) {
    for (std::size_t k = 0; k < count; ++k) pass.log_normaliser[row + k] = std::log1p(rest[k]);
  }
}

// One block (or, with length 1, one row); false, and nothing done, when it may not be interpolated.
template <class T>
template <int columns>
bool Band<T>::block(Chunk& chunk, std::size_t index, std::size_t row, std::size_t length,
                    const Pass& pass) {
  constexpr int nodes = band_nodes<T>;
  using Cheb = Chebyshev<nodes>;
  const T* gap = scores_->gap.data();
  const std::size_t centre = row + length / 2;
  const double middle = double(row) + 0.5 * double(length - 1), half = 0.5 * double(length);
  const bool single = length == 1;
  thread_local Frame<T> frame;
  const double margin = single ? 0 : beyond * half;
  frame.set(gap, centre, middle - margin, middle + margin, cutoff_);

  RowSums<T, columns> rows[nodes];
  const int count = Cheb::count(length);
  if (single) {
    rows[0] = band::sum_row<T, columns>(frame, middle, pass.b);
  } else {
    band::sum_rows<T, columns, nodes>(frame, middle, half, pass.b, rows);
  }
  if (!planned_ && !single) {
    // EU grows with x at the rate 2 Var U; both must stay small on the block's scale.
    const auto EU_at = [&](double z) {
      return band::sum_row<T, 0>(frame, middle + z * half, nullptr).mean_U;
    };
    double z_before = beyond, EU_before = EU_at(beyond);
    const auto smooth = [&](double z, double EU) {
      const double steps = 2 * half * (EU_before - EU);
      const bool ok = steps <= widest * widest * (z_before - z) * 1.0001 + 1e-6;
      z_before = z;
      EU_before = EU;
      return ok;
    };
    for (int t = 0; t < count; ++t) {
      if (!(4 * half * half * rows[t].var_U <= widest * widest)) return false;
      if (!smooth(Cheb::node(t), rows[t].mean_U)) return false;
    }
    if (!smooth(-beyond, EU_at(-beyond))) return false;
  }

  if (!planned_) {
    chunk.blocks.push_back(
        {row, length, chunk.node_scale.size(), frame.first(), frame.first() + frame.count()});
    for (int t = 0; t < count; ++t) chunk.node_scale.push_back(T(1 / rows[t].total));
  }
  for (int c = 0; c < columns; ++c) {
    typename Cheb::Values f{};
    auto& node_means =
        pass.means->nodes[index * pass.means->rows.size() + pass.first_column + std::size_t(c)];
    for (int t = 0; t < count; ++t) {
      f[t] = rows[t].mean[c];
      node_means.push_back(T(f[t]));
    }
    if (pass.y[c] == nullptr) continue;
    T* y = pass.y[c] + row;
    const double base = double(pass.b[c][centre]);
    Cheb::evaluate(f, length, [&](std::size_t i, double value) { y[i] = T(base + value); });
  }
  if (pass.log_normaliser != nullptr) {
    typename Cheb::Values f{};
    for (int t = 0; t < count; ++t) f[t] = std::log(rows[t].total) + double(rows[t].largest);
    T* log_normaliser = pass.log_normaliser + row;
    Cheb::evaluate(f, length, [&](std::size_t i, double value) {
      log_normaliser[i] = T(value - double(frame.largest(double(row + i))));
    });
  }
  return true;
}

INSTANTIATE_CLASS(Band)

}  // namespace tapesort
