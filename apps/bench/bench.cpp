#include <cstdio>

#include "apps/bench/stopwatch.hpp"
#include "apps/commands.hpp"
#include "ops/elementwise.hpp"

namespace tapesort {
namespace {

// 1,000 scalar multiplications and additions, forward and backward, on a tape of their own.
void bench_engine() {
  constexpr int ops = 1000, tapes = 200;
  const auto run = [](int) {
    return seconds_of([] {
      for (int t = 0; t < tapes; ++t) {
        Tape<float> tape;
        const Var<float> a = tape.leaf(scalar(0.5f)), b = tape.leaf(scalar(0.9f));
        Var<float> y = a;
        for (int i = 0; i < ops / 2; ++i) y = y * b + a;
        tape.backward(y);
      }
    });
  };
  const Times times = take_turns({run}, 0, 21).front();
  constexpr double nanoseconds = 1e9 / (ops * tapes);
  std::printf("scalar mul and add, forward + backward: median %.0f ns an op, best %.0f\n",
              times.median() * nanoseconds, times.best() * nanoseconds);
}

}  // namespace

void add_bench(CLI::App& program) {
  CLI::App* command = program.add_subcommand("bench", "measure this machine");
  command->require_subcommand(1);
  command->add_subcommand("engine", "cost of one scalar operator on the tape")
      ->callback(bench_engine);
  add_bench_neighbours(*command);
  add_bench_relax(*command);
  add_bench_sort(*command);
  add_bench_train(*command);
}

}  // namespace tapesort
