// The program: its commands, its errors and exit status, its output.
#pragma once

#include "apps/program/options.hpp"
#include "apps/program/run_program.hpp"

namespace tapesort {

// The commands, one file each: each declares its options and what it runs.
void add_bench(Command program);
void add_bench_sort(Command bench);   // a sub-command of bench
void add_bench_train(Command bench);  // a sub-command of bench
void add_embed(Command program);
void add_estimators(Command program);
void add_gradcheck(Command program);
void add_grid(Command program);
void add_info(Command program);
void add_knn(Command program);
void add_median(Command program);
void add_plackett_luce(Command program);
void add_rank(Command program);
void add_relax(Command program);
void add_score(Command program);
void add_sort(Command program);
void add_table(Command program);

// --version, --threads, and all commands.
void declare(CLI::App& program);

// run_program with other commands than all. Every error is one line on standard error, "tapesort: ..".
int run_program(CLI::App& program, int argc, const char* const* argv);

// The whole content of a file, or of standard input for "-". std::runtime_error if it cannot be
// read.
std::string read_text(const std::string& file);
// What messages call that text.
std::string source_name(const std::string& file);

// A full disk must not look like success. flush_output keeps the reason of the first failure for
// check_output, as a run of hours should not end by it; that throws, std::runtime_error with the
// reason, if anything printed so far was lost.
void flush_output();
void check_output();

}  // namespace tapesort
