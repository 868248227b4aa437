#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>

#include "apps/program/program.hpp"
#include "apps/training/ranks.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)  // clang
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

namespace {

// The next file opened gets the number of a standard stream that is closed, and what is printed
// would end in that file. Reading from this one gives nothing, writing to it is an error.
void open_standard_streams() {
  int unused;
  do {
    unused = open("/dev/null", O_RDONLY);
  } while (unused >= 0 && unused <= STDERR_FILENO);
  if (unused >= 0) close(unused);
}

// Linux grants more memory than there is, and kills the program that uses it. With a limit the
// program gets std::bad_alloc instead, and can say so.
void limit_memory() {
  struct sysinfo machine {};
  rlimit limit{};
  if (sysinfo(&machine) != 0 || getrlimit(RLIMIT_DATA, &limit) != 0) return;
  const rlim_t all = rlim_t(machine.totalram + machine.totalswap) * machine.mem_unit;
  limit.rlim_cur = std::min(limit.rlim_cur, all);
  setrlimit(RLIMIT_DATA, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  if (!SANITIZED) limit_memory();  // a sanitizer promises itself more
  tapesort::MpiSession mpi;
  const int status = tapesort::run_program(argc, argv);
  mpi.end(status);
  return status;
}
