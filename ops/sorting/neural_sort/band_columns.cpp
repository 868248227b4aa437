#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "ops/sorting/neural_sort/band.hpp"
#include "ops/sorting/neural_sort/block.hpp"

namespace tapesort {

using band::Chebyshev;
using band::Frame;
using band::RowWeights;
using band::Sums;

template <class T>
template <int columns, Sums sums>
void Band<T>::columns_pass(const T* const* a, const T* const* b, const Means* means,
                           std::size_t first, T* const* to) const {
  const FlushDenormals flush;
  const T* gap = scores_->gap.data();
  const std::size_t size = scores_->size();
  T *G = to[0], *K = to[1], *const *H = to + 2;

  // The rows done by lanes: every item looks at the rows around it.
  Columns<T> weights(columns, Column<T>(size, T(0)));
  std::vector<RowRange> items;
  std::size_t reach = 0;
  for (const Chunk& chunk : chunks_) {
    reach = std::max(reach, chunk.reach);
    for (const RowRange& rows : chunk.lanes) {
      join(items, {rows.begin - std::min(rows.begin, chunk.reach),
                   std::min(size, rows.end + chunk.reach)});
    }
  }
  if (!items.empty()) {
    const T *w[columns], *means_of[columns]{};
    for (int c = 0; c < columns; ++c) {
      T* weight = weights[c].data();
      w[c] = weight;
      if (sums == Sums::logits) means_of[c] = means->rows[first + c].data();
      parallel_for(size, 1 << 16, [&](std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t i = begin; i < end; ++i) weight[i] = a[c][i] / (1 + rest_[i]);
      });
    }
    std::vector<RowRange> pieces;
    for (const RowRange& range : items) {
      for (std::size_t j = range.begin; j < range.end; j += 512) {
        pieces.push_back({j, std::min(range.end, j + 512)});
      }
    }
    parallel_for(pieces.size(), 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      T g[Lanes<T>::size], k[Lanes<T>::size], h[columns][Lanes<T>::size];
      for (std::size_t piece = begin; piece < end; ++piece) {
        for (std::size_t j = pieces[piece].begin; j < pieces[piece].end; j += Lanes<T>::size) {
          band::lane_columns<T, columns, sums>(gap, j, cutoff_, reach, w, b, means_of, g, k, h);
          const std::size_t count = std::min(Lanes<T>::size, pieces[piece].end - j);
          for (std::size_t i = 0; i < count; ++i) {
            if (sums == Sums::logits) G[j + i] += g[i];
            if (sums != Sums::transpose) K[j + i] += k[i];
            for (int c = 0; c < columns; ++c) H[c][j + i] += h[c][i];
          }
        }
      }
    });
  }

  // The blocks: every part of the work adds to columns of its own, which are then added up.
  struct Part {
    std::size_t begin = 0;
    std::vector<T> own[columns + 2];
  };
  const std::size_t grain = 1;
  std::vector<Part> parts(parallel_parts(chunks_.size(), grain));
  parallel_for(chunks_.size(), grain, [&](std::size_t begin, std::size_t end, std::size_t index) {
    Part& part = parts[index];
    std::size_t last = 0;
    part.begin = size;
    for (std::size_t k = begin; k < end; ++k) {
      for (const Block& block : chunks_[k].blocks) {
        part.begin = std::min(part.begin, block.first_item);
        last = std::max(last, block.last_item);
      }
    }
    if (last == 0) return;
    T* into[columns + 2];
    std::copy_n(to, columns + 2, into);
    std::size_t origin = 0;
    if (parts.size() > 1) {
      origin = part.begin;
      for (int k = 0; k < columns + 2; ++k) {
        if (to[k] == nullptr) continue;
        part.own[k].assign(last - origin, T(0));
        into[k] = part.own[k].data();
      }
    }
    Frame<T> frame;
    for (std::size_t c = begin; c < end; ++c) {
      for (const Block& block : chunks_[c].blocks) {
        constexpr int nodes = band_nodes<T>;
        using Cheb = Chebyshev<nodes>;
        const double half = block.length == 1 ? 0 : 0.5 * double(block.length);
        const double middle = double(block.row) + 0.5 * double(block.length - 1);
        frame.set(gap, block.row + block.length / 2, middle - half, middle + half, cutoff_);
        RowWeights<T, columns> rows[nodes];
        const int count = Cheb::count(block.length);
        typename Cheb::Values spread[columns];
        for (int col = 0; col < columns; ++col) {
          spread[col] =
              Cheb::spread(block.length, [&](std::size_t i) { return a[col][block.row + i]; });
        }
        for (int t = 0; t < count; ++t) {
          const double x = middle + Cheb::node(t) * half;
          const std::size_t node = block.first_node + std::size_t(t);
          const double scale = double(chunks_[c].node_scale[node]);
          RowWeights<T, columns>& row = rows[t];
          row.offset = T(x - double(frame.centre()));
          double mean = 0;
          for (int col = 0; col < columns; ++col) {
            row.a[col] = T(spread[col][t] * scale);
            if (sums != Sums::logits) continue;
            const auto& node_means =
                means->nodes[c * means->rows.size() + first + std::size_t(col)];
            mean += spread[col][t] * scale * double(node_means[node]);
          }
          row.a_mean = T(mean);
        }
        band::sum_columns<T, columns, sums, nodes>(frame, middle, half, rows, count, b, origin,
                                                   into);
      }
    }
  });
  if (parts.size() == 1) return;
  for (const Part& part : parts) {
    for (int k = 0; k < columns + 2; ++k) {
      for (std::size_t i = 0; i < part.own[k].size(); ++i) to[k][part.begin + i] += part.own[k][i];
    }
  }
}

template <class T, class Sum>
void add_score_gradient(const SortedScores<T>& s, const Sum* G, const Sum* K, Column<T>& vbar) {
  const T* v = s.value.data();
  parallel_for(s.sets, 1 + 16384 / (s.n + 1), [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t set = begin; set < end; ++set) {
      double before = 0;
      const std::size_t stop = (set + 1) * s.n;
      for (std::size_t first = set * s.n, next; first < stop; first = next) {
        double after = before;
        for (next = first; next < stop && v[next] == v[first]; ++next) after += double(G[next]);
        for (std::size_t j = first; j < next; ++j) {
          const double off_middle = double(first) + double(next - 1) - 2 * double(j);
          const double total = 2 * double(K[j]) + off_middle * double(G[j]) + before + after;
          vbar[j] += T(total / s.tau);
        }
        before = after;
      }
    }
  });
}

template <class T> void Band<T>::apply_transposed(const Columns<T>& a, Columns<T>& H) const {
  for (std::size_t c = 0; c < a.size(); ++c) {
    const T* from[1] = {a[c].data()};
    T* to[3] = {nullptr, nullptr, H[c].data()};
    columns_pass<1, Sums::transpose>(from, nullptr, nullptr, 0, to);
  }
}

template <class T>
void Band<T>::pull_back(const Columns<T>& a, const Columns<T>& b, const Means& means,
                        Column<T>& vbar, Columns<T>& H) const {
  Array<T> G = zeros<T>({scores_->size()}), K = zeros<T>({scores_->size()});
  band::for_columns(a.size(), [&](std::size_t first, auto columns) {
    const T *from[4], *item[4];
    T* to[6] = {G.data(), K.data()};
    for (std::size_t c = 0; c < std::size_t(columns); ++c) {
      from[c] = a[first + c].data();
      item[c] = b[first + c].data();
      to[c + 2] = H[first + c].data();
    }
    columns_pass<columns, Sums::logits>(from, item, &means, first, to);
  });
  add_score_gradient(*scores_, G.data(), K.data(), vbar);
}

template <class T>
void Band<T>::pull_back_log_normalisers(const Column<T>& a, Column<T>& vbar) const {
  // g_ij = a_i (p_ij - [i = j]): the second term moves no mass, so K does not see it. A row done by
  // lanes left its own item out of G, which loses what the others together have.
  Array<T> G = zeros<T>({scores_->size()}), K = zeros<T>({scores_->size()});
  const T* from[1] = {a.data()};
  T* to[3] = {nullptr, K.data(), G.data()};
  columns_pass<1, Sums::moments>(from, nullptr, nullptr, 0, to);
  for (std::size_t j = 0; j < scores_->size(); ++j) {
    G.data()[j] -= std::isinf(rest_[j]) ? a[j] : a[j] * (rest_[j] / (1 + rest_[j]));
  }
  add_score_gradient(*scores_, G.data(), K.data(), vbar);
}

template void add_score_gradient(const SortedScores<float>&, const float*, const float*,
                                 Column<float>&);
template void add_score_gradient(const SortedScores<float>&, const double*, const double*,
                                 Column<float>&);
template void add_score_gradient(const SortedScores<double>&, const double*, const double*,
                                 Column<double>&);
template class Band<float>;
template class Band<double>;

}  // namespace tapesort
