#include "ops/sorting/fast_soft_sort.hpp"

#include "ops/map.hpp"
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

struct Exponentials {
  Array<double> m, level;  // e^x_k = m_k e^(64 level_k)

  static Exponentials of(const Array<double>& x) {
    using std::exp, std::floor;
    const auto level = [](auto x) { return floor(x * (1 / level_size)); };
    return {map(x, [=](auto x) { return exp(x - level(x) * level_size); }), map(x, level)};
  }
};

// A sum of them, at the level of the largest, which comes first.
struct ScaledSum {
  double m, level;  // 1 <= m < n e^64
  void add(const ScaledSum& next) { m += next.m * level_factor(next.level - level); }
};

// Neighbours that share one v, by what decides whether they join the next block.
struct SquareBlock {
  std::uint32_t begin, count;
  double sum;  // of z - w

  // v < next's v, though v must not increase.
  bool violates(const SquareBlock& next) const { return sum * next.count < next.sum * count; }
  void absorb(const SquareBlock& next) {
    count += next.count;
    sum += next.sum;
  }
};

struct EntropyBlock {
  std::uint32_t begin;
  ScaledSum Z, W;  // sums of e^z, e^w: v = log Z / W

  bool violates(const EntropyBlock& next) const {
    const double levels = (Z.level - W.level) - (next.Z.level - next.W.level);
    // Against e^256 the products of two m, below n^2 e^128, do not count.
    if (std::abs(levels) >= 4) return levels < 0;
    const double left = Z.m * next.W.m, right = next.Z.m * W.m;
    return levels >= 0 ? left < right * level_factor(-levels) : left * level_factor(levels) < right;
  }
  void absorb(const EntropyBlock& next) {
    Z.add(next.Z);
    W.add(next.W);
  }
};

// Pools adjacent violators among n blocks of one element, block_of(i), and calls f(block, end) for
// each of the result: it is elements block.begin .. end - 1. Returns their begins, and n.
template <class Block, class BlockOf, class F>
std::vector<std::uint32_t> pooled(std::size_t n, const BlockOf& block_of, const F& f) {
  std::vector<Block, RecyclingAllocator<Block>> blocks;
  blocks.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    Block last = block_of(i);
    while (!blocks.empty() && blocks.back().violates(last)) {
      Block joined = blocks.back();
      joined.absorb(last);
      last = joined;
      blocks.pop_back();
    }
    blocks.push_back(last);
  }
  std::vector<std::uint32_t> begins;
  begins.reserve(blocks.size() + 1);
  for (const Block& block : blocks) begins.push_back(block.begin);
  begins.push_back(std::uint32_t(n));
  for (std::size_t b = 0; b < blocks.size(); ++b) f(blocks[b], std::size_t(begins[b + 1]));
  return begins;
}

// Each element's part in its block's sum. Levels do not increase, so that most blocks have one.
void shares(const Exponentials& e, std::size_t begin, std::size_t end, const ScaledSum& sum,
            double* p) {
  const double *m = e.m.data(), *level = e.level.data(), scale = 1 / sum.m;
  for (std::size_t k = begin; k < end; ++k) p[k] = m[k] * scale;
  if (level[end - 1] == sum.level) return;
  for (std::size_t k = begin; k < end; ++k) p[k] *= level_factor(level[k] - sum.level);
}

ScaledSum term(const Exponentials& e, std::size_t k) { return {e.m.data()[k], e.level.data()[k]}; }

// Of elements begin .. end - 1; of one element, itself.
double block_mean(const Array<double>& x, std::size_t begin, std::size_t end) {
  return contiguous_sum(x.data() + begin, end - begin) / double(end - begin);
}

// What both operators keep for their pullbacks.
struct Solution {
  Indices order;
  std::vector<std::vector<std::uint32_t>> begins;  // of each set's blocks, and n
  Array<double> p;                                 // kl: softmax over each block
};

// Calls f(begin, end) for every block.
template <class F>
void for_blocks(const std::vector<std::uint32_t>& begins, const F& f) {
  for (std::size_t b = 0; b + 1 < begins.size(); ++b) f(begins[b], begins[b + 1]);
}

// (n, n - 1, .., 1) * scale.
Array<double> countdown(std::size_t n, double scale) {
  Array<double> x = uninitialized<double>({n});
  for (std::size_t i = 0; i < n; ++i) x.data()[i] = double(n - i) * scale;
  return x;
}

}  // namespace

template <class T>
Var<T> fast_soft_sort(const Var<T>& scores, double strength, Regularization regularization,
                      Direction direction) {
  const std::size_t n = checked_set_size("fast_soft_sort", scores.value());
  check_positive("fast_soft_sort", "strength", strength);
  const std::size_t sets = n ? scores.size() / n : 0;
  const bool kl = regularization == Regularization::kl;
  const double sign = direction == Direction::descending ? 1 : -1;  // w = sign * scores, downwards

  Solution solution{argsort(scores.value(), direction), {}, {}};
  solution.begins.resize(sets);
  if (kl) solution.p = uninitialized<double>(scores.shape());
  const Array<double> z = countdown(n, 1 / strength);
  const Exponentials Z = kl ? Exponentials::of(z) : Exponentials{};
  Array<T> value = uninitialized<T>(scores.shape());
  for_sets(sets, 20 * n, [&](std::size_t set) {
    const T* s = scores.value().data() + set * n;
    const Index* order = solution.order.data() + set * n;
    T* y = value.data() + set * n;
    Array<double> w = uninitialized<double>({n});
    for (std::size_t i = 0; i < n; ++i) w.data()[i] = sign * double(s[order[i]]);
    // centre: z - v at the block's first element, whose z is the largest.
    const auto write = [&](double centre, std::size_t begin, std::size_t end) {
      for (std::size_t k = begin; k < end; ++k) {
        y[k] = T(sign * (centre - double(k - begin) / strength));
      }
    };
    if (kl) {
      const Exponentials W = Exponentials::of(w);
      solution.begins[set] = pooled<EntropyBlock>(
          n,
          [&](std::size_t i) {
            return EntropyBlock{std::uint32_t(i), term(Z, i), term(W, i)};
          },
          [&](const EntropyBlock& block, std::size_t end) {
            const std::size_t begin = block.begin;
            shares(W, begin, end, block.W, solution.p.data() + set * n);
            const double w_sum = std::log(block.W.m) + block.W.level * level_size;
            const double z_sum = std::log(block.Z.m) + block.Z.level * level_size;
            write(end - begin == 1 ? w.data()[begin] : z.data()[begin] - z_sum + w_sum, begin, end);
          });
    } else {
      solution.begins[set] = pooled<SquareBlock>(
          n,
          [&](std::size_t i) {
            return SquareBlock{std::uint32_t(i), 1, z.data()[i] - w.data()[i]};
          },
          [&](const SquareBlock& block, std::size_t end) {
            const double above_mean = double(block.count - 1) / 2 / strength;
            write(block_mean(w, block.begin, end) + above_mean, block.begin, end);
          });
    }
  });

  return record("fast_soft_sort", {scores}, std::move(value),
                [=, solution = std::move(solution)](Node<T>& y) {
                  Array<T> sbar = uninitialized<T>(y.value().shape());
                  for_sets(sets, 3 * n, [&](std::size_t set) {
                    const T* u = y.cotangent().data() + set * n;
                    const Index* order = solution.order.data() + set * n;
                    const double* p = kl ? solution.p.data() + set * n : nullptr;
                    T* into = sbar.data() + set * n;
                    for_blocks(solution.begins[set], [&](std::size_t begin, std::size_t end) {
                      double total = 0;
                      for (std::size_t k = begin; k < end; ++k) total += double(u[k]);
                      const double share = total / double(end - begin);
                      for (std::size_t k = begin; k < end; ++k)
                        into[order[k]] = T(kl ? p[k] * total : share);
                    });
                  });
                  accumulate(y.input(0), std::move(sbar));
                });
}

template <class T>
Var<T> fast_soft_rank(const Var<T>& scores, double strength, Regularization regularization,
                      Direction direction) {
  const std::size_t n = checked_set_size("fast_soft_rank", scores.value());
  check_positive("fast_soft_rank", "strength", strength);
  const std::size_t sets = n ? scores.size() / n : 0;
  const bool kl = regularization == Regularization::kl, down = direction == Direction::descending;
  const double scale = (down ? -1 : 1) / strength;  // z = scale * scores, downwards

  Solution solution{
      argsort(scores.value(), down ? Direction::ascending : Direction::descending), {}, {}};
  solution.begins.resize(sets);
  if (kl) solution.p = uninitialized<double>(scores.shape());
  const Array<double> ranks = countdown(n, 1);
  const Exponentials W{ranks, zeros<double>({kl ? n : 0})};  // of w = log (n, .., 1)
  Array<T> value = uninitialized<T>(scores.shape());
  for_sets(sets, 20 * n, [&](std::size_t set) {
    const T* s = scores.value().data() + set * n;
    const Index* order = solution.order.data() + set * n;
    T* r = value.data() + set * n;
    Array<double> z = uninitialized<double>({n});
    for (std::size_t i = 0; i < n; ++i) z.data()[i] = scale * double(s[order[i]]);
    if (kl) {
      const Exponentials Z = Exponentials::of(z);
      double* p = solution.p.data() + set * n;
      solution.begins[set] = pooled<EntropyBlock>(
          n,
          [&](std::size_t i) {
            return EntropyBlock{std::uint32_t(i), term(Z, i), term(W, i)};
          },
          [&](const EntropyBlock& block, std::size_t end) {
            shares(Z, block.begin, end, block.Z, p);
            for (std::size_t k = block.begin; k < end; ++k) r[order[k]] = T(p[k] * block.W.m);
          });
    } else {
      solution.begins[set] = pooled<SquareBlock>(
          n,
          [&](std::size_t i) {
            return SquareBlock{std::uint32_t(i), 1, z.data()[i] - ranks.data()[i]};
          },
          [&](const SquareBlock& block, std::size_t end) {
            const double z_mean = block_mean(z, block.begin, end);
            const double rank_mean = (ranks.data()[block.begin] + ranks.data()[end - 1]) / 2;
            for (std::size_t k = block.begin; k < end; ++k) {
              r[order[k]] = T(rank_mean + (z.data()[k] - z_mean));
            }
          });
    }
  });

  return record("fast_soft_rank", {scores}, std::move(value),
                [=, solution = std::move(solution)](Node<T>& r) {
                  Array<T> sbar = uninitialized<T>(r.value().shape());
                  for_sets(sets, 3 * n, [&](std::size_t set) {
                    const T *u = r.cotangent().data() + set * n, *rank = r.value().data() + set * n;
                    const Index* order = solution.order.data() + set * n;
                    const double* p = kl ? solution.p.data() + set * n : nullptr;
                    T* into = sbar.data() + set * n;
                    for_blocks(solution.begins[set], [&](std::size_t begin, std::size_t end) {
                      double average = 0;
                      if (kl) {
                        for (std::size_t k = begin; k < end; ++k)
                          average += p[k] * double(u[order[k]]);
                      } else {
                        for (std::size_t k = begin; k < end; ++k) average += double(u[order[k]]);
                        average /= double(end - begin);
                      }
                      for (std::size_t k = begin; k < end; ++k) {
                        const Index at = order[k];
                        into[at] =
                            T(scale * (double(u[at]) - average) * (kl ? double(rank[at]) : 1));
                      }
                    });
                  });
                  accumulate(r.input(0), std::move(sbar));
                });
}

#define INSTANTIATE(T)                                                              \
  template Var<T> fast_soft_sort(const Var<T>&, double, Regularization, Direction); \
  template Var<T> fast_soft_rank(const Var<T>&, double, Regularization, Direction);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
