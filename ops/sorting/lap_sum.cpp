#include "ops/sorting/lap_sum.hpp"

#include <limits>
#include <memory>

#include "engine/instantiate.hpp"
#include "engine/simd_sums.hpp"
#include "ops/mask.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// Where G(b) = k: b stands between the scores at places m - 1 and m (counted from 0, so m scores
// stand above it), `above` below the one and `below` above the other, in units of tau. Of
// softmax(-|s - b| / tau), `up` is on the scores above b and `down` on those below it.
struct Root {
  std::size_t m;
  double above, below, up, down;
};

// The sums over one set, in sorted order, places counted from 0. All exponents are differences of
// scores, formed before they are divided by tau, so that an offset of the scores costs nothing.
class LaplaceSums {
 public:
  // s: sorted downwards.
  LaplaceSums(std::vector<double> s, double tau)
      : s_(std::move(s)), tau_(tau), n_(s_.size()), e_(n_), a_(n_), c_(n_) {
    for (std::size_t m = 0; m + 1 < n_; ++m) e_[m] = std::exp(-distance(m, m + 1));
    for (std::size_t m = 0; m < n_; ++m) a_[m] = 1 + (m ? a_[m - 1] * e_[m - 1] : 0);
    for (std::size_t m = n_; m-- > 0;) c_[m] = 1 + (m + 1 < n_ ? c_[m + 1] * e_[m] : 0);
  }

  // G(s_m).
  double count(std::size_t m) const { return double(m) + (1 + c_[m] - a_[m]) / 2; }

  // Solves G(b) = k, 0 < k < n. The search begins at place `from`: any place where
  // count(from - 1) <= k.
  Root root(double k, std::size_t from = 0) const {
    std::size_t m = from;
    while (m < n_ && count(m) < k) ++m;
    // Above all scores, or below all: one exponential.
    if (m == 0) return {0, 0, std::log(c_[0] / 2) - std::log(k), 0, 1};
    if (m == n_) return {n_, std::log(a_[n_ - 1] / 2) - std::log(double(n_) - k), 0, 1, 0};
    // c u - a w = 2 r and u w = e: of the two forms of the root, the one without cancellation.
    const double a = a_[m - 1], c = c_[m], e = e_[m - 1], r = k - double(m);
    const double root = std::sqrt(r * r + a * c * e);
    // Where e underflows and r = 0, b is in the middle, on the scale of log a and log c.
    const double gap = std::min(distance(m - 1, m), 1e300), lean = std::log(c / a) / 2;
    if (root == 0) return {m, gap / 2 - lean, gap / 2 + lean, 0.5, 0.5};
    const double u = r >= 0 ? (r + root) / c : e * a / (root - r);
    const double w = r >= 0 ? e * c / (r + root) : (root - r) / a;
    const double above = a * w, below = c * u, total = above + below;
    if (r >= 0) return {m, gap + std::log(u), -std::log(u), above / total, below / total};
    return {m, -std::log(w), gap + std::log(w), above / total, below / total};
  }

  // b, from the score that is nearer to it.
  double value(const Root& root) const {
    return nearest(root) < root.m ? s_[root.m - 1] - tau_ * root.above
                                  : s_[root.m] + tau_ * root.below;
  }
  // The place of that score.
  std::size_t nearest(const Root& root) const {
    if (root.m == 0 || root.m == n_) return root.m == 0 ? 0 : n_ - 1;
    return root.above < root.below ? root.m - 1 : root.m;
  }
  // |s_j - b| / tau
  double distance_to(const Root& root, std::size_t j) const {
    return j < root.m ? distance(j, root.m - 1) + root.above : distance(root.m, j) + root.below;
  }
  // e_j = e^(shift - |s_j - b| / tau) for all j, filled up to whole registers.
  void decays(const Root& root, double shift, std::vector<double>& e) const {
    e.resize(whole_lanes<double>(n_));
    for (std::size_t j = 0; j < n_; ++j) e[j] = shift - distance_to(root, j);
    std::fill(e.begin() + std::ptrdiff_t(n_), e.end(), 0.0);
    for (std::size_t j = 0; j < n_; j += Lanes<double>::size) {
      simd::store(&e[j], simd::exp(simd::load(&e[j])));
    }
  }
  // F((s_j - b) / tau), as 1 less the tail where s_j is above b.
  double mass(const Root& root, std::size_t j) const {
    const double tail = std::exp(-distance_to(root, j)) / 2;
    return j < root.m ? 1 - tail : tail;
  }

  // sum_i amount_i softmax(-|v - b_i|) over n roots, at each place, in O(n): each root leaves its
  // amount at its two neighbours, from where it decays upwards and downwards.
  template <class T> std::vector<double> spread(const Root* roots, const T* amounts) const {
    std::vector<double> up(n_, 0), down(n_, 0);  // what a place passes on, and itself
    for (std::size_t i = 0; i < n_; ++i) {
      const Root& root = roots[i];
      const double amount = double(amounts[i]);
      if (root.m > 0) up[root.m - 1] += amount * root.up / a_[root.m - 1];
      if (root.m < n_) down[root.m] += amount * root.down / c_[root.m];
    }
    for (std::size_t m = n_; m-- > 1;) up[m - 1] += e_[m - 1] * up[m];
    for (std::size_t m = 1; m < n_; ++m) down[m] += e_[m - 1] * down[m - 1];
    for (std::size_t m = 0; m < n_; ++m) up[m] += down[m];
    return up;
  }
  // sum_j e^-|s_i - s_j|/tau (x_j - x_i), by differences of neighbours: 0 where all x are equal.
  std::vector<double> smoothed_differences(const std::vector<double>& x) const {
    std::vector<double> result(n_, 0);
    double sum = 0;
    for (std::size_t m = 1; m < n_; ++m) {
      result[m] = sum = e_[m - 1] * (sum + a_[m - 1] * (x[m - 1] - x[m]));
    }
    sum = 0;
    for (std::size_t m = n_; m-- > 1;) {
      sum = e_[m - 1] * (sum + c_[m] * (x[m] - x[m - 1]));
      result[m - 1] += sum;
    }
    return result;
  }

 private:
  // (s_j - s_k) / tau for places j <= k.
  double distance(std::size_t j, std::size_t k) const { return (s_[j] - s_[k]) / tau_; }

  std::vector<double> s_;
  double tau_;
  std::size_t n_;
  std::vector<double> e_, a_, c_;  // e_m = e^-(s_m - s_(m+1))/tau
};

// All sets of a batch, sorted.
struct Batch {
  std::size_t n, sets;
  double sign, tau;  // sign * scores are sorted downwards
  Indices order;
  std::vector<std::unique_ptr<LaplaceSums>> sums;
  std::vector<Root> roots;  // what an operator has solved for

  template <class T>
  Batch(const char* op, const Array<T>& scores, double tau, Direction direction)
      : n(checked_set_size(op, scores)),
        sets(count_sets(scores, n)),
        sign(direction == Direction::descending ? 1 : -1),
        tau(tau),
        order(argsort(scores, direction)),
        sums(sets) {
    check_scale<double>(op, "tau", tau);
    check_within(op, scores, std::numeric_limits<double>::max() / 2);
    for_sets(sets, 10 * n, [&](std::size_t set) {
      std::vector<double> s = by_place(scores, set);
      for (double& x : s) x *= sign;
      sums[set] = std::make_unique<LaplaceSums>(std::move(s), tau);
    });
  }

  // The position in the batch of the score at place m.
  std::size_t position(std::size_t set, std::size_t m) const {
    return set * n + std::size_t(order.data()[set * n + m]);
  }

  // A set's numbers by place.
  template <class T> std::vector<double> by_place(const Array<T>& items, std::size_t set) const {
    std::vector<double> x(n);
    for (std::size_t m = 0; m < n; ++m) x[m] = double(items.data()[position(set, m)]);
    return x;
  }
  // The reverse: calls f(set, x) for every set, in parallel, to write its numbers by place into x,
  // which begins as zero.
  template <class T, class F>
  Array<T> by_item(const Shape& shape, std::size_t cost, const F& f) const {
    Array<T> items = uninitialized<T>(shape);
    for_sets(sets, cost, [&](std::size_t set) {
      std::vector<double> x(n, 0);
      f(set, x);
      for (std::size_t m = 0; m < n; ++m) items.data()[position(set, m)] = T(x[m]);
    });
    return items;
  }
  // The same for tau times the gradient of the sorted scores.
  template <class T, class F>
  void give_gradient(const Var<T>& scores, std::size_t cost, const F& f) const {
    accumulate(scores, by_item<T>(scores.shape(), cost, [&](std::size_t set, auto& vbar) {
                 f(set, vbar);
                 for (double& v : vbar) v = sign * v / tau;
               }));
  }
};

using Shared = std::shared_ptr<Batch>;

// The pullback of p_j = F((s_j - b) / tau), b the root of G(b) = k; adds tau sbar to vbar. Relative
// to pbar of the score nearest to b, all terms are as small as the weights of the other scores.
void pull_mass(const LaplaceSums& sums, const Root& root, const std::vector<double>& pbar,
               std::vector<double>& vbar) {
  const std::size_t n = pbar.size(), nearest = sums.nearest(root);
  const double own = pbar[nearest], shift = sums.distance_to(root, nearest);
  // e^-|s - b|/tau relative to the largest, so that q is not 0 / 0 where b is far from all scores.
  const double scale = std::exp(-shift) / 2;
  thread_local std::vector<double> e;
  sums.decays(root, shift, e);
  double total = 0, product = 0;
  for (std::size_t j = 0; j < n; ++j) {
    total += e[j];
    product += e[j] * (pbar[j] - own);
  }
  const double mean = product / total;
  for (std::size_t j = 0; j < n; ++j) vbar[j] += scale * e[j] * ((pbar[j] - own) - mean);
}

}  // namespace

template <class T>
FirstOrder<T> lap_sum_top_k(const Var<T>& scores, double k, double tau, Direction direction) {
  const Shared batch = std::make_shared<Batch>("lap_sum_top_k", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  check_count("lap_sum_top_k", k, n);

  if (k == 0 || k == double(n)) {  // all mass or none, wherever the scores are
    return record(Op("lap_sum_top_k", k, tau), {scores}, full<T>(scores.shape(), T(k == 0 ? 0 : 1)),
                  [](Node<T>&) {});
  }
  batch->roots.resize(batch->sets);
  Array<T> p = batch->by_item<T>(scores.shape(), 10 * n, [&](std::size_t set, auto& p) {
    const LaplaceSums& sums = *batch->sums[set];
    batch->roots[set] = sums.root(k);
    for (std::size_t m = 0; m < n; ++m) p[m] = sums.mass(batch->roots[set], m);
  });
  return record(Op("lap_sum_top_k", k, tau), {scores}, std::move(p), [batch, n](Node<T>& p) {
    batch->give_gradient(p.input(0), 10 * n, [&](std::size_t set, auto& vbar) {
      const std::vector<double> pbar = batch->by_place(p.cotangent(), set);
      pull_mass(*batch->sums[set], batch->roots[set], pbar, vbar);
    });
  });
}

template <class T>
FirstOrder<T> lap_sum_rank(const Var<T>& scores, double tau, Direction direction) {
  const Shared batch = std::make_shared<Batch>("lap_sum_rank", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  Array<T> r = batch->by_item<T>(scores.shape(), n, [&](std::size_t set, auto& r) {
    for (std::size_t m = 0; m < n; ++m) r[m] = 0.5 + batch->sums[set]->count(m);
  });
  return record(Op("lap_sum_rank", tau), {scores}, std::move(r), [batch, n](Node<T>& r) {
    batch->give_gradient(r.input(0), 10 * n, [&](std::size_t set, auto& vbar) {
      vbar = batch->sums[set]->smoothed_differences(batch->by_place(r.cotangent(), set));
      for (double& v : vbar) v /= 2;
    });
  });
}

template <class T>
FirstOrder<T> lap_sum_sort(const Var<T>& scores, double tau, Direction direction) {
  const Shared batch = std::make_shared<Batch>("lap_sum_sort", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  Array<T> y = uninitialized<T>(scores.shape());
  batch->roots.resize(scores.size());
  for_sets(batch->sets, 20 * n, [&](std::size_t set) {
    for (std::size_t m = 0, from = 0; m < n; ++m) {
      Root& root = batch->roots[set * n + m] = batch->sums[set]->root(double(m) + 0.5, from);
      from = root.m;
      y.data()[set * n + m] = T(batch->sign * batch->sums[set]->value(root));
    }
  });
  return record(Op("lap_sum_sort", tau), {scores}, std::move(y), [batch, n](Node<T>& y) {
    const auto sbar = [&](std::size_t set, auto& sbar) {
      sbar = batch->sums[set]->spread(&batch->roots[set * n], y.cotangent().data() + set * n);
    };
    accumulate(y.input(0), batch->by_item<T>(y.value().shape(), 10 * n, sbar));
  });
}

template <class T> FirstOrder<T> lap_sum(const Var<T>& scores, double tau, Direction direction) {
  const Shared batch = std::make_shared<Batch>("lap_sum", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  Array<T> P_hat = uninitialized<T>(matrix_shape(scores.shape()));
  batch->roots.resize(scores.size());  // of G(b) = 1 .. n - 1; the last one is not used
  for_sets(batch->sets, 10 * n * n, [&](std::size_t set) {
    const LaplaceSums& sums = *batch->sums[set];
    // Row i is mass under the root of i + 1 less mass under that of i. Both come as tails, so that
    // a small difference is one of small numbers.
    std::vector<double> before(n, 0), now(n, 0);
    std::size_t above_before = 0;
    for (std::size_t i = 0; i < n; ++i) {
      std::size_t above = n;
      if (i + 1 < n) {
        const Root& root = batch->roots[set * n + i] = sums.root(double(i + 1), above_before);
        above = root.m;
        sums.decays(root, 0, now);
        for (double& tail : now) tail /= 2;
      } else {
        std::fill(now.begin(), now.end(), 0.0);
      }
      T* row = P_hat.data() + (set * n + i) * n;
      const Index* order = batch->order.data() + set * n;
      for (std::size_t m = 0; m < n; ++m) {
        const double gained = m < above_before ? before[m] - now[m]
                              : m < above      ? (1 - now[m]) - before[m]
                                               : now[m] - before[m];
        row[order[m]] = T(gained);
      }
      std::swap(before, now);
      above_before = above;
    }
  });
  return record(Op("lap_sum", tau), {scores}, std::move(P_hat), [batch, n](Node<T>& P_hat) {
    batch->give_gradient(P_hat.input(0), 10 * n * n, [&](std::size_t set, auto& vbar) {
      const Index* order = batch->order.data() + set * n;
      std::vector<double> pbar(n);
      for (std::size_t i = 0; i + 1 < n; ++i) {
        // The mass of the first i + 1 places is in row i with +, in row i + 1 with -.
        const T *row = P_hat.cotangent().data() + (set * n + i) * n, *next = row + n;
        for (std::size_t m = 0; m < n; ++m) {
          pbar[m] = double(row[order[m]]) - double(next[order[m]]);
        }
        pull_mass(*batch->sums[set], batch->roots[set * n + i], pbar, vbar);
      }
    });
  });
}

INSTANTIATE(lap_sum_top_k)
INSTANTIATE(lap_sum_rank)
INSTANTIATE(lap_sum_sort)
INSTANTIATE(lap_sum)

}  // namespace tapesort
