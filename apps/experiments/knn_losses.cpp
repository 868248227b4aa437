#include "apps/experiments/knn_losses.hpp"

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/reduce.hpp"
#include "ops/score_function.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/relaxation.hpp"

namespace tapesort {
namespace {

using V = Var<float>;

// mass (.., q, c) -> (.., q)
V on_same(const V& mass, const Array<float>& same) { return -sum(mass * constant(same), -1); }

template <Method method>
V relaxed_loss(const V& scores, const Array<float>& same, const NeighbourLoss& how) {
  Relaxation relaxation;
  relaxation.method = method;
  relaxation.tau = how.tau;
  return on_same(relaxation.top_k(scores, how.k), same);
}

V stochastic_loss(const V& scores, const Array<float>& same, const NeighbourLoss& how) {
  const V noisy = PlackettLuce<float>(scores).perturbed(*how.random, {how.samples});
  return mean(on_same(top_k_mass(noisy, how.k, how.tau), same), 0);
}

V reinforce_loss(const V& scores, const Array<float>& same, const NeighbourLoss& how) {
  require(how.samples >= 2, "reinforce: a sample's baseline is the mean of the others; need ",
          "--samples >= 2, got ", how.samples);
  const std::size_t q = scores.shape()[0], c = scores.shape()[1], k = how.k;
  const PlackettLuce<float> distribution(scores / float(how.tau));
  const Indices orders = distribution.sample(*how.random, {how.samples});  // (samples, q, c)
  Indices first = uninitialized<Index>({how.samples, q, k});
  Array<float> costs = zeros<float>({how.samples, q});
  for (std::size_t row = 0; row < how.samples * q; ++row) {
    for (std::size_t i = 0; i < k; ++i) {
      const Index candidate = orders.data()[row * c + i];
      first.data()[row * k + i] = candidate;
      costs.data()[row] -= same.data()[row % q * c + std::size_t(candidate)];
    }
  }
  return score_function(constant(costs), distribution.log_prob(first), leave_one_out_mean(costs));
}

}  // namespace

Array<float> same_class(const Indices& query_labels, const Indices& candidate_labels) {
  const std::size_t q = query_labels.size(), c = candidate_labels.size();
  Array<float> same = uninitialized<float>({q, c});
  for (std::size_t i = 0; i < q; ++i) {
    for (std::size_t j = 0; j < c; ++j) {
      same.data()[i * c + j] = float(query_labels.data()[i] == candidate_labels.data()[j]);
    }
  }
  return same;
}

V without_diagonal(const V& x) {
  const Shape& shape = x.shape();
  require(shape.size() == 2 && shape[0] == shape[1] && shape[0] >= 2, "without_diagonal: x is ",
          shape, "; need (m, m), m >= 2");
  // In memory, from the second element on, every m + 1 elements end in one of the diagonal.
  const Index n = Index(shape[0]);
  const V tail = reshape(slice(reshape(x, {n * n}), 0, 1, n * n), {n - 1, n + 1});
  return reshape(slice(tail, 1, 0, n), {n, n - 1});
}

std::vector<NeighbourMethod>& neighbour_methods() {
  static std::vector<NeighbourMethod> methods{
      {"neural_sort", relaxed_loss<Method::neural_sort>},
      {"neural_sort_stochastic", stochastic_loss},
      {"soft_sort", relaxed_loss<Method::soft_sort>},
      {"lap_sum", relaxed_loss<Method::lap_sum>},
      {"reinforce", reinforce_loss},
  };
  return methods;
}

}  // namespace tapesort
