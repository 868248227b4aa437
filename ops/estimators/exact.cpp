#include <cmath>

#include "engine/instantiate.hpp"
#include "ops/estimators/estimators.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// The tree of all orders, from the empty prefix to the n! leaves, walked once. What is drawn next
// depends on the set of items that are left only, so 2^n softmaxes serve all of its e n! nodes.
//   value of a node     V = sum_j p(j | left) V_j, of a leaf f(z)
//   gradient            each node adds P(node) p(j | left) (V_j - V) to that of s_j
// V_j - V is formed relative to the value below the likeliest item: where that one is almost
// certain, V - V_j itself would be rounding.
template <class T> class Tree {
 public:
  // costs and probabilities: one for each leaf, `stride` apart, in lexicographic order.
  Tree(std::size_t n, const T* s, const T* costs, T* probabilities, std::size_t stride)
      : n_(n), costs_(costs), probabilities_(probabilities), stride_(stride), choice_(n << n) {
    for (unsigned left = 1; left < 1u << n; ++left) {
      double* p = &choice_[left * n];
      double largest = -std::numeric_limits<double>::infinity(), total = 0;
      for (std::size_t j = 0; j < n; ++j) {
        if (left >> j & 1) largest = std::max(largest, double(s[j]));
      }
      for (std::size_t j = 0; j < n; ++j) {
        if (left >> j & 1) total += p[j] = std::exp(double(s[j]) - largest);
      }
      for (std::size_t j = 0; j < n; ++j) p[j] /= total;
    }
  }

  // The expected cost; adds its gradient to grad (n).
  double expectation(double* grad) {
    leaf_ = 0;
    return visit((1u << n_) - 1, 1, grad);
  }

 private:
  double visit(unsigned left, double reached, double* grad) {
    if (left == 0) {
      probabilities_[leaf_] = T(reached);
      const double cost = costs_[leaf_];
      leaf_ += stride_;
      return cost;
    }
    const double* p = &choice_[left * n_];
    double below[8], mean = 0;
    for (std::size_t j = 0; j < n_; ++j) {
      if (left >> j & 1) below[j] = visit(left & ~(1u << j), reached * p[j], grad);
    }
    const double likeliest = below[std::max_element(p, p + n_) - p];  // p is 0 outside `left`
    for (std::size_t j = 0; j < n_; ++j) {
      if (left >> j & 1) mean += p[j] * (below[j] - likeliest);
    }
    for (std::size_t j = 0; j < n_; ++j) {
      if (left >> j & 1) grad[j] += reached * p[j] * ((below[j] - likeliest) - mean);
    }
    return likeliest + mean;
  }

  std::size_t n_;
  const T* costs_;
  T* probabilities_;
  std::size_t stride_, leaf_ = 0;
  std::vector<double> choice_;  // p(j | left) at left * n + j
};

}  // namespace

template <class T>
FirstOrder<T> exact_expectation(const Var<T>& log_scores, const OrderCost<T>& f) {
  const PlackettLuce<T> distribution(log_scores);  // checks them
  const Shape& shape = log_scores.shape();
  const std::size_t n = shape.back(), rows = log_scores.size() / n;
  const Indices all = all_orders(n);
  Indices orders = uninitialized<Index>(distribution.with_samples({all.shape()[0]}));
  for (std::size_t r = 0; r < orders.size() / n; ++r) {  // every order for every row
    std::copy_n(all.data() + r / rows * n, n, orders.data() + r * n);
  }
  const Var<T> cost = detail::evaluate_cost<T>("exact_expectation", f, orders);

  Array<T> y = uninitialized<T>(shape_of_sets(shape));
  Array<T> p = uninitialized<T>(cost.shape());
  Array<double> grad = zeros<double>(shape);  // dy / ds
  for (std::size_t r = 0; r < rows; ++r) {
    Tree<T> tree(n, log_scores.value().data() + r * n, cost.value().data() + r, p.data() + r, rows);
    y.data()[r] = T(tree.expectation(grad.data() + r * n));
  }
  return record("exact_expectation", {log_scores, cost}, std::move(y), [p, grad](Node<T>& y) {
    const Array<T>& ybar = y.cotangent();
    Array<T> sbar = uninitialized<T>(grad.shape()), costbar = uninitialized<T>(p.shape());
    const std::size_t n = grad.shape().back();
    for (std::size_t i = 0; i < sbar.size(); ++i)
      sbar.data()[i] = T(ybar.data()[i / n] * grad.data()[i]);
    for (std::size_t i = 0; i < p.size(); ++i)
      costbar.data()[i] = ybar.data()[i % ybar.size()] * p.data()[i];
    accumulate(y.input(0), std::move(sbar));
    accumulate(y.input(1), std::move(costbar));
  });
}

INSTANTIATE(exact_expectation)

}  // namespace tapesort
