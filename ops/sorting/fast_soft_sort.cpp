#include "ops/sorting/fast_soft_sort.hpp"

#include <memory>

#include "engine/instantiate.hpp"
#include "ops/map.hpp"
#include "ops/mask.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// Pooling for kl compares sums of exponentials, of numbers up to n / strength. They are kept as
// m e^(64 level), so that every exponential is taken once, beforehand and with vector instructions,
// and blocks are compared by products, without a logarithm.
constexpr double level_size = 64;

// e^(64 levels), levels <= 0; below e^-768 nothing is left beside a sum of terms >= 1.
double level_factor(double levels) {
  struct Table {
    double factor[12];
    Table() {
      for (int i = 0; i < 12; ++i) factor[i] = std::exp(-level_size * i);
    }
  };
  static const Table table;
  return levels <= -12 ? 0 : table.factor[std::size_t(-levels)];
}

// A sum of exponentials, at the level of the largest, which comes first.
struct ScaledSum {
  double m, level;  // 1 <= m < n e^64
  void add(const ScaledSum& next) { m += next.m * level_factor(next.level - level); }
};

struct Exponentials {
  Array<double> m, level;  // e^x_k = m_k e^(64 level_k)

  static Exponentials of(const Array<double>& x) {
    using std::exp, std::floor;
    const auto level = [](auto x) { return floor(x * (1 / level_size)); };
    return {map(x, [=](auto x) { return exp(x - level(x) * level_size); }), map(x, level)};
  }
  ScaledSum term(std::size_t k) const { return {m.data()[k], level.data()[k]}; }
};

// Neighbours that share one v, by what decides whether they join the next block.
// For l2, the scores alone: the numbers n, .., 1 on the other side have means that differ by half of
// what two neighbouring blocks count together.
struct SquareBlock {
  std::uint32_t begin, count = 1;
  double first, mean = 0;  // score, and the mean of the block relative to it

  SquareBlock(std::size_t i, const Array<double>& x)
      : begin(std::uint32_t(i)), first(x.data()[i]) {}

  // By how much the mean falls from this block to the next; exact where scores are equal.
  double fall(const SquareBlock& next) const { return (first - next.first) + (mean - next.mean); }
  void absorb(const SquareBlock& next) {
    mean -= fall(next) * next.count / (double(count) + next.count);
    count += next.count;
  }
};

struct EntropyBlock {
  std::uint32_t begin;
  ScaledSum Z, W;  // sums of e^z, e^w: v = log Z / W

  EntropyBlock(std::size_t i, const Exponentials& z, const Exponentials& w)
      : begin(std::uint32_t(i)), Z(z.term(i)), W(w.term(i)) {}

  // block's v < next's, though v must not increase.
  static bool violate(const EntropyBlock& block, const EntropyBlock& next) {
    // Differences of neighbours: a huge level must not swallow the others.
    const double levels = (block.Z.level - next.Z.level) - (block.W.level - next.W.level);
    // Against e^256 the products of two m, below n^2 e^128, do not count.
    if (std::abs(levels) >= 4) return levels < 0;
    const double left = block.Z.m * next.W.m, right = next.Z.m * block.W.m;
    return levels >= 0 ? left < right * level_factor(-levels) : left * level_factor(levels) < right;
  }
  void absorb(const EntropyBlock& next) {
    Z.add(next.Z);
    W.add(next.W);
  }
};

// Pools adjacent violators among blocks of one element, Block(i, data...) for i = begin .. end - 1,
// and calls f(block, end) for each of the result: it is elements block.begin .. end - 1. Appends
// their ends.
template <class Block, class Violates, class F, class... Data>
void pool(std::size_t begin, std::size_t end, const Violates& violates, const F& f,
          std::vector<std::uint32_t>& ends, const Data&... data) {
  std::vector<Block, RecyclingAllocator<Block>> blocks;
  blocks.reserve(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    Block last(i, data...);
    while (!blocks.empty() && violates(blocks.back(), last)) {
      Block joined = blocks.back();
      joined.absorb(last);
      last = joined;
      blocks.pop_back();
    }
    blocks.push_back(last);
  }
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    ends.push_back(b + 1 < blocks.size() ? blocks[b + 1].begin : std::uint32_t(end));
    f(blocks[b], std::size_t(ends.back()));
  }
}

// Each element's part in its block's sum. Levels do not increase, so that most blocks have one.
void shares(const Exponentials& e, std::size_t begin, std::size_t end, const ScaledSum& sum,
            double* p) {
  const double *m = e.m.data(), *level = e.level.data(), scale = 1 / sum.m;
  for (std::size_t k = begin; k < end; ++k) p[k] = m[k] * scale;
  if (level[end - 1] == sum.level) return;
  for (std::size_t k = begin; k < end; ++k) p[k] *= level_factor(level[k] - sum.level);
}

// The mean of x_k - x_begin over begin .. end - 1; of one element, 0.
double mean_from_first(const Array<double>& x, std::size_t begin, std::size_t end) {
  double total = 0;
  for (std::size_t k = begin; k < end; ++k) total += x.data()[k] - x.data()[begin];
  return total / double(end - begin);
}

// What both operators keep for their pullbacks.
struct Solution {
  std::size_t n, sets;
  bool kl;
  double sign;  // sign * scores are sorted downwards
  Indices order;
  std::vector<std::vector<std::uint32_t>> ends;  // of each set's blocks
  Array<double> p;                               // kl: softmax over each block

  template <class T>
  Solution(const char* op, const Array<T>& scores, double strength, Regularization regularization,
           bool downwards)
      : n(checked_set_size(op, scores)),
        sets(count_sets(scores, n)),
        kl(regularization == Regularization::kl),
        sign(downwards ? 1 : -1),
        ends(sets) {
    check_scale<double>(op, "strength", strength);
    // Sums of n differences must not overflow; of floats they cannot.
    if constexpr (std::is_same_v<T, double>) {
      check_within(op, scores, std::numeric_limits<double>::max() / (2 * double(n)), " in sets of ",
                   n);
    }
    order = argsort(scores, downwards ? Direction::descending : Direction::ascending);
    if (kl) p = uninitialized<double>(scores.shape());
  }

  // A set's scores times sign, downwards.
  template <class T> Array<double> sorted(const Array<T>& scores, std::size_t set) const {
    const T* s = scores.data() + set * n;
    const Index* order = order_of(set);
    Array<double> x = uninitialized<double>({n});
    for (std::size_t i = 0; i < n; ++i) x.data()[i] = sign * double(s[order[i]]);
    return x;
  }
  const Index* order_of(std::size_t set) const { return order.data() + set * n; }
  double* p_of(std::size_t set) { return kl ? p.data() + set * n : nullptr; }

  // Gives scores the gradient that f(sbar, first, order, p, begin, end) writes for each block, of
  // the set whose numbers begin at `first`; p is null for l2.
  template <class T, class F> void pull_back(const Var<T>& scores, const F& f) {
    Array<T> sbar = uninitialized<T>(scores.shape());
    for_sets(sets, 3 * n, [&](std::size_t set) {
      std::size_t begin = 0;
      for (std::size_t end : ends[set]) {
        f(sbar.data() + set * n, set * n, order_of(set), p_of(set), begin, end);
        begin = end;
      }
    });
    accumulate(scores, std::move(sbar));
  }
};

// One set's P(sign * s / strength, w) for l2, by item; mean_w(begin, end) is the mean of w there.
template <class T, class Mean>
void project(Solution& solution, const Array<T>& scores, std::size_t set, double strength,
             const Mean& mean_w, Array<T>& value) {
  const Array<double> x = solution.sorted(scores, set);  // z * strength
  const auto w = [&](const SquareBlock& b) { return mean_w(b.begin, b.begin + b.count); };
  const auto violates = [&](const SquareBlock& block, const SquareBlock& next) {
    return block.fall(next) < (w(block) - w(next)) * strength;
  };
  const Index* order = solution.order_of(set);
  T* y = value.data() + set * solution.n;
  const auto finish = [&](const SquareBlock& block, std::size_t end) {
    const double mean = mean_from_first(x, block.begin, end), centre = mean_w(block.begin, end);
    for (std::size_t i = block.begin; i < end; ++i) {
      const double from_mean = (x.data()[i] - x.data()[block.begin]) - mean;
      y[order[i]] = T(centre + from_mean / strength);
    }
  };
  pool<SquareBlock>(0, solution.n, violates, finish, solution.ends[set], x);
}

// The pullback of a projection P(sign * s / strength, w), whose results are by item.
template <class T>
auto pull_projection(const std::shared_ptr<Solution>& solution, double strength) {
  return [=](Node<T>& r) {
    solution->pull_back(r.input(0), [&](T* sbar, std::size_t first, const Index* order,
                                        const double* p, std::size_t begin, std::size_t end) {
      const T *u = r.cotangent().data() + first, *rank = r.value().data() + first;
      // Relative to the first element, whose p is the largest: where it is near 1, all terms are
      // small, and equal cotangents give 0.
      const double own = double(u[order[begin]]);
      double average = 0;
      for (std::size_t k = begin; k < end; ++k) {
        average += (p ? p[k] : 1 / double(end - begin)) * (double(u[order[k]]) - own);
      }
      for (std::size_t k = begin; k < end; ++k) {
        const Index at = order[k];
        const double change = (double(u[at]) - own) - average;
        sbar[at] = T(solution->sign * change * (p ? double(rank[at]) : 1) / strength);
      }
    });
  };
}

// (n, n - 1, .., 1) * scale.
Array<double> countdown(std::size_t n, double scale) {
  Array<double> x = uninitialized<double>({n});
  for (std::size_t i = 0; i < n; ++i) x.data()[i] = double(n - i) * scale;
  return x;
}

}  // namespace

template <class T>
FirstOrder<T> fast_soft_sort(const Var<T>& scores, double strength, Regularization regularization,
                             Direction direction) {
  const auto solution =
      std::make_shared<Solution>("fast_soft_sort", scores.value(), strength, regularization,
                                 direction == Direction::descending);
  const std::size_t n = solution->n;
  require(std::isfinite(double(n) / strength), "fast_soft_sort: strength is ", strength,
          ", too small for n = ", n);
  const Array<double> z = countdown(n, 1 / strength);
  const Exponentials Z = solution->kl ? Exponentials::of(z) : Exponentials{};
  Array<T> value = uninitialized<T>(scores.shape());
  for_sets(solution->sets, 20 * n, [&](std::size_t set) {
    T* y = value.data() + set * n;
    const Array<double> w = solution->sorted(scores.value(), set);
    // centre: z - v at the block's first element, whose z is the largest.
    const auto write = [=, sign = solution->sign](double centre, std::size_t begin,
                                                  std::size_t end) {
      for (std::size_t k = begin; k < end; ++k) {
        y[k] = T(sign * (centre - double(k - begin) / strength));
      }
    };
    if (solution->kl) {
      const Exponentials W = Exponentials::of(w);
      const auto finish = [&](const EntropyBlock& block, std::size_t end) {
        const std::size_t begin = block.begin;
        shares(W, begin, end, block.W, solution->p_of(set));
        // z - v at the first element, where both logarithms are those of 1 and what is beside.
        const double W_sum = block.W.m / W.term(begin).m, Z_sum = block.Z.m / Z.term(begin).m;
        write(w.data()[begin] + std::log(W_sum / Z_sum), begin, end);
      };
      pool<EntropyBlock>(0, n, EntropyBlock::violate, finish, solution->ends[set], Z, W);
    } else {
      const auto violates = [&](const SquareBlock& block, const SquareBlock& next) {
        return block.fall(next) * strength > (double(block.count) + next.count) / 2;
      };
      const auto finish = [&](const SquareBlock& block, std::size_t end) {
        const double above_mean = double(block.count - 1) / 2 / strength;
        const double mean = mean_from_first(w, block.begin, end);
        write(w.data()[block.begin] + (mean + above_mean), block.begin, end);
      };
      pool<SquareBlock>(0, n, violates, finish, solution->ends[set], w);
    }
  });

  return record(Op("fast_soft_sort", strength), {scores}, std::move(value), [solution](Node<T>& y) {
    solution->pull_back(y.input(0), [&](T* sbar, std::size_t first, const Index* order,
                                        const double* p, std::size_t begin, std::size_t end) {
      const T* u = y.cotangent().data() + first;
      double total = 0;
      for (std::size_t k = begin; k < end; ++k) total += double(u[k]);
      const double share = total / double(end - begin);
      for (std::size_t k = begin; k < end; ++k) sbar[order[k]] = T(p ? p[k] * total : share);
    });
  });
}

template <class T>
FirstOrder<T> fast_soft_rank(const Var<T>& scores, double strength, Regularization regularization,
                             Direction direction) {
  const auto solution =
      std::make_shared<Solution>("fast_soft_rank", scores.value(), strength, regularization,
                                 direction == Direction::ascending);
  const std::size_t n = solution->n;
  // w = log (n, .., 1) for kl, w = (n, .., 1) for l2.
  const Exponentials W{countdown(n, 1), zeros<double>({solution->kl ? n : 0})};
  const auto mean_w = [n](std::size_t begin, std::size_t end) {
    return (double(n - begin) + double(n + 1 - end)) / 2;
  };
  Array<T> value = uninitialized<T>(scores.shape());
  for_sets(solution->sets, 20 * n, [&](std::size_t set) {
    if (!solution->kl) return project(*solution, scores.value(), set, strength, mean_w, value);
    const Index* order = solution->order_of(set);
    T* r = value.data() + set * n;
    const Array<double> x = solution->sorted(scores.value(), set);  // z * strength
    // Across a gap of z this wide nothing is pooled, as log sum e^w varies by less than 2 log n.
    // So z may be counted from the first element after it, and keeps the digits of near ones.
    constexpr double wide = 256;
    Array<double> z = uninitialized<double>({n});
    std::vector<std::size_t> cuts{0};
    for (std::size_t i = 0; i < n; ++i) {
      if (i > 0 && x.data()[i - 1] - x.data()[i] > wide * strength) cuts.push_back(i);
      z.data()[i] = (x.data()[i] - x.data()[cuts.back()]) / strength;
    }
    cuts.push_back(n);
    const Exponentials Z = Exponentials::of(z);
    const auto finish = [&](const EntropyBlock& block, std::size_t end) {
      double* p = solution->p_of(set);
      shares(Z, block.begin, end, block.Z, p);
      for (std::size_t k = block.begin; k < end; ++k) r[order[k]] = T(p[k] * block.W.m);
    };
    for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
      pool<EntropyBlock>(cuts[c], cuts[c + 1], EntropyBlock::violate, finish, solution->ends[set],
                         Z, W);
    }
  });

  return record(Op("fast_soft_rank", strength), {scores}, std::move(value),
                pull_projection<T>(solution, strength));
}

template <class T>
FirstOrder<T> sparse_top_k(const Var<T>& scores, std::size_t k, double strength,
                           Direction direction) {
  const auto solution =
      std::make_shared<Solution>("sparse_top_k", scores.value(), strength, Regularization::l2,
                                 direction == Direction::descending);
  const std::size_t n = solution->n;
  check_count("sparse_top_k", double(k), n);
  Array<T> value = uninitialized<T>(scores.shape());
  // w: k ones and then zeros.
  const auto mean_w = [k](std::size_t begin, std::size_t end) {
    return double(std::min(end, k) - std::min(begin, k)) / double(end - begin);
  };
  for_sets(solution->sets, 20 * n, [&](std::size_t set) {
    project(*solution, scores.value(), set, strength, mean_w, value);
  });
  return record(Op("sparse_top_k", double(k), strength), {scores}, std::move(value),
                pull_projection<T>(solution, strength));
}

INSTANTIATE(fast_soft_sort)
INSTANTIATE(fast_soft_rank)
INSTANTIATE(sparse_top_k)

}  // namespace tapesort
