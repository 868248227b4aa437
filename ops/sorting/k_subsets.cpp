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
    check_count(op, double(k), n);
    order = argsort(scores);
    cost = 60 * n * (1 + std::min(k, n - k));
  }
  // Where the item at a place of a set stands.
  std::size_t at(std::size_t set, std::size_t place) const {
    return set * n + std::size_t(order.data()[set * n + place]);
  }
  // Along `direction` in the order of the scores, for Duals.
  template <class N> Chain<N> chain(std::size_t set, const T* direction = nullptr) const {
    std::vector<N> sorted(n);
    for (std::size_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<N, Dual<double>> && !std::is_same_v<T, N>) {
        // Relative to one of them: what all have in common changes nothing.
        sorted[i] = {double(s[at(set, i)]),
                     double(direction[at(set, i)]) - double(direction[at(set, 0)])};
      } else {
        sorted[i] = N(s[at(set, i)]);
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
    for (std::size_t i = 0; i < sets.n; ++i) mu.data()[sets.at(set, i)] = T(marginals[i]);
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
    for (std::size_t i = 0; i < sets.n; ++i) mu.data()[sets.at(set, i)] = T(marginals[i]);
  });
  return record(Op("k_subset_marginals", double(k)), {scores}, std::move(mu), [k](Node<T>& mu) {
    const Sets<T> sets("k_subset_marginals", mu.input(0).value(), k);
    Array<T> sbar = uninitialized<T>(mu.value().shape());
    for_sets(sets.count, 3 * sets.cost, [&](std::size_t set) {
      const auto along = sets.template chain<Dual<double>>(set, mu.cotangent().data()).marginals();
      for (std::size_t i = 0; i < sets.n; ++i) sbar.data()[sets.at(set, i)] = T(along[i].tangent);
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

namespace {

template <class T>
ItemMask valid_items(const char* op, const Array<T>& scores, std::size_t k,
                     const OptionalMask& mask) {
  check_count(op, double(k), checked_axis(op, scores));
  check_mask(op, scores.shape(), mask);
  return mask ? *mask : ItemMask(full<bool>(scores.shape(), true));
}

// Calls put(which of (samples.., ..), i, the i-th item of that subset) for each item of each.
template <class T, class Put>
void draw(const char* op, const Array<T>& scores, std::size_t k, Generator& random,
          std::size_t samples, const ItemMask& valid, const Put& put) {
  const std::vector<Array<T>> parts = valid.split(scores);
  const std::size_t count = count_sets(scores, scores.shape().back());
  valid.for_groups([&](std::size_t p) {
    const auto& [m, members, items] = valid.groups()[p];
    const Sets<T> sets(op, parts[p], std::min(k, m));
    for (std::size_t set = 0; set < sets.count; ++set) {
      const auto chain = sets.template chain<double>(set);
      for (std::size_t sample = 0; sample < samples; ++sample) {
        std::vector<std::size_t> subset = chain.sample(random);
        for (std::size_t& item : subset) {
          item = items[sets.at(set, item)];
        }
        std::sort(subset.begin(), subset.end());
        for (std::size_t i = 0; i < subset.size(); ++i) {
          put(sample * count + members[set], i, subset[i]);
        }
      }
    }
  });
}

}  // namespace

template <class T>
Indices k_subset_sample(const Array<T>& scores, std::size_t k, Generator& random,
                        const Shape& samples, const OptionalMask& mask) {
  const char* const op = "k_subset_sample";
  const ItemMask valid = valid_items(op, scores, k, mask);
  const Indices counts = valid.counts();
  for (std::size_t set = 0; set < counts.size(); ++set) {
    require(std::size_t(counts.data()[set]) >= k, op, ": set ", set, " has ", counts.data()[set],
            " valid items; need at least k = ", k);
  }
  const Shape sets = shape_of_sets(scores.shape());
  Indices subsets = uninitialized<Index>(extended(samples, extended(sets, {k})));
  draw(op, scores, k, random, element_count(samples), valid,
       [&](std::size_t subset, std::size_t i, std::size_t item) {
         subsets.data()[subset * k + i] = Index(item);
       });
  return subsets;
}

template <class T>
FirstOrder<T> k_subset_straight_through(const Var<T>& scores, std::size_t k, Generator& random,
                                        const Shape& samples, const OptionalMask& mask) {
  const char* const op = "k_subset_straight_through";
  const ItemMask valid = valid_items(op, scores.value(), k, mask);
  const std::size_t n = scores.shape().back();
  Array<T> ones = zeros<T>(extended(samples, scores.shape()));
  draw(op, scores.value(), k, random, element_count(samples), valid,
       [&](std::size_t subset, std::size_t, std::size_t item) {
         ones.data()[subset * n + item] = 1;
       });
  const auto marginals = [](const auto& s, std::size_t k) { return k_subset_marginals(s, k); };
  const Var<T> mu = masked_top_k(op, mask, By::item, k, marginals, scores);
  return straight_through(ones, broadcast_to(mu, ones.shape()));
}

INSTANTIATE_TWICE(k_subset_log_partition)
INSTANTIATE(k_subset_marginals)
INSTANTIATE_TWICE(k_subset_log_prob)
INSTANTIATE(k_subset_sample)
INSTANTIATE(k_subset_straight_through)

}  // namespace tapesort
