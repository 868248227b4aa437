#include <cstdio>
#include <xtensor-blas/xblas_config.hpp>
#include <xtensor/xtensor_config.hpp>

#include "apps/program/program.hpp"
#include "engine/blas.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"

namespace tapesort {
namespace {

std::string version(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

void print_info() {
  const BlasReport& blas = blas_report();
  std::printf("tapesort       %s%s\n", TAPESORT_VERSION,
              TAPESORT_NATIVE ? ", built for this CPU" : ", portable");
  std::printf("compiler       gcc-compatible %s\n", __VERSION__);
  std::printf(
      "xtensor        %s, xtensor-blas %s\n",
      version(XTENSOR_VERSION_MAJOR, XTENSOR_VERSION_MINOR, XTENSOR_VERSION_PATCH).c_str(),
      version(XTENSOR_BLAS_VERSION_MAJOR, XTENSOR_BLAS_VERSION_MINOR, XTENSOR_BLAS_VERSION_PATCH)
          .c_str());
  std::printf("BLAS           %s\n", blas.library.c_str());
  std::printf("CPU features   %s\n", blas.cpu.c_str());
  std::printf("BLAS kernel    %s, chosen by %s", blas.kernel.c_str(), blas.chosen_by.c_str());
  if (blas.kernel != blas.kernel_at_load)
    std::printf(" (at load: %s)", blas.kernel_at_load.c_str());
  std::printf("\nkernel check   largest error %.2g of the rounding bound\n", blas.check_error);
  std::printf("threads        %d of %d physical cores\n", threads(), physical_cores());
}

}  // namespace

void add_info(Command program) {
  program.command("info", "CPU features, BLAS kernel, threads, versions").run(print_info);
}

}  // namespace tapesort
