// `tapesort bench`: the engine, the search for neighbours, relaxations, operators on one thread and on
// all; and, in files of their own, NeuralSort and whole trainings.
#include <cstdio>

#include "apps/bench/measure.hpp"
#include "apps/bench/operators.hpp"
#include "apps/program/program.hpp"
#include "engine/blas.hpp"
#include "engine/check.hpp"
#include "engine/threads.hpp"
#include "gradcheck/derivatives.hpp"
#include "models/nearest_neighbours.hpp"
#include "ops/elementwise.hpp"
#include "ops/mask.hpp"
#include "ops/reduce.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/black_box.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/k_subsets.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/perturbed.hpp"
#include "ops/sorting/sinkhorn.hpp"
#include "ops/sorting/soft_sort.hpp"
#include "ops/sorting/sorting_network.hpp"

namespace tapesort {
namespace {

void bench_engine() {
  constexpr int ops = 1000, tapes = 200;
  const auto run = [](int) {
    return seconds_of([] {
      for (int t = 0; t < tapes; ++t) scalar_step();
    });
  };
  const Times times = take_turns({run}, 0, 21).front();
  constexpr double nanoseconds = 1e9 / (ops * tapes);
  std::printf("scalar mul and add, forward + backward: median %.0f ns an op, best %.0f\n",
              times.median() * nanoseconds, times.best() * nanoseconds);
}

// The k nearest of many embeddings, beside the matrix product that is inside.
struct NeighbourSearch {
  std::size_t queries = 10000, candidates = 60000, dimension = 512, k = 9;
  int turns = 3;
};

void bench_neighbours(const NeighbourSearch& s) {
  Generator random(1);
  const auto queries = random.normal<float>({s.queries, s.dimension});
  const auto candidates = random.normal<float>({s.candidates, s.dimension});
  const double memory_before = status_bytes("VmHWM:");
  double extra = 0;
  const auto search = [&](int) {
    const double time = seconds_of([&] { nearest_neighbours(queries, candidates, s.k); });
    if (extra == 0) extra = status_bytes("VmHWM:") - memory_before;
    return time;
  };
  // In blocks of queries, or the distances of all pairs would have to be kept.
  const std::size_t block = std::min<std::size_t>(1000, s.queries);
  Array<float> products = uninitialized<float>({block, s.candidates});
  const auto product = [&](int) {
    return seconds_of([&] {
      for (std::size_t first = 0; first < s.queries; first += block) {
        gemm<float>(false, true, std::min(block, s.queries - first), s.candidates, s.dimension, 1,
                    queries.data() + first * s.dimension, s.dimension, candidates.data(),
                    s.dimension, 0, products.data(), s.candidates);
      }
    });
  };
  const auto times = take_turns({search, product}, 0, s.turns);
  const double seconds = times[0].median(), sgemm = times[1].median();
  const double flops = 2.0 * double(s.queries) * double(s.candidates) * double(s.dimension);
  std::printf("%zu queries, %zu candidates of %zu, k = %zu\n", s.queries, s.candidates, s.dimension,
              s.k);
  std::printf("nearest_neighbours  %8.3f s   %.2f times the product, %.1f MB of memory\n", seconds,
              seconds / sgemm, extra / 1e6);
  std::printf("the product alone   %8.3f s   %.0f GFLOP/s\n", sgemm, flops / sgemm * 1e-9);
}

// What derivatives cost, in calls of the function itself.
void bench_derivatives() {
  constexpr std::size_t n = 1000;
  Generator random(1);
  const Array<double> x = random.normal<double>({n}), v = random.normal<double>({n});
  const auto f = [](auto x) { return sum(softmax(tanh(x) * x) * log_softmax(exp(-x * x))); };
  const std::pair<const char*, Contender> rows[] = {
      {"f, nothing recorded", [&](int) { return seconds_of([&] { f(constant(x)); }); }},
      {"f and its gradient, by the tape",
       [&](int) {
         return seconds_of([&] {
           Tape<double> tape;
           tape.backward(f(tape.leaf(x)));
         });
       }},
      {"f on Duals, which is J v", [&](int) { return seconds_of([&] { jvp(f, x, v); }); }},
      {"H v, by the tape of Duals",
       [&](int) { return seconds_of([&] { hessian_vector(f, x, v); }); }},
      {"the gradient by differences, 2 n calls of f",
       [&](int) {
         return seconds_of([&] {
           for (std::size_t i = 0; i < 2 * n; ++i) f(constant(x));
         });
       }},
  };
  std::vector<Contender> contenders;
  for (const auto& row : rows) contenders.push_back(row.second);
  const std::vector<Times> times = take_turns(contenders, 2, 21);
  std::printf("f of %zu numbers %35s %12s\n", n, "microseconds", "calls of f");
  for (std::size_t r = 0; r < times.size(); ++r) {
    std::printf("%-44s %12.1f %12.1f\n", rows[r].first, times[r].median() * 1e6,
                times[r].median() / times[0].median());
  }
}

// op on a leaf of normal scores, and a sweep back from a fixed cotangent; in turns with the same on
// one thread and with sorting such scores along their last axis. Every turn has new scores, and the
// two never the same, or a branch predictor knows a short list by heart.
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
  const auto on_one_thread = [&](int turn) {
    const int all = threads();
    set_threads(1);
    const double time = both_passes(turn);
    set_threads(all);
    return time;
  };
  const auto sort = [&](int turn) { return seconds_of_std_sort(at(turn + int(lists.size() / 2))); };
  // Sorting stands before either: who comes after the same work finds its data in the caches.
  const auto times = take_turns({both_passes, sort, on_one_thread, sort}, 0.5, 5);
  const double median = times[0].median(), argsort_median = times[1].median();
  std::printf("%-48s %10.4f %10.4f %10.2f %10.4f %10.2f\n", what.c_str(), median * 1e3,
              times[0].best() * 1e3, times[2].median() / median, argsort_median * 1e3,
              median / argsort_median);
}

template <class T> void bench_type(const std::string& type) {
  using V = Var<T>;
  const Shape many{10000}, some{256}, sets{1000, 20};
  const auto row = [&](const std::string& what, const Shape& shape, const auto& op) {
    bench<T>(what + ", " + type, shape, op);
  };
  for (const Regularization r : {Regularization::l2, Regularization::kl}) {
    const std::string kind = r == Regularization::l2 ? "l2" : "kl";
    row("fast_soft_sort, n = 10,000, " + kind, many, [r](V x) { return fast_soft_sort(x, 1, r); });
    row("fast_soft_rank, n = 10,000, " + kind, many, [r](V x) { return fast_soft_rank(x, 1, r); });
  }
  row("lap_sum_top_k, n = 10,000, k = 100", many, [](V x) { return lap_sum_top_k(x, 100, 0.1); });
  row("lap_sum_rank, n = 10,000", many, [](V x) { return lap_sum_rank(x, 0.1); });
  row("lap_sum_sort, n = 10,000", many, [](V x) { return lap_sum_sort(x, 0.1); });
  row("sparse_top_k, n = 10,000, k = 100", many, [](V x) { return sparse_top_k(x, 100, 0.1); });
  row("black_box_rank, n = 10,000", many, [](V x) { return black_box_rank(x, 0.1); });
  row("perturbed_rank, n = 10,000, 100 samples", many, [](V x) {
    Generator random(1);
    return perturbed_rank(x, 0.1, random);
  });
  row("k_subset_marginals, n = 10,000, k = 10", many,
      [](V x) { return k_subset_marginals(x, 10); });

  const auto values = [](const V& x) { return neural_sort_values(x, 1); };
  Indices lengths = Indices::from_shape({1000});
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths(i) = Index(1 + i % 20);
  const ItemMask mask = ItemMask::of_lengths(lengths, 20);
  row("neural_sort_values, 1,000 sets of 20", sets, values);
  row("the same, of 1 to 20 of them, by a mask", sets,
      [&](const V& x) { return masked(mask, By::place, values, x); });

  row("bitonic network, n = 256", some, [](V x) { return sorting_network(x); });
  row("bitonic network, n = 256, values alone", some,
      [](V x) { return sorting_network_values(x); });
  row("soft_sort, n = 256", some, [](V x) { return soft_sort(x, 1); });
  row("lap_sum, n = 256", some, [](V x) { return lap_sum(x, 0.1); });
  row("sinkhorn, 20 iterations, 100 of 9 x 9", {100, 9, 9}, [](V x) { return sinkhorn(x, 1); });
  row("sinkhorn, 20 iterations, one of 100 x 100", {100, 100}, [](V x) { return sinkhorn(x, 1); });
}

// The seconds that a row takes, forward and backward.
std::pair<double, double> timed(const OperatorRow& row, const std::vector<Array<float>>& operands,
                                int count) {
  set_threads(count);
  std::pair<double, double> times;
  for (int pass = 0; pass < 2; ++pass) {  // in the first one new threads find their memory
    Tape<float> tape;
    std::vector<Var<float>> x;
    for (const Array<float>& operand : operands) x.push_back(tape.leaf(operand));
    Var<float> y;
    times.first = seconds_of([&] { y = row.f(x); });
    const Array<float> cotangent = full<float>(y.shape(), 1);
    times.second = seconds_of([&] { tape.backward(y, cotangent); });
  }
  return times;
}

void bench_operators() {
  const int all = threads();
  std::printf("milliseconds on one thread, and how many times as fast on %d\n", all);
  std::printf("%-36s %10s %7s %10s %7s\n", "", "forward", "times", "backward", "times");
  for (const OperatorRow& row : operator_rows()) {
    const std::vector<Array<float>> operands = row.operands();
    Times backward[2];
    const auto contender = [&](int count, Times& back) {
      return [&, count](int turn) {
        const auto times = timed(row, operands, count);
        if (turn > 0) back.turns.push_back(times.second);
        return times.first;
      };
    };
    const auto forward =
        take_turns({contender(1, backward[0]), contender(all, backward[1])}, 0.4, 5);
    std::printf("%-36s %10.3f %7.2f %10.3f %7.2f\n", row.name.c_str(), forward[0].median() * 1e3,
                forward[0].median() / forward[1].median(), backward[0].median() * 1e3,
                backward[0].median() / backward[1].median());
  }
  set_threads(all);
}

void bench_relax() {
  std::printf("%-48s %10s %10s %10s %10s %10s\n", "forward + backward, ms", "median", "best",
              to_message("1 to ", threads()).c_str(), "std::sort", "ratio");
  bench_type<float>("float");
  bench_type<double>("double");
}

}  // namespace

void add_bench(Command program) {
  Command bench = program.command("bench", "measure this machine");
  bench.command("engine", "cost of one scalar operator on the tape").run(bench_engine);
  const Command neighbours =
      bench.command("neighbours", "k nearest neighbours beside the matrix product inside");
  const auto s = std::make_shared<NeighbourSearch>();
  neighbours.add("--queries", s->queries, "", rounds);
  neighbours.add("--candidates", s->candidates, "", rounds);
  neighbours.add("--dimension", s->dimension, "", a_count);
  neighbours.add("--k", s->k, "", a_count);
  neighbours.run([s] { bench_neighbours(*s); });
  bench.command("derivatives", "what gradients and second derivatives cost").run(bench_derivatives);
  bench.command("relax", "relaxations other than NeuralSort (--threads 1: on one thread)")
      .run(bench_relax);
  bench.command("operators", "every operator, on one thread and on all").run(bench_operators);
  add_bench_sort(bench);
  add_bench_train(bench);
}

}  // namespace tapesort
