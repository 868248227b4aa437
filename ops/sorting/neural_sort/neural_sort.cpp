#include "ops/sorting/neural_sort.hpp"

#include <cmath>
#include <memory>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/mask.hpp"
#include "ops/sorting/neural_sort/band.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// Scores in sorted order with a band over them, shared by an operator and its pullback.
template <class T> struct Sorting : SortedScores<T> {
  Sorting(const char* op, const Array<T>& scores, const NeuralSortOptions& options)
      : SortedScores<T>(op, scores, options.tau, options.direction) {}

  // The rows at `places` (ranges of 0 .. n) of every set.
  void choose_rows(const std::vector<RowRange>& places, bool interpolate) {
    std::vector<RowRange> ranges;
    for (std::size_t start = 0; start < this->size(); start += this->n) {
      for (const RowRange& p : places) join(ranges, {start + p.begin, start + p.end});
    }
    band = std::make_unique<Band<T>>(*this, ranges, interpolate);
  }

  Columns<T> zeros(std::size_t columns = 1) const { return zero_columns<T>(columns, this->size()); }
  // Column c of items (sets, n, stride), by place.
  template <class Item>
  Column<T> by_place(const Item* items, std::size_t stride = 1, std::size_t c = 0) const {
    Column<T> column(this->size(), T(0));
    this->for_places([&](auto place, auto item) { column[place] = T(items[item * stride + c]); });
    return column;
  }
  // The reverse.
  template <class Item>
  void by_item(const Column<T>& column, Item* items, std::size_t stride = 1,
               std::size_t c = 0) const {
    this->for_places(
        [&](auto place, auto item) { items[item * stride + c] = Item(column[place]); });
  }

  std::unique_ptr<Band<T>> band;
  Columns<T> b;                   // what the band was applied to
  typename Band<T>::Means means;  // and what came of it
};

// An initializer list would copy the column; push_back moves it.
template <class T> Columns<T> one_column(Column<T> column) {
  Columns<T> columns;
  columns.push_back(std::move(column));
  return columns;
}

template <class T>
std::shared_ptr<Sorting<T>> sort_all_rows(const char* op, const Array<T>& scores,
                                          const NeuralSortOptions& options) {
  const auto s = std::make_shared<Sorting<T>>(op, scores, options);
  s->choose_rows({{0, s->n}}, options.interpolate);
  return s;
}

// y = P_hat v by place on the chosen rows, and the gradient for its cotangent a.
template <class T> Column<T> sorted_values(Sorting<T>& s) {
  Columns<T> y = s.zeros();
  s.b = one_column(s.value);
  s.means = s.band->apply(s.b, y);
  return std::move(y[0]);
}

template <class T>
void pull_back_sorted_values(const Sorting<T>& s, const Columns<T>& a, const Var<T>& scores) {
  // The scores are the payload too: what reaches it is added to the gradient in place.
  Columns<T> vbar = s.zeros();
  s.band->pull_back(a, s.b, s.means, vbar[0], vbar);
  s.give_gradient(scores, vbar[0]);
}

}  // namespace

template <class T>
FirstOrder<T> neural_sort_values(const Var<T>& scores, const NeuralSortOptions& options) {
  const auto s = sort_all_rows("neural_sort_values", scores.value(), options);
  const Column<T> y = sorted_values(*s);
  Array<T> value = uninitialized<T>(scores.shape());
  for (std::size_t i = 0; i < y.size(); ++i) value.data()[i] = s->sign * y[i];
  return record(Op("neural_sort_values", options.tau), {scores}, std::move(value), [s](Node<T>& y) {
    Columns<T> a = s->zeros();
    for (std::size_t i = 0; i < s->size(); ++i) a[0][i] = s->sign * y.cotangent().data()[i];
    pull_back_sorted_values(*s, a, y.input(0));
  });
}

template <class T>
FirstOrder<T> neural_sort_payload(const Var<T>& scores, const Var<T>& payload,
                                  const NeuralSortOptions& options) {
  const Shape shape = payload.shape();
  require(payload.dimension() >= 2 && shape_of_sets(shape) == scores.shape(),
          "neural_sort_payload: payload is ", shape, ", scores are ", scores.shape(),
          "; need payload (..., n, d) for scores (..., n)");
  const auto s = sort_all_rows("neural_sort_payload", scores.value(), options);
  const std::size_t size = s->size(), d = shape.back();
  Columns<T> y = s->zeros(d);
  for (std::size_t c = 0; c < d; ++c) s->b.push_back(s->by_place(payload.value().data(), d, c));
  s->means = s->band->apply(s->b, y);
  Array<T> value = uninitialized<T>(shape);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t c = 0; c < d; ++c) value.data()[i * d + c] = y[c][i];
  }
  return record(Op("neural_sort_payload", options.tau), {scores, payload}, std::move(value),
                [s, d](Node<T>& y) {
                  Columns<T> a = s->zeros(d), H = s->zeros(d), vbar = s->zeros();
                  for (std::size_t i = 0; i < s->size(); ++i) {
                    for (std::size_t c = 0; c < d; ++c) a[c][i] = y.cotangent().data()[i * d + c];
                  }
                  s->band->pull_back(a, s->b, s->means, vbar[0], H);
                  s->give_gradient(y.input(0), vbar[0]);
                  if (!y.input(1).needs_grad()) return;
                  Array<T> Xbar = uninitialized<T>(y.input(1).shape());
                  for (std::size_t c = 0; c < d; ++c) s->by_item(H[c], Xbar.data(), d, c);
                  accumulate(y.input(1), std::move(Xbar));
                });
}

namespace {

// sum_i weight(i) P_hat[i, j] over the rows chosen, i counted from 0; with `mean`, divided by the
// column's sum over them. Computed in N.
template <class N, class T, class Weight>
Var<T> column_sums(const Op& op, const Var<T>& scores, const std::shared_ptr<Sorting<N>>& s,
                   bool mean, const Weight& weight) {
  const std::size_t n = s->n, size = s->size();
  auto a = std::make_shared<Columns<N>>(s->zeros(mean ? 2 : 1));
  for (std::size_t i = 0; i < size; ++i) (*a)[0][i] = N(weight(i % n));
  if (mean) std::fill_n((*a)[1].data(), size, N(1));
  s->band->log_normalisers();
  Columns<N> H = s->zeros(a->size());  // P_hat^T a_c
  s->band->apply_transposed(*a, H);
  for (std::size_t j = 0; mean && j < size; ++j) H[0][j] /= H[1][j];
  Array<T> sums = uninitialized<T>(scores.shape());
  s->by_item(H[0], sums.data());
  if (!mean) H.clear();  // of no use to the pullback
  return record(op, {scores}, std::move(sums), [s, a, H = std::move(H), mean](Node<T>& sums) {
    auto Hbar = one_column(s->by_place(sums.cotangent().data()));
    if (mean) {  // H_0 / H_1
      Hbar.push_back(Column<N>::zeros(s->size()));
      for (std::size_t j = 0; j < s->size(); ++j) {
        Hbar[0][j] /= H[1][j];
        Hbar[1][j] = -Hbar[0][j] * H[0][j];
      }
    }
    Columns<N> none, unused = s->zeros(a->size()), vbar = s->zeros();
    const auto means = s->band->apply(Hbar, none);
    s->band->pull_back(*a, Hbar, means, vbar[0], unused);
    s->give_gradient(sums.input(0), vbar[0]);
  });
}

}  // namespace

// Mean places in double: section 5 of README.md.
template <class T>
FirstOrder<T> neural_sort_ranks(const Var<T>& scores, const NeuralSortOptions& options,
                                Ranks kind) {
  const Op op("neural_sort_ranks", options.tau);
  const auto sums = [&](const auto& s, bool mean) {
    return column_sums(op, scores, sort_all_rows(op.name, s, options), mean,
                       [](std::size_t i) { return i + 1; });
  };
  return kind == Ranks::mean ? sums(convert<double>(scores.value()), true)
                             : sums(scores.value(), false);
}

template <class T>
FirstOrder<T> top_k_mass(const Var<T>& scores, std::size_t k, const NeuralSortOptions& options) {
  const auto s = std::make_shared<Sorting<T>>("top_k_mass", scores.value(), options);
  const std::size_t n = s->n;
  check_count("top_k_mass", double(k), n);
  // Of short sets all rows are taken: they are done side by side.
  s->choose_rows({{0, n <= 32 ? n : k}}, options.interpolate);
  return column_sums(Op("top_k_mass", double(k), options.tau), scores, s, false,
                     [k](std::size_t i) { return i < k; });
}

template <class T>
FirstOrder<T> neural_sort_quantile(const Var<T>& scores, const std::vector<double>& fractions,
                                   const NeuralSortOptions& options) {
  const auto s = std::make_shared<Sorting<T>>("neural_sort_quantile", scores.value(), options);
  const std::size_t n = s->n, sets = s->sets, count = fractions.size();
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
  const Column<T> y = sorted_values(*s);
  Shape shape = scores.shape();
  shape.back() = count;
  Array<T> value = uninitialized<T>(shape);
  for (std::size_t set = 0; set < sets; ++set) {
    for (std::size_t q = 0; q < count; ++q) {
      const std::size_t row = set * n + at[q].row;
      T quantile = y[row];
      if (at[q].next > 0) quantile += at[q].next * (y[row + 1] - quantile);
      value.data()[set * count + q] = s->sign * quantile;
    }
  }
  return record("neural_sort_quantile", {scores}, std::move(value), [=](Node<T>& value) {
    Columns<T> a = s->zeros();
    for (std::size_t set = 0; set < sets; ++set) {
      for (std::size_t q = 0; q < count; ++q) {
        const T bar = s->sign * value.cotangent().data()[set * count + q];
        const std::size_t row = set * n + at[q].row;
        a[0][row] += (1 - at[q].next) * bar;
        if (at[q].next > 0) a[0][row + 1] += at[q].next * bar;
      }
    }
    pull_back_sorted_values(*s, a, value.input(0));
  });
}

template <class T>
FirstOrder<T> neural_sort_median(const Var<T>& scores, const NeuralSortOptions& options) {
  const Var<T> median = neural_sort_quantile(scores, {0.5}, options);
  const Shape sets = shape_of_sets(scores.shape());
  return record("neural_sort_median", {median}, with_shape(median.value(), sets), [](Node<T>& y) {
    accumulate(y.input(0), with_shape(y.take_cotangent(), y.input(0).shape()));
  });
}

template <class T>
FirstOrder<T> neural_sort_cross_entropy(const Var<T>& scores, const Array<T>& truth,
                                        const NeuralSortOptions& options) {
  require_same_shape("neural_sort_cross_entropy", "truth", truth.shape(), "scores", scores.shape());
  // Section 4 of README.md; in double by section 5.
  const auto s =
      sort_all_rows("neural_sort_cross_entropy", convert<double>(scores.value()), options);
  const std::size_t n = s->n, sets = s->sets;
  // offset_j = r_j - i_j, from truth's own order, ties at the mean of their places.
  const SortedScores<T> target("neural_sort_cross_entropy: truth", truth, 1, options.direction);
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
  Array<T> loss = zeros<T>(shape_of_sets(scores.shape()));
  for (std::size_t set = 0; set < sets; ++set) {
    double total = 0;
    for (std::size_t j = set * n; j < (set + 1) * n; ++j) {
      // The slopes sum to zero: any common offset of the scores may go.
      const double value = s->value[j] - s->value[set * n];
      total += log_normalisers[j];
      // Where an item is in its place, an infinite value / tau does not count.
      if ((*slope)[j] != 0) total += (*slope)[j] * (value / options.tau);
    }
    loss.data()[set] = T(total / double(n));
  }
  return record(Op("neural_sort_cross_entropy", options.tau), {scores}, std::move(loss),
                [=](Node<T>& loss) {
                  auto a = Column<double>::zeros(sets * n), vbar = a;
                  for (std::size_t j = 0; j < sets * n; ++j) {
                    a[j] = double(loss.cotangent().data()[j / n]) / double(n);
                    vbar[j] = a[j] * (*slope)[j] / options.tau;
                  }
                  s->band->pull_back_log_normalisers(a, vbar);
                  s->give_gradient(loss.input(0), vbar);
                });
}

INSTANTIATE(neural_sort_values)
INSTANTIATE(neural_sort_payload)
INSTANTIATE(neural_sort_ranks)
INSTANTIATE(top_k_mass)
INSTANTIATE(neural_sort_quantile)
INSTANTIATE(neural_sort_median)
INSTANTIATE(neural_sort_cross_entropy)

}  // namespace tapesort
