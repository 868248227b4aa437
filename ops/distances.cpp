#include "ops/distances.hpp"

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
#include "ops/candidate_strips.hpp"
#include "ops/tile.hpp"

namespace tapesort {

template <class T>
CandidateStrips<T>::CandidateStrips(const Array<T>& candidates)
    : candidates_(candidates.shape()[0]),
      d_(candidates.shape()[1]),
      strips_(uninitialized<T>({count(), d_, width})) {
  const T* x = candidates.data();
  parallel_each(count(), 1 + 10000 / (d_ * width + 1), [&](std::size_t strip) {
    const std::size_t first = strip * width, filled = std::min(width, candidates_ - first);
    T* to = strips_.data() + first * d_;
    for (std::size_t k = 0; k < d_; ++k, to += width) {
      for (std::size_t j = 0; j < filled; ++j) to[j] = x[(first + j) * d_ + k];
      std::fill(to + filled, to + width, T(0));
    }
  });
}

template <class T>
void CandidateStrips<T>::distances(const T* queries, std::size_t rows, std::size_t strip, T* y,
                                   std::size_t y_row) const {
  const T* b = strips_.data() + strip * width * d_;
  const Terms<T> terms{{queries, 1, 0, d_}, {b, width, 0}, d_, 1};
  sum_terms<T, Term::squared_difference>(terms, rows, width, nullptr, 0, y, y_row);
}

namespace {

// 2 sum_j weight_ij (own_i - other_j) for weights (own, other) that stand row and step apart.
template <class T>
Array<T> weighted_differences(const Array<T>& own, const Array<T>& other, const T* weights,
                              std::size_t row, std::size_t step) {
  const std::size_t d = own.shape()[1];
  const Array<T> h = whole_lane_rows(own.data(), own.shape()[0], d);
  const Array<T> b = whole_lane_rows(other.data(), other.shape()[0], d);
  const std::size_t width = h.shape()[1];
  Array<T> sums = uninitialized<T>(h.shape()), bar = uninitialized<T>(own.shape());
  const std::size_t grain = 1 + 50000 / (width * other.shape()[0] + 1);
  parallel_for(own.shape()[0], grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    Terms<T> terms{
        {weights + begin * row, step, 0, row}, {b.data(), width, 0}, other.shape()[0], 1};
    terms.h = {h.data() + begin * width, 0, 0, width};
    sum_terms<T, Term::weighted_difference>(terms, end - begin, width, nullptr, 0,
                                            sums.data() + begin * width, width);
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t k = 0; k < d; ++k) bar.data()[i * d + k] = 2 * sums.data()[i * width + k];
    }
  });
  return bar;
}

}  // namespace

template <class T>
FirstOrder<T> squared_distances(const Var<T>& queries, const Var<T>& candidates) {
  require(queries.dimension() == 2 && candidates.dimension() == 2 &&
              queries.shape()[1] == candidates.shape()[1],
          "squared_distances: queries are ", queries.shape(), ", candidates are ",
          candidates.shape(), "; need (q, d) and (c, d)");
  const std::size_t q = queries.shape()[0], c = candidates.shape()[0], d = queries.shape()[1];
  const CandidateStrips<T> strips(candidates.value());
  constexpr std::size_t width = CandidateStrips<T>::width;
  Array<T> value = uninitialized<T>({q, c});
  parallel_for(q, 1 + 50000 / (c * d + 1), [&](std::size_t begin, std::size_t end, std::size_t) {
    Array<T> y = uninitialized<T>({end - begin, width});
    for (std::size_t strip = 0; strip < strips.count(); ++strip) {
      const std::size_t first = strip * width, filled = std::min(width, c - first);
      strips.distances(queries.value().data() + begin * d, end - begin, strip, y.data(), width);
      for (std::size_t i = begin; i < end; ++i) {
        std::copy_n(y.data() + (i - begin) * width, filled, value.data() + i * c + first);
      }
    }
  });
  return record("squared_distances", {queries, candidates}, std::move(value), [c](Node<T>& y) {
    const Var<T>&queries = y.input(0), &candidates = y.input(1);
    const T* ybar = y.cotangent().data();
    if (queries.needs_grad()) {
      accumulate(queries, weighted_differences(queries.value(), candidates.value(), ybar, c, 1));
    }
    if (candidates.needs_grad()) {
      accumulate(candidates, weighted_differences(candidates.value(), queries.value(), ybar, 1, c));
    }
  });
}

INSTANTIATE_CLASS(CandidateStrips)
INSTANTIATE(squared_distances)

}  // namespace tapesort
