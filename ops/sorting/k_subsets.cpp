#include "ops/sorting/k_subsets.hpp"

#include "engine/instantiate.hpp"
#include "ops/arithmetic.hpp"
#include "ops/reduce.hpp"
#include "ops/select.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// One set, item by item: with what probability each is taken, when j of it and those before are in
// S. N is double, or a Dual, whose tangents are then the derivatives along a direction.
template <class N> class Chain {
 public:
  // s: sorted downwards. An offset that all have is taken off, which costs no digits.
  Chain(std::vector<N> s, std::size_t k)
      : n_(s.size()), k_(k), width_(std::min(k, n_ - k + 1)), choices_(n_ * width_) {
    const double inf = std::numeric_limits<double>::infinity();
    const double offset = double(common_offset(s.data(), n_));
    for (N& x : s) x -= N(offset);
    log_Z_ = N(offset * double(k));
    std::vector<N> R(k + 1, N(-inf));  // ln R_j of the items so far
    R[0] = N(inf);
    for (std::size_t i = 0; i < n_; ++i) {
      Step step(s[i], R[high(i)]);
      log_Z_ += i < k_ ? s[i] : step.gain;
      for (std::size_t j = high(i); j >= low(i); --j) {
        const Step below(s[i], R[j - 1]);
        choice(i, j) = step.choice;
        R[j] = step.log_sum - below.gain;
        step = below;
      }
    }
  }

  const N& log_partition() const { return log_Z_; }

  std::vector<N> marginals() const {
    std::vector<N> mu(n_, N(0)), at(k_ + 1, N(0));  // at[j]: that j of the items 0 .. i are in S
    at[k_] = N(1);
    for (std::size_t i = n_; i-- > 0;) {
      for (std::size_t j = low(i); j <= high(i); ++j) {
        const N taken = at[j] * choice(i, j).take;
        mu[i] += taken;
        at[j - 1] += taken;
        at[j] *= choice(i, j).leave;
      }
    }
    return mu;
  }

  std::vector<std::size_t> sample(Generator& random) const {
    std::vector<std::size_t> places(k_);
    for (std::size_t i = n_, j = k_; j > 0;) {
      --i;
      if (j > i || random.uniform() < double(choice(i, j).take)) places[--j] = i;
    }
    return places;
  }

 private:
  struct Choice {
    N take, leave;
  };
  // Of one more item with x = e^s: its choice, ln(1 + x / R) and ln(R + x).
  struct Step {
    Step(const N& s, const N& log_R) {
      using std::exp, std::log1p;
      const N d = s - log_R;
      const bool larger = d > N(0);
      const N e = exp(larger ? -d : d), rest = log1p(e);
      const N more = N(1) / (N(1) + e), less = e / (N(1) + e);
      choice = larger ? Choice{more, less} : Choice{less, more};
      gain = larger ? d + rest : rest;
      log_sum = (larger ? s : log_R) + rest;
    }
    Choice choice;
    N gain, log_sum;
  };

  // What j can be after item i, so that it can still become k.
  std::size_t high(std::size_t i) const { return std::min(i + 1, k_); }
  std::size_t low(std::size_t i) const {
    return k_ + i + 1 > n_ ? std::max<std::size_t>(1, k_ + i + 1 - n_) : 1;
  }
  Choice& choice(std::size_t i, std::size_t j) { return choices_[i * width_ + j - low(i)]; }
  const Choice& choice(std::size_t i, std::size_t j) const {
    return choices_[i * width_ + j - low(i)];
  }

  std::size_t n_, k_, width_;
  std::vector<Choice> choices_;
  N log_Z_;
};

// The sets of a batch, by falling score.
template <class T> struct Sets {
  Sets(const char* op, const Array<T>& scores, std::size_t k)
      : s(scores.data()), n(checked_set_size(op, scores)), count(count_sets(scores, n)), k(k) {
    require(k <= n, op, ": k must be in 0 .. n, got ", k, " for n = ", n);
    order = argsort(scores);
    cost = 60 * n * (1 + std::min(k, n - k));
  }
  // Along `direction` in the order of the scores, for Duals.
  template <class N> Chain<N> chain(std::size_t set, const T* direction = nullptr) const {
    std::vector<N> sorted(n);
    const Index* items = order.data() + set * n;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = set * n + std::size_t(items[i]);
      if constexpr (std::is_same_v<N, Dual<double>> && !std::is_same_v<T, N>) {
        // Relative to one of them: what all have in common changes nothing.
        const std::size_t first = set * n + std::size_t(items[0]);
        sorted[i] = {double(s[at]), double(direction[at]) - double(direction[first])};
      } else {
        sorted[i] = N(s[at]);
      }
    }
    return Chain<N>(sorted, k);
  }

  const T* s;
  std::size_t n, count, k, cost;
  Indices order;
};

}  // namespace

template <class T> Var<T> k_subset_log_partition(const Var<T>& scores, std::size_t k) {
  const Sets<T> sets("k_subset_log_partition", scores.value(), k);
  Array<T> value = zeros<T>(shape_of_sets(scores.shape()));
  Array<T> mu = uninitialized<T>(scores.shape());
  for_sets(sets.count, sets.cost, [&](std::size_t set) {
    const auto chain = sets.template chain<Wide<T>>(set);
    value.data()[set] = T(chain.log_partition());
    const auto marginals = chain.marginals();
    for (std::size_t i = 0; i < sets.n; ++i) {
      mu.data()[set * sets.n + std::size_t(sets.order.data()[set * sets.n + i])] = T(marginals[i]);
    }
  });
  return record(Op("k_subset_log_partition", double(k)), {scores}, std::move(value),
                [mu = std::move(mu), n = sets.n](Node<T>& y) {
                  Array<T> sbar = mu;
                  for (std::size_t i = 0; i < sbar.size(); ++i) {
                    sbar.data()[i] *= y.cotangent().data()[i / n];
                  }
                  accumulate(y.input(0), std::move(sbar));
                });
}

template <class T> FirstOrder<T> k_subset_marginals(const Var<T>& scores, std::size_t k) {
  const Sets<T> sets("k_subset_marginals", scores.value(), k);
  Array<T> mu = uninitialized<T>(scores.shape());
  for_sets(sets.count, sets.cost, [&](std::size_t set) {
    const std::vector<double> marginals = sets.template chain<double>(set).marginals();
    const Index* order = sets.order.data() + set * sets.n;
    for (std::size_t i = 0; i < sets.n; ++i) {
      mu.data()[set * sets.n + std::size_t(order[i])] = T(marginals[i]);
    }
  });
  return record(Op("k_subset_marginals", double(k)), {scores}, std::move(mu), [k](Node<T>& mu) {
    const Sets<T> sets("k_subset_marginals", mu.input(0).value(), k);
    Array<T> sbar = uninitialized<T>(mu.value().shape());
    for_sets(sets.count, 3 * sets.cost, [&](std::size_t set) {
      const auto along = sets.template chain<Dual<double>>(set, mu.cotangent().data()).marginals();
      const Index* order = sets.order.data() + set * sets.n;
      for (std::size_t i = 0; i < sets.n; ++i) {
        sbar.data()[set * sets.n + std::size_t(order[i])] = T(along[i].tangent);
      }
    });
    accumulate(mu.input(0), std::move(sbar));
  });
}

template <class T>
Var<T> k_subset_log_prob(const Var<T>& scores, const Indices& subsets, const OptionalMask& mask) {
  require(scores.dimension() >= 1 && subsets.dimension() >= scores.dimension(),
          "k_subset_log_prob: subsets are ", subsets.shape(), ", scores ", scores.shape(),
          "; need subsets (samples.., .., k) for scores (.., n)");
  check_mask("k_subset_log_prob", scores.shape(), mask);
  const std::size_t n = scores.shape().back(), k = subsets.shape().back();
  Shape all = subsets.shape();
  all.back() = n;
  const Var<T> chosen = take_along_axis(broadcast_to(scores, all), subsets);
  std::vector<std::size_t> seen(n, 0);
  for (std::size_t i = 0; i < subsets.size(); ++i) {
    const std::size_t item = std::size_t(subsets.data()[i]);
    require(!mask || mask->valid().data()[i / k * n % scores.size() + item],
            "k_subset_log_prob: subset ", i / k, " has item ", item, ", which is masked");
    std::size_t& row = seen[item];
    require(row != i / k + 1, "k_subset_log_prob: subset ", i / k, " has item ", item, " twice");
    row = i / k + 1;
  }
  const auto log_partition = [k](const Var<T>& s) { return k_subset_log_partition(s, k); };
  return sum(chosen, -1) - masked(mask, By::set, log_partition, scores);
}

template <class T>
Indices k_subset_sample(const Array<T>& scores, std::size_t k, Generator& random,
                        const Shape& samples, const OptionalMask& mask) {
  require(scores.dimension() >= 1, "k_subset_sample: scores are 0-d; need (..., n)");
  Shape shape = samples;
  shape.insert(shape.end(), scores.shape().begin(), scores.shape().end());
  shape.back() = k;
  Indices subsets = uninitialized<Index>(shape);
  if (mask) {
    check_mask("k_subset_sample", scores.shape(), mask);
    for (const Index count : mask->counts()) {
      require(count >= Index(k), "k_subset_sample: a set has ", count,
              " valid items; need k = ", k);
    }
    const std::vector<Array<T>> parts = mask->split(scores);
    const std::size_t all = element_count(shape_of_sets(scores.shape()));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto& [m, sets, items] = mask->groups()[i];
      const Indices drawn = k_subset_sample(parts[i], k, random, samples);
      for (std::size_t at = 0; at < drawn.size(); ++at) {
        const std::size_t sample = at / k / sets.size(), set = at / k % sets.size();
        subsets.data()[(sample * all + sets[set]) * k + at % k] =
            Index(items[set * m + std::size_t(drawn.data()[at])]);
      }
    }
    return subsets;
  }
  const Sets<T> sets("k_subset_sample", scores, k);
  for (std::size_t set = 0; set < sets.count; ++set) {
    const auto chain = sets.template chain<double>(set);
    for (std::size_t start = set * k; start < subsets.size(); start += sets.count * k) {
      Index* subset = subsets.data() + start;
      for (const std::size_t place : chain.sample(random)) {
        *subset++ = sets.order.data()[set * sets.n + place];
      }
      std::sort(subset - k, subset);
    }
  }
  return subsets;
}

template <class T>
FirstOrder<T> k_subset_straight_through(const Var<T>& scores, std::size_t k, Generator& random,
                                        const Shape& samples, const OptionalMask& mask) {
  const Indices subsets = k_subset_sample(scores.value(), k, random, samples, mask);
  Shape shape = subsets.shape();
  const std::size_t n = shape.back() = scores.shape().back();
  Array<T> ones = zeros<T>(shape);
  for (std::size_t i = 0; i < subsets.size(); ++i) {
    ones.data()[i / k * n + std::size_t(subsets.data()[i])] = 1;
  }
  const auto marginals = [k](const auto& s) { return k_subset_marginals(s, k); };
  return straight_through(ones, broadcast_to(masked(mask, By::item, marginals, scores), shape));
}

INSTANTIATE_TWICE(k_subset_log_partition)
INSTANTIATE(k_subset_marginals)
INSTANTIATE_TWICE(k_subset_log_prob)
INSTANTIATE(k_subset_sample)
INSTANTIATE(k_subset_straight_through)

}  // namespace tapesort
