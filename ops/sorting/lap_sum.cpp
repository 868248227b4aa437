#include "ops/sorting/lap_sum.hpp"

#include <limits>
#include <memory>

#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// Where G(b) = k: b stands between the scores at places m - 1 and m (counted from 0, so m scores
// stand above it), and `up` of softmax(-|s - b| / tau) is on those above.
struct Root {
  double b, up;
  std::size_t m;
};

// The sums over one set, in sorted order, places counted from 0.
class Sums {
 public:
  // v: sorted downwards, in units of tau.
  explicit Sums(std::vector<double> v) : v_(std::move(v)), n_(v_.size()), e_(n_), a_(n_), c_(n_) {
    for (std::size_t m = 0; m + 1 < n_; ++m) e_[m] = std::exp(v_[m + 1] - v_[m]);
    for (std::size_t m = 0; m < n_; ++m) a_[m] = 1 + (m ? a_[m - 1] * e_[m - 1] : 0);
    for (std::size_t m = n_; m-- > 0;) c_[m] = 1 + (m + 1 < n_ ? c_[m + 1] * e_[m] : 0);
  }

  // G(v_m).
  double count(std::size_t m) const { return double(m) + (1 + c_[m] - a_[m]) / 2; }

  // Solves G(b) = k, 0 < k < n. The search begins at place `from`: any place where
  // count(from - 1) <= k.
  Root root(double k, std::size_t from = 0) const {
    std::size_t m = from;
    while (m < n_ && count(m) < k) ++m;
    // Above all scores, or below all: one exponential.
    if (m == 0) return {v_[0] - std::log(2 * k / c_[0]), 0, 0};
    if (m == n_) return {v_[n_ - 1] + std::log(2 * (double(n_) - k) / a_[n_ - 1]), 1, n_};
    // c u - a w = 2 r and u w = e: of the two forms of the root, the one without cancellation.
    const double a = a_[m - 1], c = c_[m], e = e_[m - 1], r = k - double(m);
    const double root = std::sqrt(r * r + a * c * e);
    double u, w;
    if (r >= 0) {
      u = (r + root) / c;
      w = u > 0 ? e / u : 0;
    } else {
      w = (root - r) / a;
      u = e / w;
    }
    // Where e underflows and r = 0, b is in the middle, on the scale of log a and log c.
    const double gap = v_[m - 1] - v_[m];
    const double b = u == 0 && w == 0 ? v_[m] + (gap + std::log(c / a)) / 2
                     : r >= 0         ? v_[m] - std::log(u)
                                      : v_[m - 1] + std::log(w);
    const double above = a * w, below = c * u;
    return {b, above + below > 0 ? above / (above + below) : 0.5, m};
  }

  // sum over some roots of amount * softmax(-|v - b|), gathered in O(n): each root leaves its
  // amount at its two neighbours, from where it decays upwards and downwards.
  struct Spread {
    std::vector<double> up, down;  // what each place passes on to those above or below, and itself
  };
  void spread(const Root& root, double amount, Spread& into) const {
    if (root.m > 0) into.up[root.m - 1] += amount * root.up / a_[root.m - 1];
    if (root.m < n_) into.down[root.m] += amount * (1 - root.up) / c_[root.m];
  }
  // What arrives at each place.
  std::vector<double> gather(Spread spread) const {
    for (std::size_t m = n_; m-- > 1;) spread.up[m - 1] += e_[m - 1] * spread.up[m];
    for (std::size_t m = 1; m < n_; ++m) spread.down[m] += e_[m - 1] * spread.down[m - 1];
    for (std::size_t m = 0; m < n_; ++m) spread.up[m] += spread.down[m];
    return std::move(spread.up);
  }
  // sum_j e^-|v_i - v_j| x_j
  std::vector<double> smooth(const std::vector<double>& x) const {
    std::vector<double> result = gather({x, x});
    for (std::size_t m = 0; m < n_; ++m) result[m] -= x[m];  // came both ways
    return result;
  }

  const std::vector<double>& v() const { return v_; }
  std::size_t size() const { return n_; }

 private:
  std::vector<double> v_;
  std::size_t n_;
  std::vector<double> e_, a_, c_;  // e_m = e^(v_(m+1) - v_m)
};

// All sets of a batch, sorted.
struct Batch {
  std::size_t n, sets;
  double sign, tau;  // v = sign * scores / tau, downwards
  Indices order;
  std::vector<std::unique_ptr<Sums>> sums;

  template <class T>
  Batch(const char* op, const Array<T>& scores, double tau, Direction direction)
      : n(checked_set_size(op, scores)),
        sets(n ? scores.size() / n : 0),
        sign(direction == Direction::descending ? 1 : -1),
        tau(tau),
        order(argsort(scores, direction)),
        sums(sets) {
    check_positive(op, "tau", tau);
    for_sets(sets, 10 * n, [&](std::size_t set) {
      std::vector<double> v(n);
      for (std::size_t m = 0; m < n; ++m) {
        v[m] = sign * double(scores.data()[set * n + std::size_t(order.data()[set * n + m])]) / tau;
      }
      sums[set] = std::make_unique<Sums>(std::move(v));
    });
  }

  // The position in the batch of the score at place m.
  std::size_t position(std::size_t set, std::size_t m) const {
    return set * n + std::size_t(order.data()[set * n + m]);
  }
};

// p_j = F(v_j - b) and its pullback, for the root b of G(b) = k.
double mass(double v, double b) {
  const double tail = std::exp(-std::abs(v - b)) / 2;
  return v < b ? tail : 1 - tail;
}

// Adds to vbar. pbar(j) is the cotangent of p_j.
template <class Pbar>
void pull_mass(const std::vector<double>& v, const Root& root, const Pbar& pbar, double* vbar) {
  const std::size_t n = v.size();
  double nearest = std::numeric_limits<double>::infinity();
  if (root.m > 0) nearest = v[root.m - 1] - root.b;
  if (root.m < n) nearest = std::min(nearest, root.b - v[root.m]);
  // e^-|v - b| relative to the largest, so that q is not 0 / 0 where b is far from all scores.
  const double scale = std::exp(-nearest) / 2;
  thread_local std::vector<double> e;
  e.resize(n);
  double total = 0, product = 0;
  for (std::size_t j = 0; j < n; ++j) {
    e[j] = std::exp(nearest - std::abs(v[j] - root.b));
    total += e[j];
    product += e[j] * pbar(j);
  }
  const double mean = product / total;
  for (std::size_t j = 0; j < n; ++j) vbar[j] += scale * e[j] * (pbar(j) - mean);
}

}  // namespace

template <class T>
Var<T> lap_sum_top_k(const Var<T>& scores, double k, double tau, Direction direction) {
  const auto batch = std::make_shared<Batch>("lap_sum_top_k", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  require(k >= 0 && k <= double(n), "lap_sum_top_k: k must be in [0, n], got ", k, " for n = ", n);
  const bool flat = k == 0 || k == double(n);  // all mass or none, wherever the scores are

  Array<T> p = full<T>(scores.shape(), T(k == 0 ? 0 : 1));
  if (flat) return record("lap_sum_top_k", {scores}, std::move(p), [](Node<T>&) {});
  std::vector<Root> roots(batch->sets);
  for_sets(batch->sets, 10 * n, [&](std::size_t set) {
    const Sums& sums = *batch->sums[set];
    roots[set] = sums.root(k);
    for (std::size_t m = 0; m < n; ++m) {
      p.data()[batch->position(set, m)] = T(mass(sums.v()[m], roots[set].b));
    }
  });
  return record(
      "lap_sum_top_k", {scores}, std::move(p), [batch, n, roots = std::move(roots)](Node<T>& p) {
        Array<T> sbar = uninitialized<T>(p.value().shape());
        for_sets(batch->sets, 10 * n, [&](std::size_t set) {
          std::vector<double> vbar(n, 0);
          pull_mass(
              batch->sums[set]->v(), roots[set],
              [&](std::size_t m) { return double(p.cotangent().data()[batch->position(set, m)]); },
              vbar.data());
          for (std::size_t m = 0; m < n; ++m) {
            sbar.data()[batch->position(set, m)] = T(batch->sign / batch->tau * vbar[m]);
          }
        });
        accumulate(p.input(0), std::move(sbar));
      });
}

template <class T>
Var<T> lap_sum_rank(const Var<T>& scores, double tau, Direction direction) {
  const auto batch = std::make_shared<Batch>("lap_sum_rank", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  Array<T> r = uninitialized<T>(scores.shape());
  for (std::size_t set = 0; set < batch->sets; ++set) {
    for (std::size_t m = 0; m < n; ++m) {
      r.data()[batch->position(set, m)] = T(0.5 + batch->sums[set]->count(m));
    }
  }
  return record("lap_sum_rank", {scores}, std::move(r), [batch, n](Node<T>& r) {
    Array<T> sbar = uninitialized<T>(r.value().shape());
    for_sets(batch->sets, 10 * n, [&](std::size_t set) {
      std::vector<double> rbar(n);
      for (std::size_t m = 0; m < n; ++m) {
        rbar[m] = double(r.cotangent().data()[batch->position(set, m)]);
      }
      const Sums& sums = *batch->sums[set];
      const std::vector<double> K_rbar = sums.smooth(rbar),
                                K_1 = sums.smooth(std::vector<double>(n, 1));
      for (std::size_t m = 0; m < n; ++m) {
        sbar.data()[batch->position(set, m)] =
            T(batch->sign / batch->tau / 2 * (K_rbar[m] - rbar[m] * K_1[m]));
      }
    });
    accumulate(r.input(0), std::move(sbar));
  });
}

template <class T>
Var<T> lap_sum_sort(const Var<T>& scores, double tau, Direction direction) {
  const auto batch = std::make_shared<Batch>("lap_sum_sort", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  Array<T> y = uninitialized<T>(scores.shape());
  std::vector<Root> roots(scores.size());
  for_sets(batch->sets, 20 * n, [&](std::size_t set) {
    for (std::size_t m = 0, from = 0; m < n; ++m) {
      Root& root = roots[set * n + m] = batch->sums[set]->root(double(m) + 0.5, from);
      from = root.m;
      y.data()[set * n + m] = T(batch->sign * batch->tau * root.b);
    }
  });
  return record(
      "lap_sum_sort", {scores}, std::move(y), [batch, n, roots = std::move(roots)](Node<T>& y) {
        Array<T> sbar = uninitialized<T>(y.value().shape());
        for_sets(batch->sets, 10 * n, [&](std::size_t set) {
          const Sums& sums = *batch->sums[set];
          Sums::Spread spread{std::vector<double>(n, 0), std::vector<double>(n, 0)};
          for (std::size_t m = 0; m < n; ++m) {
            sums.spread(roots[set * n + m], double(y.cotangent().data()[set * n + m]), spread);
          }
          const std::vector<double> arrived = sums.gather(std::move(spread));
          for (std::size_t m = 0; m < n; ++m) sbar.data()[batch->position(set, m)] = T(arrived[m]);
        });
        accumulate(y.input(0), std::move(sbar));
      });
}

template <class T>
Var<T> lap_sum(const Var<T>& scores, double tau, Direction direction) {
  const auto batch = std::make_shared<Batch>("lap_sum", scores.value(), tau, direction);
  const std::size_t n = batch->n;
  Array<T> P_hat = uninitialized<T>(matrix_shape(scores.shape()));
  std::vector<Root> roots(scores.size());  // of G(b) = 1 .. n - 1; the last one is not used
  for_sets(batch->sets, 10 * n * n, [&](std::size_t set) {
    const Sums& sums = *batch->sums[set];
    std::vector<double> before(n, 0), now(n, 1);
    for (std::size_t i = 0, from = 0; i < n; ++i) {
      if (i + 1 < n) {
        const Root& root = roots[set * n + i] = sums.root(double(i + 1), from);
        from = root.m;
        for (std::size_t m = 0; m < n; ++m) now[m] = mass(sums.v()[m], root.b);
      } else {
        std::fill(now.begin(), now.end(), 1.0);
      }
      T* row = P_hat.data() + (set * n + i) * n;
      const Index* order = batch->order.data() + set * n;
      for (std::size_t m = 0; m < n; ++m) row[order[m]] = T(now[m] - before[m]);
      std::swap(before, now);
    }
  });
  return record(
      "lap_sum", {scores}, std::move(P_hat), [batch, n, roots = std::move(roots)](Node<T>& P_hat) {
        Array<T> sbar = uninitialized<T>(P_hat.input(0).shape());
        for_sets(batch->sets, 10 * n * n, [&](std::size_t set) {
          std::vector<double> vbar(n, 0);
          const Index* order = batch->order.data() + set * n;
          for (std::size_t i = 0; i + 1 < n; ++i) {
            // The mass of the first i + 1 places is in row i with +, in row i + 1 with -.
            const T *row = P_hat.cotangent().data() + (set * n + i) * n, *next = row + n;
            pull_mass(
                batch->sums[set]->v(), roots[set * n + i],
                [&](std::size_t m) { return double(row[order[m]]) - double(next[order[m]]); },
                vbar.data());
          }
          for (std::size_t m = 0; m < n; ++m) {
            sbar.data()[batch->position(set, m)] = T(batch->sign / batch->tau * vbar[m]);
          }
        });
        accumulate(P_hat.input(0), std::move(sbar));
      });
}

#define INSTANTIATE(T)                                                     \
  template Var<T> lap_sum_top_k(const Var<T>&, double, double, Direction); \
  template Var<T> lap_sum_rank(const Var<T>&, double, Direction);          \
  template Var<T> lap_sum_sort(const Var<T>&, double, Direction);          \
  template Var<T> lap_sum(const Var<T>&, double, Direction);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
