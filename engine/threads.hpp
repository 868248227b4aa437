// The threads that work (parallel.hpp gives them work). OpenBLAS runs on one thread inside them, so
// the two never compete.
#pragma once

#include <cstddef>

namespace tapesort {

// Physical cores that this process may run on (two hardware threads of a core count once).
int physical_cores();

// How many threads work; by default physical_cores(). std::invalid_argument when count < 1. Not to
// be called while work is running. When the system does not let the process have that many, fewer
// work, which is said on standard error; threads() is their true number. A process that fork() makes
// of one that has worked begins with 1.
void set_threads(int count);
int threads();
// How many loops the calling thread has shared out to others so far.
std::size_t loops_shared();

// While one lives, the calling thread and the pool's threads treat denormal numbers as zero:
// arithmetic on them is many times slower, and they arise in every P_hat.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned before_;
};

}  // namespace tapesort
