#include "ops/sorting/hard.hpp"

#include <cmath>

#include "engine/instantiate.hpp"
#include "ops/axis.hpp"
#include "ops/mask.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/radix_sort.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {

template <class T> Indices argsort(const Array<T>& scores, Direction direction) {
  const std::size_t n = checked_axis("argsort", scores);
  Indices order = uninitialized<Index>(scores.shape());
  for (std::size_t start = 0; start < scores.size(); start += n) {
    const T* s = scores.data() + start;
    for (std::size_t i = 0; i < n; ++i) {
      require(!std::isnan(s[i]), "argsort: score ", i, " of row ", start / n, " is NaN");
    }
  }
  const T sign = direction == Direction::descending ? T(1) : T(-1);
  sort_sets<T>("argsort", scores, sign, [&](std::size_t start, const RankedScore<T>* sorted) {
    for (std::size_t i = 0; i < n; ++i) order.data()[start + i] = Index(sorted[i].index);
  });
  return order;
}

Indices inverse_permutation(const Indices& order) {
  require(order.dimension() >= 1, "inverse_permutation: order is 0-d; need (..., n)");
  const std::size_t n = order.shape().back();
  Indices places = uninitialized<Index>(order.shape());
  std::fill_n(places.data(), places.size(), Index(-1));
  check_indices("inverse_permutation", order, n, order.shape());
  for (std::size_t start = 0; start < order.size(); start += n) {
    for (std::size_t i = 0; i < n; ++i) {
      Index& place = places.data()[start + std::size_t(order.data()[start + i])];
      require(place == -1, "inverse_permutation: row ", start / n, " has index ",
              order.data()[start + i], " twice; need a permutation of 0 .. ", n, " - 1");
      place = Index(i);
    }
  }
  return places;
}

template <class T> Array<T> permutation_matrix(const Indices& order) {
  require(order.dimension() >= 1, "permutation_matrix: order is 0-d; need (..., n)");
  return one_hot<T>(order, order.shape().back());
}

template <class T> Array<T> ranks_of(const Indices& order) {
  Array<T> ranks = convert<T>(inverse_permutation(order));
  for (T& rank : ranks) rank += 1;
  return ranks;
}

template <class T> Array<T> first_of(const Indices& order, std::size_t k) {
  const Indices places = inverse_permutation(order);
  const std::size_t n = order.shape().back();
  check_count("first_of", double(k), n);
  Array<T> first = uninitialized<T>(order.shape());
  std::transform(places.begin(), places.end(), first.begin(),
                 [k](Index place) { return T(std::size_t(place) < k ? 1 : 0); });
  return first;
}

template <> Indices argsort(const Array<Dual<double>>& scores, Direction direction) {
  return argsort(values(scores), direction);
}

INSTANTIATE(argsort)
INSTANTIATE_TWICE(permutation_matrix)
INSTANTIATE(ranks_of)
INSTANTIATE(first_of)

}  // namespace tapesort
