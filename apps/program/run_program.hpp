// The program as a function, for programs that are tapesort and more (examples/program.cpp).
#pragma once

namespace tapesort {

// What tapesort does with this command line, its errors on standard error. Status 0: done; 1: it
// could not be done; 2: the command line was not understood; 128 + a signal's number: that signal
// stopped it.
int run_program(int argc, const char* const* argv);

}  // namespace tapesort
