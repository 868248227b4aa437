#include "ops/plackett_luce.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
#include "ops/elementwise.hpp"
#include "ops/noise.hpp"
#include "ops/plackett_luce_choices.hpp"
#include "ops/reduce.hpp"
#include "ops/score_function.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {

using namespace plackett_luce;

template <class T> PlackettLuce<T>::PlackettLuce(const Var<T>& log_scores) : s_(log_scores) {
  require(s_.dimension() >= 1, "PlackettLuce: log_scores are 0-d; need (..., n)");
  const std::size_t n = s_.shape().back();
  require(n >= 1, "PlackettLuce: log_scores are ", s_.shape(), "; need n >= 1");
  using std::isfinite;
  for (std::size_t i = 0; i < s_.size(); ++i) {
    require(isfinite(s_.value().data()[i]), "PlackettLuce: log-score ", i % n, " of row ", i / n,
            " is ", s_.value().data()[i], "; need finite numbers");
  }
}

template <class T> Var<T> PlackettLuce<T>::log_prob(const Indices& order) const {
  const OrderRows shape("PlackettLuce::log_prob", s_.shape(), order.shape());
  const std::size_t n = shape.n, k = shape.k;
  Array<T> y = uninitialized<T>(shape_of_sets(order.shape()));
  Array<double> odds = uninitialized<double>(order.shape());
  std::vector<Total> rest(shape.rows);
  const std::size_t grain = 1 + 2000 / n;  // rows of some 50 us a thread
  parallel_for(shape.rows, grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    Choices choices(shape);
    for (std::size_t r = begin; r < end; ++r) {
      choices.read("PlackettLuce::log_prob", s_.value().data() + r % shape.score_rows * n,
                   order.data() + r * k, r);
      double sum = 0;
      for (std::size_t i = 0; i < k; ++i) sum -= softplus(-choices.odds[i]);  // ln p_i
      y.data()[r] = T(sum);
      std::copy_n(choices.odds.data(), k, odds.data() + r * k);
      rest[r] = choices.total[k];
    }
  });
  // The probability of j at place i is e^(s_j - L_i), at its own place j that is p_j; from one
  // place to the next e^(-L) grows by 1 / (1 - p_i). So its sum over the places up to j is p_j R_j
  // with R_j = 1 + Q_j, Q_j = (1 - p_(j-1)) (1 + Q_(j-1)), all of whose terms lie in 0 .. 1. The
  // gradient 1 - p_j R_j = (1 - p_j) - p_j Q_j is the difference of two numbers that are small where
  // it is.
  return record(
      "plackett_luce_log_prob", {s_}, std::move(y), [order, odds, rest, shape](Node<T>& y) {
        const std::size_t n = shape.n, k = shape.k;
        const Array<T>& s = y.input(0).value();
        Array<double> grad = zeros<double>(s.shape());
        std::vector<char> chosen(n);
        for (std::size_t r = 0; r < shape.rows; ++r) {
          const double ybar = y.cotangent().data()[r];
          const T* s_row = s.data() + r % shape.score_rows * n;
          double* g = grad.data() + r % shape.score_rows * n;
          std::fill(chosen.begin(), chosen.end(), 0);
          double Q = 0;
          for (std::size_t i = 0; i < k; ++i) {
            const std::size_t j = std::size_t(order.data()[r * k + i]);
            const double p = sigmoid(odds.data()[r * k + i]);
            const double others = sigmoid(-odds.data()[r * k + i]);
            g[j] += ybar * (others - p * Q);
            Q = others * (1 + Q);
            chosen[j] = 1;
          }
          for (std::size_t j = 0; k < n && j < n; ++j) {
            if (chosen[j]) continue;
            g[j] -= ybar * Q * std::exp((double(s_row[j]) - rest[r].largest) - rest[r].rest);
          }
        }
        accumulate(y.input(0), convert<T>(grad));
      });
}

// Second derivatives come from the definition, ln p(z) = sum_i (s[z_i] - ln sum_(j >= i) e^(s[z_j])).
template <> Var<Dual<double>> PlackettLuce<Dual<double>>::log_prob(const Indices& order) const {
  const OrderRows shape("PlackettLuce::log_prob", s_.shape(), order.shape());
  const std::size_t n = shape.n, k = shape.k;
  Shape all = order.shape();
  all.back() = n;
  Indices z = uninitialized<Index>(all);  // the order, then the items that are left
  Choices choices(shape);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    choices.read("PlackettLuce::log_prob", s_.value().data() + r % shape.score_rows * n,
                 order.data() + r * k, r);
    Index* rest = std::copy_n(order.data() + r * k, k, z.data() + r * n);
    for (std::size_t j = 0; k < n && j < n; ++j) {
      if (choices.place[j] == k) *rest++ = Index(j);
    }
  }
  const Var<Dual<double>> s = take_along_axis(broadcast_to(s_, all), z);
  std::vector<Var<Dual<double>>> terms;
  for (Index i = 0; i < Index(k); ++i) {
    terms.push_back(slice(s, -1, i, i + 1) -
                    logsumexp(slice(s, -1, i, Index(n)), -1, /*keep_dims=*/true));
  }
  if (terms.empty()) return sum(slice(s, -1, 0, 0), -1);
  return sum(concat(terms, -1), -1);
}

template <class T> Indices PlackettLuce<T>::mode() const { return argsort(s_.value()); }

template <class T> Shape PlackettLuce<T>::with_samples(const Shape& samples) const {
  return extended(samples, s_.shape());
}

template <class T> Var<T> PlackettLuce<T>::near_zero() const {
  Array<T> nearest = s_.value();
  const std::size_t n = nearest.shape().back();
  for (T* row = nearest.data(); row != nearest.data() + nearest.size(); row += n) {
    const auto [least, most] =
        std::minmax_element(row, row + n, [](T a, T b) { return std::abs(a) < std::abs(b); });
    const bool overflows = std::abs(*most) > std::numeric_limits<T>::max() / 2;
    std::fill_n(row, n, overflows ? T(0) : T(*least));
  }
  return s_ - constant(std::move(nearest));
}

template <class T> Var<T> PlackettLuce<T>::perturbed(const Array<T>& noise) const {
  return s_ + constant<T>(noise);
}

template <class T>
Var<T> PlackettLuce<T>::perturbed(Generator& random, const Shape& samples) const {
  return perturbed(gumbel_noise<T>(with_samples(samples), random));
}

template <class T> Indices PlackettLuce<T>::perturbed_order(const Array<T>& noise) const {
  const Array<T> z = perturbed(noise).value();
  const T* s = s_.value().data();
  const std::size_t n = z.shape().back();
  Indices order = argsort(z);
  // Rounding is monotonic, so only sums that were rounded to one number are still to be ordered.
  for (std::size_t start = 0; start < z.size(); start += n) {
    const auto sum = [&](Index j) {
      const std::size_t i = start + std::size_t(j);
      return ExactSum(double(s[i % s_.size()]), double(noise.data()[i % noise.size()]));
    };
    Index* const row = order.data() + start;
    const auto rounded = [&](std::size_t i) { return z.data()[start + std::size_t(row[i])]; };
    for_ties(n, rounded, [&](std::size_t begin, std::size_t end) {
      if (end - begin == 1) return;
      std::stable_sort(row + begin, row + end, [&](Index a, Index b) { return sum(b) < sum(a); });
    });
  }
  return order;
}

template <class T> Indices PlackettLuce<T>::sample(Generator& random, const Shape& samples) const {
  return perturbed_order(gumbel_noise<T>(with_samples(samples), random));
}

template <class T>
Var<T> PlackettLuce<T>::relaxed_sample(const RelaxedSort<T>& relaxed_sort, Generator& random,
                                       const Shape& samples) const {
  return relaxed_sort(near_zero() + constant(gumbel_noise<T>(with_samples(samples), random)));
}

template <class T>
Var<T> PlackettLuce<T>::straight_through_sample(const RelaxedSort<T>& relaxed_sort,
                                                Generator& random, const Shape& samples) const {
  const Array<T> noise = gumbel_noise<T>(with_samples(samples), random);
  return straight_through(permutation_matrix<T>(perturbed_order(noise)),
                          relaxed_sort(near_zero() + constant<T>(noise)));
}

// In both, the gradient of f itself with respect to p's scores has mean zero and would only add
// noise: E grad log p = 0.
template <class T> Var<T> PlackettLuce<T>::entropy(Generator& random, std::size_t samples) const {
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

INSTANTIATE_CLASS(PlackettLuce)
template PlackettLuce<Dual<double>>::PlackettLuce(const Var<Dual<double>>&);
template Indices PlackettLuce<Dual<double>>::mode() const;

}  // namespace tapesort
