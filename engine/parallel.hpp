// The one pool of threads. OpenBLAS runs on one thread inside it, so the two never compete.
#pragma once

#include <cstddef>
#include <functional>

namespace tapesort {

// Physical cores that this process may run on (two hardware threads of a core count once).
int physical_cores();

// How many threads work; by default physical_cores(). std::invalid_argument when count < 1. Not to
// be called while work is running. When the system does not let the process have that many, fewer
// work, which is said on standard error; threads() is their true number.
void set_threads(int count);
int threads();

// Splits 0 .. count - 1 into parts of at least `grain`, at most one a thread, and calls
// work(begin, end, part) for each, in parallel; returns when all are done. The parts depend on
// count, grain and threads() alone, and are the same when called from inside other parallel work
// (where they run one after another). The first part's exception, if any, is thrown on.
using Work = std::function<void(std::size_t begin, std::size_t end, std::size_t part)>;
void parallel_for(std::size_t count, std::size_t grain, const Work& work);

// The number of parts that parallel_for makes of this.
std::size_t parallel_parts(std::size_t count, std::size_t grain);

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
