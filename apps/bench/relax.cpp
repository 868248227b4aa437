#include <algorithm>
#include <cstdio>
#include <string>

#include "apps/bench/std_sort.hpp"
#include "apps/bench/stopwatch.hpp"
#include "apps/commands.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/sinkhorn.hpp"
#include "ops/sorting/soft_sort.hpp"
#include "ops/sorting/sorting_network.hpp"

namespace tapesort {
namespace {

// op on a leaf of normal scores, and a sweep back from a fixed cotangent; in turns with sorting
// such scores along their last axis. Every turn has new scores, and the two never the same, or a
// branch predictor knows a short list by heart.
template <class T, class Op> void bench(const std::string& what, const Shape& shape, const Op& op) {
  Generator random(1);
  std::vector<Array<T>> lists(std::clamp<std::size_t>(500000 / element_count(shape), 2, 1000));
  for (Array<T>& list : lists) list = random.normal<T>(shape);
  const auto at = [&](int turn) -> const Array<T>& {
    return lists[std::size_t(turn) % lists.size()];
  };
  const Array<T> cotangent = random.normal<T>(op(constant(lists[0])).shape());
  const auto both_passes = [&](int turn) {
    return seconds_of([&] {
      Tape<T> tape;
      tape.backward(op(tape.leaf(at(turn))), cotangent);
    });
  };
  const auto sort = [&](int turn) { return seconds_of_std_sort(at(turn + int(lists.size() / 2))); };
  const std::vector<Times> times = take_turns({both_passes, sort}, 0.5, 5);
  const double median = times[0].median(), argsort_median = times[1].median();
  std::printf("%-48s %10.4f %10.4f %10.4f %10.2f\n", what.c_str(), median * 1e3,
              times[0].best() * 1e3, argsort_median * 1e3, median / argsort_median);
}

template <class T> void bench_type(const std::string& type) {
  using V = Var<T>;
  const auto named = [&](const std::string& what) { return what + ", " + type; };

  const Shape many{10000}, some{256};
  for (const Regularization r : {Regularization::l2, Regularization::kl}) {
    const std::string kind = r == Regularization::l2 ? "l2" : "kl";
    bench<T>(named("fast_soft_sort, n = 10,000, " + kind), many,
             [r](const V& x) { return fast_soft_sort(x, 1, r); });
    bench<T>(named("fast_soft_rank, n = 10,000, " + kind), many,
             [r](const V& x) { return fast_soft_rank(x, 1, r); });
  }
  bench<T>(named("lap_sum_top_k, n = 10,000, k = 100"), many,
           [](const V& x) { return lap_sum_top_k(x, 100, 0.1); });
  bench<T>(named("lap_sum_rank, n = 10,000"), many,
           [](const V& x) { return lap_sum_rank(x, 0.1); });
  bench<T>(named("lap_sum_sort, n = 10,000"), many,
           [](const V& x) { return lap_sum_sort(x, 0.1); });

  bench<T>(named("bitonic network, n = 256"), some, [](const V& x) { return sorting_network(x); });
  bench<T>(named("bitonic network, n = 256, values alone"), some,
           [](const V& x) { return sorting_network_values(x); });
  bench<T>(named("soft_sort, n = 256"), some, [](const V& x) { return soft_sort(x, 1); });
  bench<T>(named("lap_sum, n = 256"), some, [](const V& x) { return lap_sum(x, 0.1); });

  bench<T>(named("sinkhorn, 20 iterations, 100 of 9 x 9"), {100, 9, 9},
           [](const V& x) { return sinkhorn(x, 1); });
  bench<T>(named("sinkhorn, 20 iterations, one of 100 x 100"), {100, 100},
           [](const V& x) { return sinkhorn(x, 1); });
}

void bench_relax() {
  std::printf("%-48s %10s %10s %10s %10s\n", "forward + backward, ms", "median", "best",
              "std::sort", "ratio");
  bench_type<float>("float");
  bench_type<double>("double");
}

}  // namespace

void add_bench_relax(CLI::App& bench) {
  bench.add_subcommand("relax", "relaxations other than NeuralSort (--threads 1: on one thread)")
      ->callback(bench_relax);
}

}  // namespace tapesort
