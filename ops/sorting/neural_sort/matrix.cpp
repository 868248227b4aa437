// P_hat itself: n^2 memory, but exponentials only inside the band.
#include <cmath>
#include <memory>

#include "engine/instantiate.hpp"
#include "engine/simd_sums.hpp"
#include "ops/select.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/neural_sort/band.hpp"
#include "ops/sorting/neural_sort/formula.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// How far rows reach to either side.
struct Reach {
  std::uint32_t left, right;
};

// Calls work(begin, end, part) for parts of all rows.
template <class Work> void for_rows(std::size_t rows, std::size_t n, const Work& work) {
  const FlushDenormals flush;
  parallel_for(rows, 1 + 50000 / (n + 1), work);
}

// Rows i .. i + count - 1: P (from row i on) is zero and receives the band.
template <class T>
void write_rows(const SortedScores<T>& s, std::size_t i, std::size_t count, T cutoff, T* P,
                Reach* reach, std::vector<T>& scratch) {
  using L = Lanes<T>;
  const T* gap = s.gap.data();
  L total(T(1)), few(T(0));  // few: of up to 64 terms, so that their rounding does not add up
  scratch.clear();
  const auto side = [&](std::ptrdiff_t first, std::ptrdiff_t step) {
    std::uint32_t m = 1;
    for (L logit(T(0));; ++m, first += step) {
      logit -= L(T(2 * m - 1)) * simd::load(gap + first);
      const Mask<T> inside = logit > L(-cutoff);
      if (!simd::any(inside)) return m - 1;
      // Each row ends by itself, whichever rows are beside it.
      const L e = simd::select(inside, exp(logit), L(T(0)));
      few += e;
      if (m % 64 == 0) total += std::exchange(few, L(T(0)));
      scratch.resize(scratch.size() + L::size);
      simd::store(scratch.data() + scratch.size() - L::size, e);
    }
  };
  scratch.reserve(L::size);  // so that it has an address, whatever comes
  const std::uint32_t right = side(std::ptrdiff_t(i), 1), left = side(std::ptrdiff_t(i) - 1, -1);
  T scale[L::size];
  simd::store(scale, L(T(1)) / (total + few));
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t row = i + k, set = row / s.n * s.n, place = row - set;
    const std::uint32_t* order = s.order.data() + set;
    T* p = P + k * s.n;
    const T* e = scratch.data() + k;
    reach[k] = {std::uint32_t(std::min<std::size_t>(left, place)),
                std::uint32_t(std::min<std::size_t>(right, s.n - 1 - place))};
    p[order[place]] = scale[k];
    for (std::size_t m = 1; m <= reach[k].right; ++m) {
      p[order[place + m]] = e[(m - 1) * L::size] * scale[k];
    }
    e += std::size_t(right) * L::size;
    for (std::size_t m = 1; m <= reach[k].left; ++m) {
      p[order[place - m]] = e[(m - 1) * L::size] * scale[k];
    }
  }
}

}  // namespace

template <class T> Var<T> neural_sort(const Var<T>& scores, const NeuralSortOptions& options) {
  const auto s = std::make_shared<SortedScores<T>>("neural_sort", scores.value(), options.tau,
                                                   options.direction);
  const std::size_t n = s->n, rows = s->size();
  Array<T> P = uninitialized<T>(matrix_shape(scores.shape()));
  const auto reach = std::make_shared<std::vector<Reach>>(rows);
  const T cutoff = band_cutoff<T>(n);
  for_rows(rows, n, [&](std::size_t begin, std::size_t end, std::size_t) {
    std::vector<T> scratch;
    for (std::size_t i = begin; i < end; i += Lanes<T>::size) {
      const std::size_t count = std::min(end - i, Lanes<T>::size);
      std::fill_n(P.data() + i * n, count * n, T(0));
      write_rows(*s, i, count, cutoff, P.data() + i * n, reach->data() + i, scratch);
    }
  });
  return record(Op("neural_sort", options.tau), {scores}, std::move(P), [=](Node<T>& P) {
    // g_ij = p_ij (Pbar_ij - <p_i, Pbar_i>) and its column sums, as add_score_gradient wants them.
    // Relative to the row's own item, whose g is what the others lose (section 5 of README.md).
    std::vector<std::vector<double>> G(parallel_parts(rows, 1 + 50000 / (n + 1))), K(G.size());
    for_rows(rows, n, [&](std::size_t begin, std::size_t end, std::size_t part) {
      std::vector<double>&g = G[part], &k = K[part];
      g.assign(rows, 0);
      k.assign(rows, 0);
      std::vector<double> p, pbar;
      for (std::size_t i = begin; i < end; ++i) {
        const Reach r = (*reach)[i];
        const std::uint32_t* item = s->order.data() + i - r.left;
        const T *row = P.value().data() + i * n, *bar = P.cotangent().data() + i * n;
        const std::size_t width = r.left + 1 + r.right;
        p.resize(width);
        pbar.resize(width);
        const double own = double(bar[item[r.left]]);
        double total = 0, mean = 0, lost = 0;
        for (std::size_t j = 0; j < width; ++j) {
          total += p[j] = double(row[item[j]]);
          pbar[j] = double(bar[item[j]]) - own;
        }
        for (double& q : p) q /= total;  // whose sum is rounded
        p[r.left] = 0;
        for (std::size_t j = 0; j < width; ++j) mean += p[j] * pbar[j];
        double *to_g = g.data() + i - r.left, *to_k = k.data() + i - r.left;
        for (std::size_t j = 0; j < width; ++j) {
          const double x = p[j] * (pbar[j] - mean);
          lost += x;
          to_g[j] += x;
          to_k[j] += (double(j) - double(r.left)) * x;
        }
        to_g[r.left] -= lost;
      }
    });
    for (std::size_t part = 1; part < G.size(); ++part) {
      for (std::size_t j = 0; j < rows; ++j) {
        G[0][j] += G[part][j];
        K[0][j] += K[part][j];
      }
    }
    auto vbar = Column<T>::zeros(rows);
    add_score_gradient(*s, G[0].data(), K[0].data(), vbar);
    s->give_gradient(P.input(0), vbar);
  });
}

template <class T> Var<T> neural_sort_hard(const Var<T>& scores, const NeuralSortOptions& options) {
  const Var<T> soft = neural_sort(scores, options);
  return straight_through(permutation_matrix<T>(argsort(scores.value(), options.direction)), soft);
}

// Second derivatives come from the formula as it is written.
template <>
Var<Dual<double>> neural_sort(const Var<Dual<double>>& scores, const NeuralSortOptions& options) {
  return neural_sort_formula(scores, options.tau, options.direction);
}

INSTANTIATE(neural_sort)
INSTANTIATE_TWICE(neural_sort_hard)

}  // namespace tapesort
