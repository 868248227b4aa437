#include "ops/plackett_luce.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/score_function.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
// ln(1 + e^x)
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
// ln(e^a + e^b)
double log_add(double a, double b) {
  if (a == -inf || b == -inf) return std::max(a, b);
  return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}

// Orders (samples..., ..., k) over scores (..., n), as rows: order row r belongs to score row
// r % score_rows.
struct OrderRows {
  OrderRows(const char* op, const Shape& scores, const Shape& order)
      : n(scores.back()), k(order.empty() ? 0 : order.back()) {
    const std::size_t batch = scores.size() - 1;
    bool fits = order.size() > batch && k <= n;
    for (std::size_t i = 0; fits && i < batch; ++i) {
      fits = order[order.size() - 1 - batch + i] == scores[i];
    }
    require(fits, op, ": order is ", order, ", log_scores are ", scores,
            "; need order (samples..., ..., k) for log_scores (..., n) with k <= n");
    rows = element_count(Shape(order.begin(), order.end() - 1));
    score_rows = element_count(Shape(scores.begin(), scores.end() - 1));
  }
  std::size_t n, k, rows, score_rows;
};

// The choices that lead to an order, place by place. All in double, whatever T is.
struct Choices {
  explicit Choices(const OrderRows& shape)
      : n(shape.n), k(shape.k), total(shape.k + 1), odds(shape.k), place(shape.n) {}

  // `total` is filled from the last place to the first, so nothing is ever subtracted from a sum.
  template <class T>
  void read(const char* op, const T* s, const Index* order, std::size_t row) {
    std::fill(place.begin(), place.end(), k);
    for (std::size_t i = 0; i < k; ++i) {
      require(order[i] >= 0 && std::size_t(order[i]) < n, op, ": row ", row, " of order has item ",
              order[i], "; need 0 <= item < ", n);
      require(place[std::size_t(order[i])] == k, op, ": row ", row, " of order has item ", order[i],
              " twice");
      place[std::size_t(order[i])] = i;
    }
    double left = -inf;
    if (k < n) {
      for (std::size_t j = 0; j < n; ++j) {
        if (place[j] == k) left = log_add(left, double(s[j]));
      }
    }
    total[k] = left;
    for (std::size_t i = k; i-- > 0;) {
      odds[i] = double(s[order[i]]) - total[i + 1];
      total[i] = double(s[order[i]]) + softplus(-odds[i]);
    }
  }

  std::size_t n, k;
  std::vector<double> total;  // L_i = log of the summed e^s of the items that are left at place i
  std::vector<double> odds;   // log-odds of the item chosen at place i: p_i = sigmoid(odds_i)
  std::vector<std::size_t> place;  // of each item; k for an item that is not chosen
};

}  // namespace

template <class T>
Array<T> exponential_noise(const Shape& shape, Generator& random) {
  const Array<double> u = random.uniform<double>(shape);
  Array<T> noise = uninitialized<T>(shape);
  for (std::size_t i = 0; i < u.size(); ++i) {
    // u = 0 would give 0, and Gumbel noise its infinity
    noise.data()[i] = T(std::max(-std::log1p(-u.data()[i]), 0x1p-54));
  }
  return noise;
}

template <class T>
Array<T> gumbel_noise(const Shape& shape, Generator& random) {
  Array<T> noise = exponential_noise<T>(shape, random);
  for (std::size_t i = 0; i < noise.size(); ++i) noise.data()[i] = -std::log(noise.data()[i]);
  return noise;
}

template <class T>
PlackettLuce<T>::PlackettLuce(const Var<T>& log_scores) : s_(log_scores) {
  require(s_.dimension() >= 1, "PlackettLuce: log_scores are 0-d; need (..., n)");
  const std::size_t n = s_.shape().back();
  require(n >= 1, "PlackettLuce: log_scores are ", s_.shape(), "; need n >= 1");
  for (std::size_t i = 0; i < s_.size(); ++i) {
    require(std::isfinite(s_.value().data()[i]), "PlackettLuce: log-score ", i % n, " of row ",
            i / n, " is ", s_.value().data()[i], "; need finite numbers");
  }
}

template <class T>
Var<T> PlackettLuce<T>::log_prob(const Indices& order) const {
  const OrderRows shape("PlackettLuce::log_prob", s_.shape(), order.shape());
  const std::size_t n = shape.n, k = shape.k;
  Array<T> y = uninitialized<T>(Shape(order.shape().begin(), order.shape().end() - 1));
  Array<T> odds = uninitialized<T>(order.shape()), rest = uninitialized<T>(y.shape());
  Choices choices(shape);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    choices.read("PlackettLuce::log_prob", s_.value().data() + r % shape.score_rows * n,
                 order.data() + r * k, r);
    double sum = 0;
    for (std::size_t i = 0; i < k; ++i) sum -= softplus(-choices.odds[i]);  // ln p_i
    y.data()[r] = T(sum);
    std::copy_n(choices.odds.data(), k, odds.data() + r * k);
    rest.data()[r] = T(choices.total[k]);
  }
  // The probability of j at place i is e^(s_j - L_i), at its own place j that is p_j; from one
  // place to the next e^(-L) grows by 1 / (1 - p_i). So its sum over the places up to j is p_j R_j
  // with R_j = 1 + (1 - p_(j-1)) R_(j-1), all of whose terms lie in 0 .. 1.
  return record("plackett_luce_log_prob", {s_}, std::move(y),
                [order, odds, rest, shape](Node<T>& y) {
                  const std::size_t n = shape.n, k = shape.k;
                  const Array<T>& s = y.input(0).value();
                  Array<T> grad = zeros<T>(s.shape());
                  std::vector<char> chosen(n);
                  for (std::size_t r = 0; r < shape.rows; ++r) {
                    const double ybar = y.cotangent().data()[r];
                    const T* s_row = s.data() + r % shape.score_rows * n;
                    T* g = grad.data() + r % shape.score_rows * n;
                    std::fill(chosen.begin(), chosen.end(), 0);
                    double R = 1;
                    for (std::size_t i = 0; i < k; ++i) {
                      const std::size_t j = std::size_t(order.data()[r * k + i]);
                      const double p = sigmoid(odds.data()[r * k + i]);
                      g[j] += T(ybar * (1 - p * R));
                      R = 1 + sigmoid(-odds.data()[r * k + i]) * R;
                      chosen[j] = 1;
                    }
                    for (std::size_t j = 0; k < n && j < n; ++j) {
                      if (!chosen[j])
                        g[j] -= T(ybar * std::exp(double(s_row[j]) - rest.data()[r]) * (R - 1));
                    }
                  }
                  accumulate(y.input(0), std::move(grad));
                });
}

template <class T>
Indices PlackettLuce<T>::mode() const {
  return argsort(s_.value());
}

template <class T>
Shape PlackettLuce<T>::with_samples(const Shape& samples) const {
  Shape shape = samples;
  for (std::size_t extent : s_.shape()) shape.push_back(extent);
  return shape;
}

template <class T>
Var<T> PlackettLuce<T>::perturbed(const Array<T>& noise) const {
  return s_ + constant<T>(noise);
}

template <class T>
Var<T> PlackettLuce<T>::perturbed(Generator& random, const Shape& samples) const {
  return perturbed(gumbel_noise<T>(with_samples(samples), random));
}

template <class T>
Indices PlackettLuce<T>::sample(Generator& random, const Shape& samples) const {
  return argsort(perturbed(random, samples).value());
}

template <class T>
Var<T> PlackettLuce<T>::relaxed_sample(const RelaxedSort<T>& relaxed_sort, Generator& random,
                                       const Shape& samples) const {
  return relaxed_sort(perturbed(random, samples));
}

template <class T>
Var<T> PlackettLuce<T>::straight_through_sample(const RelaxedSort<T>& relaxed_sort,
                                                Generator& random, const Shape& samples) const {
  const Var<T> z = perturbed(random, samples);
  return straight_through(permutation_matrix<T>(argsort(z.value())), relaxed_sort(z));
}

// In both, the gradient of f itself with respect to p's scores has mean zero and would only add
// noise: E grad log p = 0.
template <class T>
Var<T> PlackettLuce<T>::entropy(Generator& random, std::size_t samples) const {
  require(samples >= 2, "PlackettLuce::entropy: need at least 2 samples, got ", samples);
  const Var<T> log_p = log_prob(sample(random, {samples}));
  const Var<T> f = -stop_gradient(log_p);
  return score_function(f, log_p, leave_one_out_mean(f.value()));
}

template <class T>
Var<T> PlackettLuce<T>::divergence(const PlackettLuce& q, Generator& random,
                                   std::size_t samples) const {
  require_same_shape("PlackettLuce::divergence", "p", s_.shape(), "q", q.s_.shape());
  require(samples >= 2, "PlackettLuce::divergence: need at least 2 samples, got ", samples);
  const Indices order = sample(random, {samples});
  const Var<T> log_p = log_prob(order);
  const Var<T> f = stop_gradient(log_p) - q.log_prob(order);
  return score_function(f, log_p, leave_one_out_mean(f.value()));
}

template <class T>
Var<T> conditional_perturbed(const Var<T>& log_scores, const Indices& order,
                             const Array<T>& exponentials) {
  const char* op = "conditional_perturbed";
  require_same_shape(op, "order", order.shape(), "exponentials", exponentials.shape());
  const OrderRows shape(op, log_scores.shape(), order.shape());
  const std::size_t n = shape.n;
  require(shape.k == n, op, ": order is ", order.shape(), "; need all of ", n, " items");

  Array<T> z = uninitialized<T>(order.shape());
  Array<T> p = uninitialized<T>(order.shape()), w = uninitialized<T>(order.shape());
  Choices choices(shape);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const Index* b = order.data() + r * n;
    choices.read(op, log_scores.value().data() + r % shape.score_rows * n, b, r);
    double log_t = -inf;
    for (std::size_t i = 0; i < n; ++i) {
      const double log_gap = std::log(double(exponentials.data()[r * n + i])) - choices.total[i];
      log_t = log_add(log_t, log_gap);
      z.data()[r * n + std::size_t(b[i])] = T(-log_t);
      w.data()[r * n + i] = T(std::exp(log_gap - log_t));
      p.data()[r * n + i] = T(sigmoid(choices.odds[i]));
    }
  }
  return record(op, {log_scores}, std::move(z), [order, p, w, shape](Node<T>& z) {
    const std::size_t n = shape.n;
    Array<T> grad = zeros<T>(z.input(0).shape());
    std::vector<double> L(n);  // cotangents of L_i
    for (std::size_t r = 0; r < shape.rows; ++r) {
      const Index* b = order.data() + r * n;
      const T *p_row = p.data() + r * n, *w_row = w.data() + r * n;
      const T* zbar = z.cotangent().data() + r * n;
      double U = 0, V = 0;
      for (std::size_t i = n; i-- > 0;) {
        U = zbar[b[i]] + (i + 1 < n ? (1 - double(w_row[i + 1])) * U : 0);
        L[i] = w_row[i] * U;
      }
      for (std::size_t i = 0; i < n; ++i) {
        V = L[i] + (i > 0 ? (1 - double(p_row[i - 1])) * V : 0);
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

Indices all_orders(std::size_t n) {
  require(n <= 8, "all_orders: n is ", n,
          "; need n <= 8, whose 40,320 orders are the most that is held");
  std::size_t count = 1;
  for (std::size_t i = 2; i <= n; ++i) count *= i;
  Indices orders = uninitialized<Index>({count, n});
  std::vector<Index> order(n);
  std::iota(order.begin(), order.end(), Index(0));
  for (std::size_t r = 0; r < count; ++r) {
    std::copy(order.begin(), order.end(), orders.data() + r * n);
    std::next_permutation(order.begin(), order.end());
  }
  return orders;
}

#define INSTANTIATE(T)                                                                   \
  template Array<T> exponential_noise<T>(const Shape&, Generator&);                      \
  template Array<T> gumbel_noise<T>(const Shape&, Generator&);                           \
  template class PlackettLuce<T>;                                                        \
  template Var<T> conditional_perturbed(const Var<T>&, const Indices&, const Array<T>&); \
  template Array<T> arrival_exponentials(const Array<T>&, const Array<T>&, const Indices&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
