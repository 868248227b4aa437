#include "ops/sorting/neural_sort.hpp"

#include <cmath>
#include <memory>

#include "engine/check.hpp"
#include "ops/sorting/neural_sort/band.hpp"

namespace tapesort {
namespace {

// Scores in sorted order with a band over them, shared by an operator and its pullback.
template <class T> struct Sorting {
  using Columns = typename Band<T>::Columns;

  Sorting(const char* op, const Array<T>& scores, const NeuralSortOptions& options)
      : sorted(op, scores, options.tau, options.direction) {}

  // The rows at `places` (ranges of 0 .. n) of every set.
  void choose_rows(const std::vector<RowRange>& places, bool interpolate) {
    std::vector<RowRange> ranges;
    for (std::size_t set = 0; set < sorted.sets; ++set) {
      for (const RowRange& p : places) {
        const RowRange range{set * sorted.n + p.begin, set * sorted.n + p.end};
        if (!ranges.empty() && ranges.back().end == range.begin) {
          ranges.back().end = range.end;
        } else {
          ranges.push_back(range);
        }
      }
    }
    band = std::make_unique<Band<T>>(sorted, ranges, interpolate);
  }

  Column<T> zero_column() const {
    Column<T> column(sorted.size(), T(0));
    std::fill_n(column.data(), column.size(), T(0));
    return column;
  }
  // Column `c` of items (sets, n, stride), by place.
  template <class Item>
  Column<T> by_place(const Item* items, std::size_t stride = 1, std::size_t c = 0) const {
    Column<T> column(sorted.size(), T(0));
    for_places(
        [&](std::size_t place, std::size_t item) { column[place] = T(items[item * stride + c]); });
    return column;
  }
  // The reverse, times `factor`.
  template <class Item>
  void by_item(const Column<T>& column, Item* items, T factor = 1, std::size_t stride = 1,
               std::size_t c = 0) const {
    for_places([&](std::size_t place, std::size_t item) {
      items[item * stride + c] = Item(factor * column[place]);
    });
  }
  template <class F> void for_places(const F& f) const {
    for (std::size_t start = 0; start < sorted.size(); start += sorted.n) {
      for (std::size_t j = start; j < start + sorted.n; ++j) f(j, start + sorted.order.data()[j]);
    }
  }
  template <class Item> void give_gradient(const Var<Item>& scores, const Column<T>& vbar) const {
    Array<Item> sbar = uninitialized<Item>(scores.shape());
    by_item(vbar, sbar.data(), sorted.sign);
    accumulate(scores, std::move(sbar));
  }

  SortedScores<T> sorted;
  std::unique_ptr<Band<T>> band;
  Columns b;                      // what the band was applied to
  typename Band<T>::Means means;  // and what came of it
};

// (Braces would copy it.)
template <class T> std::vector<Column<T>> one_column(Column<T> column) {
  std::vector<Column<T>> columns;
  columns.push_back(std::move(column));
  return columns;
}

template <class T>
std::shared_ptr<Sorting<T>> sort(const char* op, const Array<T>& scores,
                                 const NeuralSortOptions& options) {
  return std::make_shared<Sorting<T>>(op, scores, options);
}

template <class T>
std::shared_ptr<Sorting<T>> sort_all_rows(const char* op, const Array<T>& scores,
                                          const NeuralSortOptions& options) {
  const auto s = sort(op, scores, options);
  s->choose_rows({{0, s->sorted.n}}, options.interpolate);
  return s;
}

}  // namespace

template <class T>
Var<T> neural_sort_values(const Var<T>& scores, const NeuralSortOptions& options) {
  const auto s = sort_all_rows("neural_sort_values", scores.value(), options);
  const std::size_t size = s->sorted.size();
  auto y = one_column(Column<T>(size, T(0)));
  s->b = one_column(s->sorted.value);
  s->means = s->band->apply(s->b, y);
  Array<T> value = uninitialized<T>(scores.shape());
  for (std::size_t i = 0; i < size; ++i) value.data()[i] = s->sorted.sign * y[0][i];
  return record("neural_sort_values", {scores}, std::move(value), [s, size](Node<T>& y) {
    auto a = one_column(Column<T>(size, T(0))), H = one_column(s->zero_column());
    for (std::size_t i = 0; i < size; ++i) a[0][i] = s->sorted.sign * y.cotangent().data()[i];
    // The scores are the payload too: what reaches it is added to the gradient in place.
    s->band->pull_back(a, s->b, s->means, H[0], H);
    s->give_gradient(y.input(0), H[0]);
  });
}

template <class T>
Var<T> neural_sort_payload(const Var<T>& scores, const Var<T>& payload,
                           const NeuralSortOptions& options) {
  const Shape shape = payload.shape();
  require(payload.dimension() >= 2 && Shape(shape.begin(), shape.end() - 1) == scores.shape(),
          "neural_sort_payload: payload is ", shape, ", scores are ", scores.shape(),
          "; need payload (..., n, d) for scores (..., n)");
  const auto s = sort_all_rows("neural_sort_payload", scores.value(), options);
  const std::size_t size = s->sorted.size(), d = shape.back();
  typename Band<T>::Columns y(d, s->zero_column());
  for (std::size_t c = 0; c < d; ++c) s->b.push_back(s->by_place(payload.value().data(), d, c));
  s->means = s->band->apply(s->b, y);
  Array<T> value = uninitialized<T>(shape);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t c = 0; c < d; ++c) value.data()[i * d + c] = y[c][i];
  }
  return record("neural_sort_payload", {scores, payload}, std::move(value),
                [s, size, d](Node<T>& y) {
                  typename Band<T>::Columns a(d, s->zero_column()), H(d, s->zero_column());
                  for (std::size_t i = 0; i < size; ++i) {
                    for (std::size_t c = 0; c < d; ++c) a[c][i] = y.cotangent().data()[i * d + c];
                  }
                  Column<T> vbar = s->zero_column();
                  s->band->pull_back(a, s->b, s->means, vbar, H);
                  s->give_gradient(y.input(0), vbar);
                  if (!y.input(1).needs_grad()) return;
                  Array<T> Xbar = uninitialized<T>(y.input(1).shape());
                  for (std::size_t c = 0; c < d; ++c) s->by_item(H[c], Xbar.data(), T(1), d, c);
                  accumulate(y.input(1), std::move(Xbar));
                });
}

namespace {

// Sums over the columns of P_hat: H_c = P_hat^T a_c by place, and the gradient for cotangents Hbar
// of them.
template <class T>
typename Band<T>::Columns column_sums(Sorting<T>& s, const typename Band<T>::Columns& a) {
  s.band->log_normalisers();
  typename Band<T>::Columns H(a.size(), s.zero_column());
  s.band->apply_transposed(a, H);
  return H;
}

template <class T, class Item>
void pull_back_column_sums(Sorting<T>& s, const typename Band<T>::Columns& a,
                           const typename Band<T>::Columns& Hbar, const Var<Item>& scores) {
  typename Band<T>::Columns none, unused(a.size(), s.zero_column());
  const auto means = s.band->apply(Hbar, none);
  Column<T> vbar = s.zero_column();
  s.band->pull_back(a, Hbar, means, vbar, unused);
  s.give_gradient(scores, vbar);
}

// Computed in N.
template <class N, class T>
Var<T> ranks_in(const Var<T>& scores, const NeuralSortOptions& options, Ranks kind) {
  const auto s = sort_all_rows("neural_sort_ranks", convert<N>(scores.value()), options);
  const std::size_t n = s->sorted.n, size = s->sorted.size();
  auto a = std::make_shared<typename Band<N>::Columns>(1, s->zero_column());
  for (std::size_t i = 0; i < size; ++i) (*a)[0][i] = N(i % n + 1);
  if (kind == Ranks::mean) {
    a->push_back(s->zero_column());
    std::fill_n((*a)[1].data(), size, N(1));
  }
  typename Band<N>::Columns H = column_sums(*s, *a);
  if (kind == Ranks::mean) {
    for (std::size_t j = 0; j < size; ++j) H[0][j] /= H[1][j];
  }
  Array<T> ranks = uninitialized<T>(scores.shape());
  s->by_item(H[0], ranks.data());
  return record("neural_sort_ranks", {scores}, std::move(ranks), [s, a, H, kind, size](Node<T>& r) {
    auto Hbar = one_column(s->by_place(r.cotangent().data()));
    if (kind == Ranks::mean) {  // r = H_0 / H_1
      Hbar.push_back(s->zero_column());
      for (std::size_t j = 0; j < size; ++j) {
        Hbar[0][j] /= H[1][j];
        Hbar[1][j] = -Hbar[0][j] * H[0][j];
      }
    }
    pull_back_column_sums(*s, *a, Hbar, r.input(0));
  });
}

}  // namespace

// The gradient of a mean place is a difference: of places up to n, and of their mean. In float, with
// n = 1,000,000, a third of it would be rounding.
template <class T>
Var<T> neural_sort_ranks(const Var<T>& scores, const NeuralSortOptions& options, Ranks kind) {
  return kind == Ranks::mean ? ranks_in<double>(scores, options, kind)
                             : ranks_in<T>(scores, options, kind);
}

template <class T>
Var<T> top_k_mass(const Var<T>& scores, std::size_t k, const NeuralSortOptions& options) {
  const auto s = sort("top_k_mass", scores.value(), options);
  const std::size_t n = s->sorted.n, size = s->sorted.size();
  require(1 <= k && k <= n, "top_k_mass: k = ", k, " is out of range for scores ", scores.shape(),
          "; need 1 <= k <= ", n);
  // Of short sets all rows are taken: they are done side by side.
  s->choose_rows({{0, n <= 32 ? n : k}}, options.interpolate);
  auto a = std::make_shared<typename Band<T>::Columns>(1, s->zero_column());
  for (std::size_t i = 0; i < size; ++i) (*a)[0][i] = T(i % n < k);
  Array<T> mass = uninitialized<T>(scores.shape());
  s->by_item(column_sums(*s, *a)[0], mass.data());
  return record("top_k_mass", {scores}, std::move(mass), [s, a](Node<T>& mass) {
    pull_back_column_sums(*s, *a, one_column(s->by_place(mass.cotangent().data())), mass.input(0));
  });
}

template <class T>
Var<T> neural_sort_quantile(const Var<T>& scores, const std::vector<double>& fractions,
                            const NeuralSortOptions& options) {
  const auto s = sort("neural_sort_quantile", scores.value(), options);
  const std::size_t n = s->sorted.n, sets = s->sorted.sets, count = fractions.size();
  require(n >= 1, "neural_sort_quantile: scores are ", scores.shape(), "; need n >= 1");
  struct Between {
    std::size_t row;  // and the next one
    T next;           // weight of that
  };
  std::vector<Between> at;
  std::vector<bool> wanted(n, false);
  for (double f : fractions) {
    require(f >= 0 && f <= 1, "neural_sort_quantile: fraction ", f, " is outside 0 .. 1");
    const double place = double(n - 1) * (options.direction == Direction::descending ? 1 - f : f);
    const std::size_t row = std::min(std::size_t(place), n - 1);
    at.push_back({row, T(place - double(row))});
    wanted[row] = true;
    if (at.back().next > 0) wanted[row + 1] = true;
  }
  std::vector<RowRange> places;
  for (std::size_t i = 0; i < n; ++i) {
    if (wanted[i]) places.push_back({i, i + 1});
  }
  s->choose_rows(places, options.interpolate);
  auto y = one_column(s->zero_column());
  s->b = one_column(s->sorted.value);
  s->means = s->band->apply(s->b, y);
  Shape shape = scores.shape();
  shape.back() = count;
  Array<T> value = uninitialized<T>(shape);
  for (std::size_t set = 0; set < sets; ++set) {
    for (std::size_t q = 0; q < count; ++q) {
      const std::size_t row = set * n + at[q].row;
      T quantile = y[0][row];
      if (at[q].next > 0) quantile += at[q].next * (y[0][row + 1] - quantile);
      value.data()[set * count + q] = s->sorted.sign * quantile;
    }
  }
  return record("neural_sort_quantile", {scores}, std::move(value), [=](Node<T>& value) {
    auto a = one_column(s->zero_column()), H = one_column(s->zero_column());
    for (std::size_t set = 0; set < sets; ++set) {
      for (std::size_t q = 0; q < count; ++q) {
        const T bar = s->sorted.sign * value.cotangent().data()[set * count + q];
        const std::size_t row = set * n + at[q].row;
        a[0][row] += (1 - at[q].next) * bar;
        if (at[q].next > 0) a[0][row + 1] += at[q].next * bar;
      }
    }
    s->band->pull_back(a, s->b, s->means, H[0], H);
    s->give_gradient(value.input(0), H[0]);
  });
}

template <class T>
Var<T> neural_sort_median(const Var<T>& scores, const NeuralSortOptions& options) {
  const Var<T> median = neural_sort_quantile(scores, {0.5}, options);
  Shape shape = scores.shape();
  shape.pop_back();
  return record("neural_sort_median", {median}, with_shape(median.value(), shape), [](Node<T>& y) {
    accumulate(y.input(0), with_shape(y.take_cotangent(), y.input(0).shape()));
  });
}

template <class T>
Var<T> neural_sort_cross_entropy(const Var<T>& scores, const Array<T>& truth,
                                 const NeuralSortOptions& options) {
  require_same_shape("neural_sort_cross_entropy", "truth", truth.shape(), "scores", scores.shape());
  // In double: the gradient is the difference of a distribution and a permutation, added up along
  // the whole set.
  const auto s =
      sort_all_rows("neural_sort_cross_entropy", convert<double>(scores.value()), options);
  const std::size_t n = s->sorted.n, sets = s->sorted.sets;
  // offset_j = r_j - i_j, from truth's own order, ties at the mean of their places.
  const SortedScores<T> target("neural_sort_cross_entropy (truth)", truth, 1, options.direction);
  std::vector<double> place(sets * n);
  for (std::size_t first = 0, next; first < sets * n; first = next) {
    const std::size_t stop = (first / n + 1) * n;
    for (next = first; next < stop && target.value[next] == target.value[first];) ++next;
    const std::size_t set = first / n * n;
    for (std::size_t r = first; r < next; ++r) {
      place[set + target.order.data()[r]] = 0.5 * double(first + next - 1);
    }
  }
  auto slope = std::make_shared<std::vector<double>>(sets * n);  // 2 (r_j - i_j)
  s->for_places(
      [&](std::size_t j, std::size_t item) { (*slope)[j] = 2 * (place[item] - double(j)); });
  const Column<double> log_normalisers = s->band->log_normalisers();
  Shape shape = scores.shape();
  shape.pop_back();
  Array<T> loss = zeros<T>(shape);
  for (std::size_t set = 0; set < sets; ++set) {
    double total = 0;
    for (std::size_t j = set * n; j < (set + 1) * n; ++j) {
      // The slopes sum to zero: any common offset of the scores may go.
      const double value = s->sorted.value[j] - s->sorted.value[set * n];
      total += log_normalisers[j];
      // Where an item is in its place, an infinite value / tau does not count.
      if ((*slope)[j] != 0) total += (*slope)[j] * (value / options.tau);
    }
    loss.data()[set] = T(total / double(n));
  }
  return record("neural_sort_cross_entropy", {scores}, std::move(loss), [=](Node<T>& loss) {
    Column<double> a = s->zero_column(), vbar = s->zero_column();
    for (std::size_t j = 0; j < sets * n; ++j) {
      a[j] = double(loss.cotangent().data()[j / n]) / double(n);
      vbar[j] = a[j] * (*slope)[j] / options.tau;
    }
    s->band->pull_back_log_normalisers(a, vbar);
    s->give_gradient(loss.input(0), vbar);
  });
}

#define INSTANTIATE(T)                                                                         \
  template Var<T> neural_sort_values(const Var<T>&, const NeuralSortOptions&);                 \
  template Var<T> neural_sort_payload(const Var<T>&, const Var<T>&, const NeuralSortOptions&); \
  template Var<T> neural_sort_ranks(const Var<T>&, const NeuralSortOptions&, Ranks);           \
  template Var<T> top_k_mass(const Var<T>&, std::size_t, const NeuralSortOptions&);            \
  template Var<T> neural_sort_quantile(const Var<T>&, const std::vector<double>&,              \
                                       const NeuralSortOptions&);                              \
  template Var<T> neural_sort_median(const Var<T>&, const NeuralSortOptions&);                 \
  template Var<T> neural_sort_cross_entropy(const Var<T>&, const Array<T>&,                    \
                                            const NeuralSortOptions&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
