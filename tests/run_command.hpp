// Runs commands of the program inside the tests.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "apps/program/program.hpp"
#include "temporary_folder.hpp"

namespace tapesort::testing {

// While one lives, what would come to a standard stream goes to a file instead.
class Redirected {
 public:
  Redirected(std::FILE* stream, const std::string& file)
      : stream_(stream), before_(dup(fileno(stream))) {
    std::fflush(stream);
    const int instead = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(instead, fileno(stream));
    close(instead);
  }
  ~Redirected() {
    std::fflush(stream_);
    std::clearerr(stream_);
    std::cout.clear();
    dup2(before_, fileno(stream_));
    close(before_);
  }

 private:
  std::FILE* stream_;
  int before_;
};

// While one lives, nothing comes to standard output.
struct Quiet : Redirected {
  Quiet() : Redirected(stdout, "/dev/null") {}
};

// What `add` adds to a program, run as `command`; its standard output is not shown.
inline void run(void (*add)(Command), const std::string& command) {
  CLI::App program;
  add(program);
  const Quiet quiet;
  program.parse(command, false);
}

// What the whole program, with these commands, does with such a command line: its exit status, and
// what it prints. Standard output may be another file, whose content is not returned.
struct Outcome {
  int status;
  std::string out, error;
};
inline Outcome run_program(CLI::App& program, std::vector<const char*> words,
                           const std::string& out = "") {
  const TemporaryFolder folder;
  words.insert(words.begin(), "tapesort");
  Outcome outcome;
  {
    const Redirected output(stdout, out.empty() ? folder / "out" : out);
    const Redirected errors(stderr, folder / "error");
    outcome.status = tapesort::run_program(program, int(words.size()), words.data());
  }
  return {outcome.status, folder.read("out"), folder.read("error")};
}
inline Outcome run_program(const std::vector<const char*>& words, const std::string& out = "") {
  CLI::App program;
  declare(program);
  return run_program(program, words, out);
}

}  // namespace tapesort::testing
