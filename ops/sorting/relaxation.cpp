#include "ops/sorting/relaxation.hpp"

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/black_box.hpp"
#include "ops/sorting/k_subsets.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/logits.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/permutation.hpp"
#include "ops/sorting/perturbed.hpp"
#include "ops/sorting/sets.hpp"
#include "ops/sorting/soft_sort.hpp"

namespace tapesort {
namespace {

NetworkOptions network_options(const Relaxation& r) {
  NetworkOptions options;
  options.network = r.method == Method::odd_even ? Network::odd_even : Network::bitonic;
  options.swap = r.swap;
  options.steepness = r.steepness > 0 ? r.steepness : 1 / r.tau;
  options.art_lambda = r.art_lambda;
  options.direction = r.direction;
  return options;
}

NeuralSortOptions options_of(const Relaxation& r) { return {r.tau, r.direction}; }

template <class T> Var<T> logarithm(const Var<T>& P_hat) {
  return log(clip(P_hat, T(1e-30), T(1)));
}

double smoothing(const Relaxation& r) { return r.smoothing > 0 ? r.smoothing : r.tau; }

// Scores whose descending order is the one that is wanted.
template <class T> Var<T> downwards(const Relaxation& r, const Var<T>& s) {
  return r.direction == Direction::descending ? s : -s;
}

// A method, and what it computes. Without a function of its own, it has what the matrix gives
// (below); without a matrix, nothing.
template <class T> struct Row {
  using Function = Var<T> (*)(const Relaxation&, const Var<T>&);
  const char* name;
  Function matrix, sorted, ranks;
  Var<T> (*top_k)(const Relaxation&, const Var<T>&, std::size_t k);
  Function logits;
};

template <class T> const Row<T>& row_of(Method method) {
  using R = const Relaxation&;
  constexpr auto none = nullptr;
  const auto network = [](R r, auto& s) { return sorting_network(s, network_options(r)); };
  const auto network_values = [](R r, auto& s) {
    return sorting_network_values(s, network_options(r));
  };
  // In the order of Method.
  static const Row<T> rows[] = {
      {"neural_sort", [](R r, auto& s) { return neural_sort(s, options_of(r)); },
       [](R r, auto& s) { return neural_sort_values(s, options_of(r)); },
       [](R r, auto& s) { return neural_sort_ranks(s, options_of(r)); },
       [](R r, auto& s, auto k) { return top_k_mass(s, k, options_of(r)); },
       [](R r, auto& s) { return neural_sort_logits(downwards(r, s), r.tau); }},
      {"neural_sort_smooth",
       [](R r, auto& s) { return neural_sort_smooth(s, r.tau, smoothing(r), r.direction); }, none,
       none, none,
       [](R r, auto& s) { return neural_sort_logits(downwards(r, s), r.tau, smoothing(r)); }},
      {"soft_sort", [](R r, auto& s) { return soft_sort(s, r.tau, r.power, r.direction); }, none,
       none, none,
       [](R r, auto& s) {
         const bool usual = r.power == 1 && r.direction == Direction::descending;
         return usual ? soft_sort_logits(s, r.tau)
                      : logarithm(soft_sort(s, r.tau, r.power, r.direction));
       }},
      {"sinkhorn", [](R r, auto& x) { return sinkhorn(x, r.tau, r.sinkhorn); }, none, none, none,
       [](R r, auto& x) { return log_sinkhorn(x, r.tau, r.sinkhorn); }},
      {"odd_even", network, network_values, none, none, none},
      {"bitonic", network, network_values, none, none, none},
      {"fast_soft_sort", none,
       [](R r, auto& s) { return fast_soft_sort(s, r.tau, r.regularization, r.direction); }, none,
       none, none},
      {"fast_soft_rank", none, none,
       [](R r, auto& s) { return fast_soft_rank(s, r.tau, r.regularization, r.direction); }, none,
       none},
      {"sparse_top_k", none, none, none,
       [](R r, auto& s, auto k) { return sparse_top_k(s, k, r.tau, r.direction); }, none},
      {"lap_sum", [](R r, auto& s) { return lap_sum(s, r.tau, r.direction); },
       [](R r, auto& s) { return lap_sum_sort(s, r.tau, r.direction); },
       [](R r, auto& s) { return lap_sum_rank(s, r.tau, r.direction); },
       [](R r, auto& s, auto k) { return lap_sum_top_k(s, double(k), r.tau, r.direction); }, none},
      {"black_box_rank", none, none,
       [](R r, auto& s) { return black_box_rank(s, r.tau, r.direction); }, none, none},
      {"perturbed",
       [](R r, auto& s) {
         Generator random(r.seed);
         return perturbed_sort(s, {r.tau, r.samples}, random, r.direction);
       },
       none,
       [](R r, auto& s) {
         Generator random(r.seed);
         return perturbed_rank(s, {r.tau, r.samples}, random, r.direction);
       },
       [](R r, auto& s, auto k) {
         Generator random(r.seed);
         return perturbed_top_k(s, k, {r.tau, r.samples}, random, r.direction);
       },
       none},
      {"k_subset", none, none, none,
       [](R r, auto& s, auto k) { return k_subset_marginals(downwards(r, s) * (1 / r.tau), k); },
       none},
  };
  return rows[std::size_t(method)];
}

void check_options(const Relaxation& r, bool defined, const char* what) {
  const char* name = name_of(r.method);
  require(defined, name, ": this relaxation defines no ", what);
  check_scale<double>(name, "tau", r.tau);
  require(r.smoothing >= 0 && std::isfinite(r.smoothing), name,
          ": smoothing must be > 0 and finite, or 0 for tau, got ", r.smoothing);
  require(r.steepness >= 0, name, ": steepness must be > 0, or 0 for 1 / tau, got ", r.steepness);
}

// (..., n, 1) or (..., 1, n) -> (..., n).
template <class T> Var<T> flattened(const Var<T>& x, const Shape& shape) {
  return reshape(x, std::vector<Index>(shape.begin(), shape.end()));
}

// --- From the matrix

// P_hat s, of the scores less their offset, as rows sum to one: beside a large one P_hat's gradient
// would be lost in rounding. Their differences are needed for it.
template <class T> Var<T> sorted_by(const char* op, const Var<T>& P_hat, const Var<T>& s) {
  check_within(op, s.value(), double(std::numeric_limits<T>::max()) / 2);
  Array<T> offset = uninitialized<T>(s.shape());
  const std::size_t n = s.shape().back();
  for (std::size_t i = 0; i < offset.size(); i += n) {
    std::fill_n(offset.data() + i, n, common_offset(s.value().data() + i, n));
  }
  const Var<T> common = constant(std::move(offset));
  return flattened(matmul(P_hat, detail::expand(s - common, s.dimension())), s.shape()) + common;
}

// P_hat' (1, .., n)
template <class T> Var<T> ranks_by(const Var<T>& P_hat, const Shape& shape) {
  Array<T> places = uninitialized<T>({1, shape.back()});
  for (std::size_t i = 0; i < places.size(); ++i) places.data()[i] = T(i + 1);
  return flattened(matmul(constant(std::move(places)), P_hat), shape);
}

}  // namespace

const char* name_of(Method method) { return row_of<float>(method).name; }

Method method_named(const std::string& name) {
  std::string names;
  for (int m = 0; m <= int(Method::k_subset); ++m) {
    if (name == name_of(Method(m))) return Method(m);
    names += std::string(names.empty() ? "" : ", ") + name_of(Method(m));
  }
  bad_argument("relaxation: there is no method ", name, "; need one of ", names);
}

bool Relaxation::has_matrix() const { return bool(row_of<float>(method).matrix); }
bool Relaxation::has_sorted() const {
  return row_of<float>(method).sorted || (has_matrix() && method != Method::sinkhorn);
}
bool Relaxation::has_ranks() const {
  return row_of<float>(method).ranks || (has_matrix() && method != Method::sinkhorn);
}

bool Relaxation::has_top_k() const { return row_of<float>(method).top_k || has_matrix(); }

namespace {

// The operands of masked methods: items, or for sinkhorn rows and columns.
template <class X> auto split(const Relaxation& r, const ItemMask& mask, const X& input) {
  const bool square = r.method == Method::sinkhorn && input.dimension() > 0;
  check_mask(name_of(r.method), square ? shape_of_sets(input.shape()) : input.shape(), mask);
  return mask.split(input, square ? By::place_and_item : By::item);
}
// f of each set's items alone, put back into their places.
template <class T, class F>
Var<T> of_items(const Relaxation& r, const ItemMask& mask, By by, const Var<T>& input, const F& f) {
  return mask.joined(by, f, split(r, mask, input));
}

}  // namespace

template <class T>
Indices Relaxation::order(const Array<T>& input, const OptionalMask& mask) const {
  if (mask) {
    std::vector<Indices> orders;
    const std::vector<Array<T>> parts = split(*this, *mask, input);
    mask->for_groups([&](std::size_t i) { orders.push_back(order(parts[i])); });
    return mask->join_order(orders);
  }
  if (method != Method::sinkhorn) return argsort(input, direction);
  return nearest_permutation(tapesort::sinkhorn(constant(input), tau, sinkhorn).value());
}

template <class T>
FirstOrder<T> Relaxation::matrix(const Var<T>& input, const OptionalMask& mask) const {
  if (mask)
    return of_items(*this, *mask, By::place_and_item, input, [&](auto& x) { return matrix(x); });
  check_options(*this, has_matrix(), "matrix");
  const Var<T> soft = row_of<T>(method).matrix(*this, input);
  if (!hard) return soft;
  const Indices order = method == Method::sinkhorn ? nearest_permutation(soft.value())
                                                   : argsort(input.value(), direction);
  return straight_through(permutation_matrix<T>(order), soft);
}

template <class T>
FirstOrder<T> Relaxation::logits(const Var<T>& input, const OptionalMask& mask) const {
  if (mask)
    return of_items(*this, *mask, By::place_and_item, input, [&](auto& x) { return logits(x); });
  const Row<T>& row = row_of<T>(method);
  if (!row.logits) check_options(*this, has_matrix(), "logits");
  return row.logits ? row.logits(*this, input) : logarithm(row.matrix(*this, input));
}

template <class T>
FirstOrder<T> Relaxation::sorted(const Var<T>& input, const OptionalMask& mask) const {
  if (mask) return of_items(*this, *mask, By::place, input, [&](auto& x) { return sorted(x); });
  check_options(*this, has_sorted(), "sorted values");
  const Row<T>& row = row_of<T>(method);
  const Var<T> soft =
      row.sorted ? row.sorted(*this, input) : sorted_by(row.name, row.matrix(*this, input), input);
  if (!hard) return soft;
  const Indices order = argsort(input.value(), direction);
  return straight_through(take_along_axis(constant(input.value()), order).value(), soft);
}

template <class T>
FirstOrder<T> Relaxation::ranks(const Var<T>& input, const OptionalMask& mask) const {
  if (mask) return of_items(*this, *mask, By::item, input, [&](auto& x) { return ranks(x); });
  check_options(*this, has_ranks(), "ranks");
  const Row<T>& row = row_of<T>(method);
  const Var<T> soft =
      row.ranks ? row.ranks(*this, input) : ranks_by(row.matrix(*this, input), input.shape());
  if (!hard) return soft;
  return straight_through(ranks_of<T>(argsort(input.value(), direction)), soft);
}

template <class T>
FirstOrder<T> Relaxation::top_k(const Var<T>& input, std::size_t k,
                                const OptionalMask& mask) const {
  check_options(*this, has_top_k(), "top-k mass");
  if (input.dimension() > 0) check_count(name_of(method), double(k), input.shape().back());
  if (mask) {
    return of_items(*this, *mask, By::item, input,
                    [&](auto& x) { return top_k(x, std::min(k, x.shape().back())); });
  }
  const Row<T>& row = row_of<T>(method);
  const Var<T> soft = row.top_k ? row.top_k(*this, input, k)
                                : sum(slice(row.matrix(*this, input), -2, 0, Index(k)), -2);
  return hard ? straight_through(first_of<T>(order(input.value()), k), soft) : soft;
}

#define INSTANTIATE_FOR(T)                                                                  \
  template Var<T> Relaxation::matrix(const Var<T>&, const OptionalMask&) const;             \
  template Var<T> Relaxation::logits(const Var<T>&, const OptionalMask&) const;             \
  template Var<T> Relaxation::sorted(const Var<T>&, const OptionalMask&) const;             \
  template Var<T> Relaxation::ranks(const Var<T>&, const OptionalMask&) const;              \
  template Var<T> Relaxation::top_k(const Var<T>&, std::size_t, const OptionalMask&) const; \
  template Indices Relaxation::order(const Array<T>&, const OptionalMask&) const;
INSTANTIATE_FOR(float)
INSTANTIATE_FOR(double)
#undef INSTANTIATE_FOR

}  // namespace tapesort
