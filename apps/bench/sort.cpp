// `tapesort bench sort`: NeuralSort's values y = P_hat s, forward and backward, from a handful of
// scores to a million, beside std::sort of the same numbers; and how exact they are.
// apps/bench/neuralsort_torch.py compares with the formula in PyTorch.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/bench/measure.hpp"
#include "apps/bench/sort_reference.hpp"
#include "apps/program/program.hpp"
#include "apps/report/printed.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "models/files/strict_json.hpp"
#include "ops/matmul.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/neural_sort/formula.hpp"

#if defined(TAPESORT_VQSORT)
#include <hwy/contrib/sort/vqsort.h>
#endif
#if defined(__GLIBC__)  // known once a standard header is included
#include <malloc.h>
#endif

namespace tapesort {
namespace {

constexpr std::uint64_t seed = 2019;

struct Medians {
  double forward, both, formula, argsort, vqsort;  // seconds; NaN where not measured
};

// The order by Highway's vqsort: falling scores as rising whole numbers, above their indices.
double seconds_of_vqsort([[maybe_unused]] const Array<float>& scores) {
#if defined(TAPESORT_VQSORT)
  const std::size_t n = scores.shape().back();
  std::vector<std::uint64_t> keys(n);
  return seconds_of([&] {
    const hwy::Sorter sort;
    for (std::size_t first = 0; first < scores.size(); first += n) {
      for (std::size_t i = 0; i < n; ++i) {
        std::uint32_t bits;
        std::memcpy(&bits, scores.data() + first + i, sizeof bits);
        const std::uint32_t falling = bits >> 31 ? bits : ~(bits | 0x80000000u);
        keys[i] = std::uint64_t(falling) << 32 | i;
      }
      sort(keys.data(), n, hwy::SortAscending());
    }
  });
#else
  return std::nan("");
#endif
}

// Scores to sort: new ones each turn, or a branch predictor learns a short list by heart.
std::vector<Array<float>> draw_lists(std::size_t sets, std::size_t n) {
  Generator random(seed);
  std::vector<Array<float>> lists(std::clamp<std::size_t>(2000000 / (sets * n), 1, 64));
  for (Array<float>& list : lists) {
    list = random.normal<float>(sets == 1 ? Shape{n} : Shape{sets, n});
  }
  return lists;
}

template <class Op> double time_of(const Array<float>& scores, bool backward, const Op& op) {
  const Array<float> cotangent = full<float>(scores.shape(), 1.0f);
  return seconds_of([&] {
    Tape<float> tape;
    const Var<float> x = tape.leaf(scores);
    const Var<float> y = op(x);
    if (backward) tape.backward(y, cotangent);
  });
}

Medians measure(std::size_t sets, std::size_t n, double tau, bool interpolate, double budget) {
  const std::vector<Array<float>> lists = draw_lists(sets, n);
  const auto scores = [&](int turn) -> const Array<float>& {
    return lists[std::size_t(turn) % lists.size()];
  };
  const NeuralSortOptions options(tau, Direction::descending, interpolate);
  const auto values = [&](const Var<float>& x) { return neural_sort_values(x, options); };
  std::vector<Contender> contenders{
      [&](int turn) { return time_of(scores(turn), false, values); },
      [&](int turn) { return time_of(scores(turn), true, values); },
      [&](int turn) { return seconds_of_std_sort(scores(turn)); },
      [&](int turn) { return seconds_of_vqsort(scores(turn)); },
  };
  const bool dense = n <= 4000;
  if (dense) {
    contenders.push_back([&](int turn) {
      const Array<float>& s = scores(turn);
      return time_of(s, true, [&](const Var<float>& x) {
        const Shape& shape = x.shape();
        std::vector<Index> vector(shape.begin(), shape.end()), column = vector;
        column.push_back(1);
        return reshape(matmul(neural_sort_formula(x, tau), reshape(x, column)), vector);
      });
    });
  }
  const std::vector<Times> times = take_turns(contenders, budget);
  return {times[0].median(), times[1].median(), dense ? times[4].median() : std::nan(""),
          times[2].median(), times[3].median()};
}

// Bytes that one forward and backward pass take from the system at their peak, the scores and
// their gradient not counted; measured by the high-water mark of the process.
double peak_bytes(std::size_t n, double tau) {
  Tape<float> tape;
  const Var<float> x = tape.leaf(draw_lists(1, n).front());
  const Array<float> cotangent = full<float>({n}, 1.0f);
  Storage::release();
#if defined(__GLIBC__)
  malloc_trim(0);  // what earlier measurements left would hide what this one takes
#endif
  if (std::FILE* reset = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", reset);  // the high-water mark starts anew
    std::fclose(reset);
  }
  const double before = status_bytes("VmRSS:");
  tape.backward(neural_sort_values(x, tau), cotangent);
  return status_bytes("VmHWM:") - before - double(n * sizeof(float));
}

std::string milliseconds(double time) {
  if (std::isnan(time)) return "-";
  return printed(time < 1e-2 ? "%.3f" : "%.1f", time * 1e3);
}

struct SortBench {
  std::vector<std::size_t> n;
  std::size_t sets = 1;
  std::vector<double> tau{1, 0.1, 0.01};
  double budget = 0.5;
  bool every_row = false, json = false, exactness = false;
};

void print_times(const SortBench& s) {
  if (!s.json) {
    std::printf("y = P_hat s in float, scores N(0, 1), %d thread%s; medians, in ms\n", threads(),
                threads() == 1 ? "" : "s");
    std::printf("%9s %6s %10s %20s %15s %10s %8s %10s %8s %8s\n", "n", "tau", "forward",
                "forward + backward", "by the formula", "std::sort", "ratio", "vqsort", "ratio",
                "bytes");
  }
  for (std::size_t n : s.n) {
    for (double tau : s.tau) {
      const Medians t = measure(s.sets, n, tau, !s.every_row, s.budget);
      // Small arrays disappear in the allocator's reserves.
      const double bytes =
          n >= 10000 && s.sets == 1 ? peak_bytes(n, tau) / double(n) : std::nan("");
      if (s.json) {
        const nlohmann::json line{{"n", n},  // a NaN becomes null
                                  {"sets", s.sets},
                                  {"tau", tau},
                                  {"threads", threads()},
                                  {"forward", t.forward},
                                  {"both", t.both},
                                  {"formula", t.formula},
                                  {"argsort", t.argsort},
                                  {"vqsort", t.vqsort},
                                  {"bytes_a_score", bytes}};
        std::printf("%s\n", text_of(line).c_str());
      } else {
        std::printf("%9zu %6g %10s %20s %15s %10s %8.2f %10s %8s %8s\n", n, tau,
                    milliseconds(t.forward).c_str(), milliseconds(t.both).c_str(),
                    milliseconds(t.formula).c_str(), milliseconds(t.argsort).c_str(),
                    t.both / t.argsort, milliseconds(t.vqsort).c_str(),
                    std::isnan(t.vqsort) ? "-" : printed("%.2f", t.both / t.vqsort).c_str(),
                    std::isnan(bytes) ? "-" : std::to_string(int(bytes)).c_str());
      }
      flush_output();
    }
  }
}

void print_exactness(const SortBench& s) {
  std::printf(
      "float against the formula in extended precision. Value: the largest error in units of what\n"
      "is allowed (2e-6 of the spread, or one unit in a float's last place). Gradient: relative "
      "to\n"
      "the largest; 1e-4 is allowed.\n");
  std::printf("%9s %-10s %6s %22s %22s\n", "n", "scores", "tau", "interpolated", "every row");
  for (std::size_t n : s.n) {
    for (const ScoreKind& kind : score_kinds()) {
      for (double tau : s.tau) {
        Generator random(seed);
        const Array<float> scores = convert<float>(draw_scores(kind, n, random));
        const SortErrors a = sort_errors(scores, tau, true, random),
                         b = sort_errors(scores, tau, false, random);
        std::printf("%9zu %-10s %6g %10.3f %11.1e %10.3f %11.1e\n", n, kind.name, tau, a.value,
                    a.gradient, b.value, b.gradient);
        flush_output();
      }
    }
  }
}

}  // namespace

void add_bench_sort(Command bench) {
  const Command command = bench.command("sort", "NeuralSort beside std::sort, and how exact it is");
  const auto s = std::make_shared<SortBench>();
  command.add("--n", s->n, "how many scores, as 100,1000", rounds).separated_by_commas();
  command.add("--sets", s->sets, "how many sets of them at once", a_count);
  command.add("--tau", s->tau, "temperatures, as 1,0.1", temperature).separated_by_commas();
  command.add("--budget", s->budget, "seconds for each line", number(0, 1e6));
  command.add("--every-row", s->every_row, "do not interpolate");
  command.add("--exactness", s->exactness, "errors instead of times (O(n^2): default n = 10,000)");
  command.add("--json", s->json, "one JSON object a line, times in seconds");
  command.run([s] {
    if (s->n.empty()) {
      s->n = s->exactness ? std::vector<std::size_t>{10000}
                          : std::vector<std::size_t>{10, 100, 1000, 10000, 100000, 1000000};
    }
    s->exactness ? print_exactness(*s) : print_times(*s);
  });
}

}  // namespace tapesort
