#include "ops/sorting/relaxation.hpp"

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/permutation.hpp"
#include "ops/sorting/sets.hpp"
#include "ops/sorting/soft_sort.hpp"

namespace tapesort {
namespace {

constexpr Method methods[] = {Method::neural_sort,    Method::soft_sort, Method::sinkhorn,
                              Method::odd_even,       Method::bitonic,   Method::fast_soft_sort,
                              Method::fast_soft_rank, Method::lap_sum};

bool is_network(Method method) { return method == Method::odd_even || method == Method::bitonic; }

NetworkOptions network_options(const Relaxation& r) {
  NetworkOptions options;
  options.network = r.method == Method::odd_even ? Network::odd_even : Network::bitonic;
  options.swap = r.swap;
  options.steepness = r.steepness > 0 ? r.steepness : 1 / r.tau;
  options.art_lambda = r.art_lambda;
  options.direction = r.direction;
  return options;
}

void check_options(const Relaxation& r) {
  check_scale<double>("relaxation", "tau", r.tau);
  require(r.steepness >= 0, "relaxation: steepness must be > 0, or 0 for 1 / tau, got ",
          r.steepness);
}

[[noreturn]] void missing(const Relaxation& r, const char* what) {
  bad_argument("relaxation: ", name_of(r.method), " defines no ", what);
}

// scores (..., n) as columns (..., n, 1), so that a matrix can be applied to them.
template <class T> Var<T> as_columns(const Var<T>& scores) {
  std::vector<Index> shape(scores.shape().begin(), scores.shape().end());
  shape.push_back(1);
  return reshape(scores, shape);
}

// (..., n, 1) -> (..., n), and (..., 1, n) -> (..., n).
template <class T> Var<T> flattened(const Var<T>& x, const Shape& shape) {
  return reshape(x, std::vector<Index>(shape.begin(), shape.end()));
}

template <class T> Var<T> soft_matrix(const Relaxation& r, const Var<T>& input) {
  switch (r.method) {
    case Method::neural_sort:
      return neural_sort(input, {r.tau, r.direction});
    case Method::soft_sort:
      return soft_sort(input, r.tau, r.power, r.direction);
    case Method::sinkhorn:
      return sinkhorn(input, r.tau, r.sinkhorn);
    case Method::odd_even:
    case Method::bitonic:
      return sorting_network(input, network_options(r));
    case Method::lap_sum:
      return lap_sum(input, r.tau, r.direction);
    default:
      missing(r, "matrix");
  }
}

template <class T> Var<T> soft_sorted(const Relaxation& r, const Var<T>& input) {
  if (r.method == Method::fast_soft_sort) {
    return fast_soft_sort(input, r.tau, r.regularization, r.direction);
  }
  if (r.method == Method::neural_sort) return neural_sort_values(input, {r.tau, r.direction});
  if (r.method == Method::lap_sum) return lap_sum_sort(input, r.tau, r.direction);
  if (is_network(r.method)) return sorting_network_values(input, network_options(r));
  const Var<T> P_hat = soft_matrix(r, input);
  // Of the scores less their offset, as rows sum to one: beside a large one P_hat's gradient would
  // be lost in rounding.
  Array<T> offset = uninitialized<T>(input.shape());
  const std::size_t n = input.shape().back();
  for (std::size_t i = 0; i < offset.size(); i += n) {
    std::fill_n(offset.data() + i, n, common_offset(input.value().data() + i, n));
  }
  const Var<T> common = constant(std::move(offset));
  return flattened(matmul(P_hat, as_columns(input - common)), input.shape()) + common;
}

template <class T> Var<T> soft_ranks(const Relaxation& r, const Var<T>& input) {
  if (r.method == Method::fast_soft_rank) {
    return fast_soft_rank(input, r.tau, r.regularization, r.direction);
  }
  if (r.method == Method::neural_sort) return neural_sort_ranks(input, {r.tau, r.direction});
  if (r.method == Method::lap_sum) return lap_sum_rank(input, r.tau, r.direction);
  const std::size_t n = input.dimension() ? input.shape().back() : 0;
  Array<T> places = uninitialized<T>({1, n});
  for (std::size_t i = 0; i < n; ++i) places.data()[i] = T(i + 1);
  return flattened(matmul(constant(std::move(places)), soft_matrix(r, input)), input.shape());
}

template <class T> Var<T> soft_top_k(const Relaxation& r, const Var<T>& input, std::size_t k) {
  if (r.method == Method::neural_sort) return top_k_mass(input, k, {r.tau, r.direction});
  if (r.method == Method::lap_sum) return lap_sum_top_k(input, double(k), r.tau, r.direction);
  return sum(slice(soft_matrix(r, input), -2, 0, Index(k)), -2);
}

}  // namespace

const char* name_of(Method method) {
  switch (method) {
    case Method::neural_sort:
      return "neural_sort";
    case Method::soft_sort:
      return "soft_sort";
    case Method::sinkhorn:
      return "sinkhorn";
    case Method::odd_even:
      return "odd_even";
    case Method::bitonic:
      return "bitonic";
    case Method::fast_soft_sort:
      return "fast_soft_sort";
    case Method::fast_soft_rank:
      return "fast_soft_rank";
    case Method::lap_sum:
      return "lap_sum";
  }
  return "";
}

Method method_named(const std::string& name) {
  std::string names;
  for (Method method : methods) {
    if (name == name_of(method)) return method;
    names += std::string(names.empty() ? "" : ", ") + name_of(method);
  }
  bad_argument("relaxation: there is no method ", name, "; need one of ", names);
}

bool Relaxation::has_matrix() const {
  return method != Method::fast_soft_sort && method != Method::fast_soft_rank;
}
bool Relaxation::has_sorted() const {
  return method != Method::sinkhorn && method != Method::fast_soft_rank;
}
bool Relaxation::has_ranks() const {
  return method != Method::sinkhorn && method != Method::fast_soft_sort;
}

template <class T> Indices Relaxation::order(const Array<T>& input) const {
  if (method != Method::sinkhorn) return argsort(input, direction);
  return nearest_permutation(tapesort::sinkhorn(constant(input), tau, sinkhorn).value());
}

template <class T> Var<T> Relaxation::matrix(const Var<T>& input) const {
  check_options(*this);
  const Var<T> soft = soft_matrix(*this, input);
  if (!hard) return soft;
  const Indices order = method == Method::sinkhorn ? nearest_permutation(soft.value())
                                                   : argsort(input.value(), direction);
  return straight_through(permutation_matrix<T>(order), soft);
}

template <class T> Var<T> Relaxation::sorted(const Var<T>& input) const {
  if (!has_sorted()) missing(*this, "sorted values");
  check_options(*this);
  const Var<T> soft = soft_sorted(*this, input);
  if (!hard) return soft;
  const Indices order = argsort(input.value(), direction);
  return straight_through(take_along_axis(constant(input.value()), order).value(), soft);
}

template <class T> Var<T> Relaxation::ranks(const Var<T>& input) const {
  if (!has_ranks()) missing(*this, "ranks");
  check_options(*this);
  const Var<T> soft = soft_ranks(*this, input);
  if (!hard) return soft;
  Array<T> places = convert<T>(inverse_permutation(argsort(input.value(), direction)));
  for (T& place : places) place += 1;
  return straight_through(places, soft);
}

template <class T> Var<T> Relaxation::top_k(const Var<T>& input, std::size_t k) const {
  if (!has_top_k()) missing(*this, "top-k mass");
  check_options(*this);
  const std::size_t n = input.dimension() ? input.shape().back() : 0;
  require(k >= 1 && k <= n, "relaxation: k must be in 1 .. n, got ", k, " for n = ", n);
  const Var<T> soft = soft_top_k(*this, input, k);
  if (!hard) return soft;
  const Indices first = order(input.value());
  Array<T> mass = zeros<T>(first.shape());
  for (std::size_t start = 0; start < mass.size(); start += n) {
    for (std::size_t i = 0; i < k; ++i) {
      mass.data()[start + std::size_t(first.data()[start + i])] = 1;
    }
  }
  return straight_through(mass, soft);
}

#define INSTANTIATE(T)                                                 \
  template Var<T> Relaxation::matrix(const Var<T>&) const;             \
  template Var<T> Relaxation::sorted(const Var<T>&) const;             \
  template Var<T> Relaxation::ranks(const Var<T>&) const;              \
  template Var<T> Relaxation::top_k(const Var<T>&, std::size_t) const; \
  template Indices Relaxation::order(const Array<T>&) const;
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
