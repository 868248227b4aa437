// Runs commands of the program inside the tests.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace tapesort::testing {

// While one lives, nothing comes to standard output.
class Quiet {
 public:
  Quiet() : before_(dup(STDOUT_FILENO)) {
    std::fflush(stdout);
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
  }
  ~Quiet() {
    std::fflush(stdout);
    dup2(before_, STDOUT_FILENO);
    close(before_);
  }

 private:
  int before_;
};

// What `add` adds to a program, run as `command`; its standard output is not shown.
inline void run(void (*add)(CLI::App&), const std::string& command) {
  CLI::App program;
  add(program);
  const Quiet quiet;
  program.parse(command, false);
}

}  // namespace tapesort::testing
