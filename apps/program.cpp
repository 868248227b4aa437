#include "apps/program.hpp"

#include <cstdio>
#include <new>
#include <stdexcept>

#include "apps/commands.hpp"
#include "apps/option_checks.hpp"
#include "apps/output.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"

namespace tapesort {
namespace {

constexpr int failed = 1, not_understood = 2;

int complain(int status, const std::string& message) {
  std::string line = message;
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  std::fprintf(stderr, "tapesort: %s\n", line.c_str());
  return status;
}

// What is wrong with the command line, and whose --help tells more.
int explain(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App* command = &program;  // the innermost one that was named
  std::string name = "tapesort";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  const std::vector<std::string> rest = program.remaining(/*recurse=*/true);
  const bool unknown = command->get_require_subcommand_min() > 0 && !rest.empty();
  return complain(not_understood,
                  (unknown ? name + " has no command " + rest.front() : std::string(error.what())) +
                      "; see " + name + " --help");
}

int status_of(CLI::App& program, int argc, const char* const* argv) {
  try {
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    // Help was asked for, or a command ended with a status of its own.
    const bool no_error = error.get_exit_code() == 0 || error.get_name() == "RuntimeError";
    return no_error ? program.exit(error) : explain(program, error);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {  // a vector that no memory could hold
  } catch (const std::exception& error) {
    return complain(failed, error.what());
  }
  return complain(failed, "out of memory; ask for less at once, for example a smaller batch");
}

}  // namespace

void declare(CLI::App& program) {
  program.name("tapesort");
  program.require_subcommand(1);
  program.set_version_flag("--version", TAPESORT_VERSION);
  program
      .add_option_function<int>(
          "--threads", [](int count) { set_threads(count); },
          "threads that work (default: the physical cores)")
      ->check(whole(1, 1024));
  program.fallthrough();  // --threads may stand after the sub-command

  add_bench(program);
  add_estimators(program);
  add_info(program);
  add_knn(program);
  add_median(program);
  add_plackett_luce(program);
  add_relax(program);
  add_sort(program);
  add_table(program);
}

int run_program(CLI::App& program, int argc, const char* const* argv) {
  const int status = status_of(program, argc, argv);
  try {
    check_output();
  } catch (const std::exception& error) {
    complain(failed, error.what());
    return status == 0 ? failed : status;
  }
  return status;
}

}  // namespace tapesort
