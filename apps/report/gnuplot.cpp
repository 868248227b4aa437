#include "apps/report/gnuplot.hpp"

#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <ostream>
#include <stdexcept>

#include "engine/check.hpp"
#include "models/replace_file.hpp"

extern char** environ;

namespace tapesort {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// An open file without a name, gone when closed.
File unnamed_file() {
  File file(std::tmpfile(), std::fclose);
  if (!file) throw std::runtime_error(to_message("no temporary file: ", std::strerror(errno)));
  return file;
}

// What gnuplot said first, without its echo of the command and the caret below it.
std::string first_complaint(std::FILE* file) {
  std::rewind(file);
  char line[512];
  while (std::fgets(line, sizeof line, file)) {
    const std::string text(line, std::strcspn(line, "\n"));
    if (text.find("line ") != std::string::npos) return ": " + text.substr(text.find("line "));
  }
  return "";
}

// A file as standard input, not a pipe: writing to a pipe whose reader is gone would end us.
void run(const std::string& script) {
  const File input = unnamed_file(), output = unnamed_file();
  if (std::fwrite(script.data(), 1, script.size(), input.get()) != script.size() ||
      std::fflush(input.get()) != 0) {
    throw std::runtime_error(to_message("gnuplot's commands: ", std::strerror(errno)));
  }
  std::rewind(input.get());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(input.get()), 0);
  posix_spawn_file_actions_adddup2(&actions, fileno(output.get()), 1);
  posix_spawn_file_actions_adddup2(&actions, fileno(output.get()), 2);
  char name[] = "gnuplot";
  char* const arguments[] = {name, nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, name, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    throw std::runtime_error("gnuplot is missing; install it: apt-get install gnuplot-nox");
  }
  if (error != 0) throw std::runtime_error(to_message("gnuplot: ", std::strerror(error)));

  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error("gnuplot failed" + first_complaint(output.get()));
  }
}

}  // namespace

std::string gnuplot_text(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';  // twice stands for once
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "'";
}

bool run_gnuplot(const std::string& file, std::size_t width, std::size_t height,
                 const std::string& commands, std::ostream& messages) {
  try {
    replace_file(file, [&](const std::string& temporary) {
      run(to_message("set terminal pngcairo noenhanced font 'DejaVu Sans,11' size ", width, ",",
                     height, "\nset output ", gnuplot_text(temporary), "\n", commands));
    });
    return true;
  } catch (const std::exception& error) {
    messages << "tapesort: no picture " << file << ": " << error.what() << '\n';
    return false;
  }
}

}  // namespace tapesort
