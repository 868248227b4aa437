// The sub-commands of `tapesort`, one file each. add_x declares x's options and what it runs.
#pragma once

#include <CLI/CLI.hpp>

namespace tapesort {

void add_bench(CLI::App& program);
void add_bench_neighbours(CLI::App& bench);  // a sub-command of bench
void add_bench_relax(CLI::App& bench);       // a sub-command of bench
void add_bench_sort(CLI::App& bench);        // a sub-command of bench
void add_bench_train(CLI::App& bench);       // a sub-command of bench
void add_estimators(CLI::App& program);
void add_info(CLI::App& program);
void add_knn(CLI::App& program);
void add_median(CLI::App& program);
void add_plackett_luce(CLI::App& program);
void add_relax(CLI::App& program);
void add_sort(CLI::App& program);
void add_table(CLI::App& program);

}  // namespace tapesort
