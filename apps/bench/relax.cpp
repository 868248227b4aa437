#include <cstdio>
#include <string>

#include "apps/bench/stopwatch.hpp"
#include "apps/commands.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/sinkhorn.hpp"
#include "ops/sorting/soft_sort.hpp"
#include "ops/sorting/sorting_network.hpp"

namespace tapesort {
namespace {

// op on a leaf with the values of x, and a sweep back from a fixed cotangent; in turns with sorting
// the same numbers along their last axis.
template <class T, class Op>
void bench(const std::string& what, const Array<T>& x, const Op& op) {
  const Array<T> cotangent = Generator(2).normal<T>(op(constant(x)).shape());
  Parameter<T> leaf("x", x);
  const auto both_passes = [&](int) {
    return seconds_of([&] {
      Tape<T> tape;
      tape.backward(op(tape.leaf(leaf)), cotangent);
    });
  };
  const auto sort = [&](int) { return seconds_of([&] { argsort(x); }); };
  const std::vector<Times> times = take_turns({both_passes, sort}, 0.5, 5);
  const double median = times[0].median(), argsort_median = times[1].median();
  std::printf("%-48s %10.4f %10.4f %10.4f %10.2f\n", what.c_str(), median * 1e3,
              times[0].best() * 1e3, argsort_median * 1e3, median / argsort_median);
}

template <class T>
void bench_type(const std::string& type) {
  using V = Var<T>;
  Generator random(1);
  const auto named = [&](const std::string& what) { return what + ", " + type; };

  const Array<T> many = random.normal<T>({10000});
  for (const Regularization r : {Regularization::l2, Regularization::kl}) {
    const std::string kind = r == Regularization::l2 ? "l2" : "kl";
    bench(named("fast_soft_sort, n = 10,000, " + kind), many,
          [r](const V& x) { return fast_soft_sort(x, 1, r); });
    bench(named("fast_soft_rank, n = 10,000, " + kind), many,
          [r](const V& x) { return fast_soft_rank(x, 1, r); });
  }
  bench(named("lap_sum_top_k, n = 10,000, k = 100"), many,
        [](const V& x) { return lap_sum_top_k(x, 100, 0.1); });
  bench(named("lap_sum_rank, n = 10,000"), many, [](const V& x) { return lap_sum_rank(x, 0.1); });
  bench(named("lap_sum_sort, n = 10,000"), many, [](const V& x) { return lap_sum_sort(x, 0.1); });

  const Array<T> some = random.normal<T>({256});
  bench(named("bitonic network, n = 256"), some, [](const V& x) { return sorting_network(x); });
  bench(named("bitonic network, n = 256, values alone"), some,
        [](const V& x) { return sorting_network_values(x); });
  bench(named("soft_sort, n = 256"), some, [](const V& x) { return soft_sort(x, 1); });
  bench(named("lap_sum, n = 256"), some, [](const V& x) { return lap_sum(x, 0.1); });

  bench(named("sinkhorn, 20 iterations, 100 of 9 x 9"), random.normal<T>({100, 9, 9}),
        [](const V& x) { return sinkhorn(x, 1); });
  bench(named("sinkhorn, 20 iterations, one of 100 x 100"), random.normal<T>({100, 100}),
        [](const V& x) { return sinkhorn(x, 1); });
}

void bench_relax() {
  std::printf("%-48s %10s %10s %10s %10s\n", "forward + backward, ms", "median", "best", "argsort",
              "ratio");
  bench_type<float>("float");
  bench_type<double>("double");
}

}  // namespace

void add_bench_relax(CLI::App& bench) {
  bench.add_subcommand("relax", "relaxations other than NeuralSort (--threads 1: on one thread)")
      ->callback(bench_relax);
}

}  // namespace tapesort
