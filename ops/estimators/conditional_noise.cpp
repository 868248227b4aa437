#include "ops/estimators/conditional_noise.hpp"

#include <cmath>

#include "ops/plackett_luce_choices.hpp"

namespace tapesort {

using namespace plackett_luce;

template <class T>
Var<T> conditional_perturbed(const Var<T>& log_scores, const Indices& order,
                             const Array<T>& exponentials) {
  const char* op = "conditional_perturbed";
  require_same_shape(op, "order", order.shape(), "exponentials", exponentials.shape());
  const OrderRows shape(op, log_scores.shape(), order.shape());
  const std::size_t n = shape.n;
  require(shape.k == n, op, ": order is ", order.shape(), "; need all of ", n, " items");

  Array<T> z = uninitialized<T>(order.shape());
  Array<double> p = uninitialized<double>(order.shape()), w = p;
  Choices choices(shape);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const Index* b = order.data() + r * n;
    choices.read(op, log_scores.value().data() + r % shape.score_rows * n, b, r);
    double log_t = -inf;
    for (std::size_t i = 0; i < n; ++i) {
      const double log_gap = std::log(double(exponentials.data()[r * n + i])) - choices.total[i];
      log_t = log_add(log_t, log_gap);
      z.data()[r * n + std::size_t(b[i])] = T(-log_t);
      w.data()[r * n + i] = std::exp(log_gap - log_t);
      p.data()[r * n + i] = sigmoid(choices.odds[i]);
    }
  }
  return record(op, {log_scores}, std::move(z), [order, p, w, shape](Node<T>& z) {
    const std::size_t n = shape.n;
    Array<T> grad = zeros<T>(z.input(0).shape());
    std::vector<double> L(n);  // cotangents of L_i
    for (std::size_t r = 0; r < shape.rows; ++r) {
      const Index* b = order.data() + r * n;
      const double *p_row = p.data() + r * n, *w_row = w.data() + r * n;
      const T* zbar = z.cotangent().data() + r * n;
      double U = 0, V = 0;
      for (std::size_t i = n; i-- > 0;) {
        U = zbar[b[i]] + (i + 1 < n ? (1 - w_row[i + 1]) * U : 0);
        L[i] = w_row[i] * U;
      }
      for (std::size_t i = 0; i < n; ++i) {
        V = L[i] + (i > 0 ? (1 - p_row[i - 1]) * V : 0);
        grad.data()[r % shape.score_rows * n + std::size_t(b[i])] += T(p_row[i] * V);
      }
    }
    accumulate(z.input(0), std::move(grad));
  });
}

template <class T>
Array<T> arrival_exponentials(const Array<T>& log_scores, const Array<T>& perturbed,
                              const Indices& order) {
  const char* op = "arrival_exponentials";
  require_same_shape(op, "order", order.shape(), "perturbed", perturbed.shape());
  const OrderRows shape(op, log_scores.shape(), order.shape());
  const std::size_t n = shape.n;
  Array<T> exponentials = uninitialized<T>(order.shape());
  Choices choices(shape);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const Index* b = order.data() + r * n;
    const T* z = perturbed.data() + r * n;
    choices.read(op, log_scores.data() + r % shape.score_rows * n, b, r);
    double before = inf;  // -log of time zero
    for (std::size_t i = 0; i < n; ++i) {
      const double now = z[b[i]];
      require(now <= before, op, ": row ", r, " of perturbed does not sort to its order at place ",
              i);
      exponentials.data()[r * n + i] =  // (t_i - t_(i-1)) e^L_i
          T(-std::exp(choices.total[i] - now) * std::expm1(now - before));
      before = now;
    }
  }
  return exponentials;
}

#define INSTANTIATE(T)                                                                   \
  template Var<T> conditional_perturbed(const Var<T>&, const Indices&, const Array<T>&); \
  template Array<T> arrival_exponentials(const Array<T>&, const Array<T>&, const Indices&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
