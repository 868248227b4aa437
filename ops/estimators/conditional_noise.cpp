#include "ops/estimators/conditional_noise.hpp"

#include <cmath>

#include "engine/instantiate.hpp"
#include "ops/plackett_luce_choices.hpp"

namespace tapesort {

using namespace plackett_luce;

template <class T>
FirstOrder<T> conditional_perturbed(const Var<T>& log_scores, const Indices& order,
                                    const Array<T>& exponentials) {
  const char* op = "conditional_perturbed";
  require_same_shape(op, "order", order.shape(), "exponentials", exponentials.shape());
  const OrderRows shape(op, log_scores.shape(), order.shape());
  const std::size_t n = shape.n;
  require(shape.k == n, op, ": order is ", order.shape(), "; need all of ", n, " items");

  Array<T> z = uninitialized<T>(order.shape());
  // log-odds of p_i and w_i
  Array<double> p = uninitialized<double>(order.shape()), w = p;
  Choices choices(shape);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const Index* b = order.data() + r * n;
    choices.read(op, log_scores.value().data() + r % shape.score_rows * n, b, r);
    double before = -inf;  // of x_i, the part of the arrivals before
    for (std::size_t i = 0; i < n; ++i) {
      const double log_e = std::log(double(exponentials.data()[r * n + i]));
      const double x = log_add(before, log_e);
      z.data()[r * n + std::size_t(b[i])] =
          T(choices.total[i].largest + (choices.total[i].rest - x));
      w.data()[r * n + i] = log_e - before;
      p.data()[r * n + i] = choices.odds[i];
      before = x - softplus(choices.odds[i]);
    }
  }
  return record(op, {log_scores}, std::move(z), [order, p, w, shape](Node<T>& z) {
    const std::size_t n = shape.n;
    Array<double> grad = zeros<double>(z.input(0).shape());
    std::vector<double> L(n);  // cotangents of L_i
    for (std::size_t r = 0; r < shape.rows; ++r) {
      const Index* b = order.data() + r * n;
      const double *p_row = p.data() + r * n, *w_row = w.data() + r * n;
      const T* zbar = z.cotangent().data() + r * n;
      double U = 0, V = 0;
      for (std::size_t i = n; i-- > 0;) {
        U = double(zbar[b[i]]) + (i + 1 < n ? sigmoid(-w_row[i + 1]) * U : 0);
        L[i] = sigmoid(w_row[i]) * U;
      }
      for (std::size_t i = 0; i < n; ++i) {
        V = L[i] + (i > 0 ? sigmoid(-p_row[i - 1]) * V : 0);
        grad.data()[r % shape.score_rows * n + std::size_t(b[i])] += sigmoid(p_row[i]) * V;
      }
    }
    accumulate(z.input(0), convert<T>(grad));
  });
}

template <class T>
Array<T> arrival_exponentials(const Array<T>& log_scores, const Array<T>& noise,
                              const Indices& order) {
  const char* op = "arrival_exponentials";
  require_same_shape(op, "order", order.shape(), "noise", noise.shape());
  const OrderRows shape(op, log_scores.shape(), order.shape());
  const std::size_t n = shape.n;
  Array<T> exponentials = uninitialized<T>(order.shape());
  Choices choices(shape);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const Index* b = order.data() + r * n;
    const T *s = log_scores.data() + r % shape.score_rows * n, *G = noise.data() + r * n;
    choices.read(op, s, b, r);
    ExactSum before(0, 0);
    for (std::size_t i = 0; i < n; ++i) {
      const ExactSum now{double(s[b[i]]), double(G[b[i]])};
      const double fall = i == 0 ? -inf : now - before;  // from -log of time zero
      require(fall <= 0, op, ": row ", r, " of log_scores + noise does not sort to its order at ",
              "place ", i);
      // (t_i - t_(i-1)) e^L_i, with L_i - s = log 1 / p_i
      exponentials.data()[r * n + i] =
          T(-std::exp(softplus(-choices.odds[i]) - double(G[b[i]])) * std::expm1(fall));
      before = now;
    }
  }
  return exponentials;
}

INSTANTIATE(conditional_perturbed)
INSTANTIATE(arrival_exponentials)

}  // namespace tapesort
