// The program, apart from main: what its command line means, its errors and its exit status.
#pragma once

#include <CLI/CLI.hpp>

namespace tapesort {

// --version, --threads, and all commands.
void declare(CLI::App& program);

// Runs what the command line asks of the program. Every error is one line on standard error, "tapesort: ..".
// Status 0: done; 1: it could not be done; 2: the command line was not understood; 130: a training
// was interrupted.
int run_program(CLI::App& program, int argc, const char* const* argv);

}  // namespace tapesort
