// `tapesort bench neighbours`: the k nearest of many embeddings, beside the matrix product that is
// inside.
#include <cstdio>

#include "apps/bench/memory.hpp"
#include "apps/bench/stopwatch.hpp"
#include "apps/commands.hpp"
#include "apps/option_checks.hpp"
#include "engine/blas.hpp"
#include "engine/random.hpp"
#include "models/nearest_neighbours.hpp"

namespace tapesort {
namespace {

struct Settings {
  std::size_t queries = 10000, candidates = 60000, dimension = 512, k = 9;
  int turns = 3;
};

void bench_neighbours(const Settings& s) {
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

}  // namespace

void add_bench_neighbours(CLI::App& bench) {
  CLI::App* command =
      bench.add_subcommand("neighbours", "k nearest neighbours beside the matrix product inside");
  const auto s = std::make_shared<Settings>();
  command->add_option("--queries", s->queries)->check(rounds)->capture_default_str();
  command->add_option("--candidates", s->candidates)->check(rounds)->capture_default_str();
  command->add_option("--dimension", s->dimension)->check(a_count)->capture_default_str();
  command->add_option("--k", s->k)->check(a_count)->capture_default_str();
  command->callback([s] { bench_neighbours(*s); });
}

}  // namespace tapesort
