#include <cstdio>
#include <exception>

#include "apps/commands.hpp"
#include "engine/parallel.hpp"

int main(int argc, char** argv) {
  CLI::App program("tapesort: reverse-mode automatic differentiation around sorting");
  program.name("tapesort");
  program.require_subcommand(1);
  program.set_version_flag("--version", TAPESORT_VERSION);
  program.add_option_function<int>(
      "--threads", [](int count) { tapesort::set_threads(count); },
      "threads that work (default: the physical cores)");
  program.fallthrough();  // --threads may stand after the sub-command

  tapesort::add_bench(program);
  tapesort::add_estimators(program);
  tapesort::add_info(program);
  tapesort::add_knn(program);
  tapesort::add_median(program);
  tapesort::add_plackett_luce(program);
  tapesort::add_relax(program);
  tapesort::add_sort(program);
  tapesort::add_table(program);

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tapesort: %s\n", error.what());
    return 1;
  }
  return 0;
}
