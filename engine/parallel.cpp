#include "engine/parallel.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "engine/check.hpp"
#include "engine/threads.hpp"

namespace tapesort {
namespace {

// The floating point mode of a thread (rounding, denormals): workers take on their caller's.
#if defined(__x86_64__)
constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040;
unsigned float_mode() { return _mm_getcsr(); }
void set_float_mode(unsigned mode) { _mm_setcsr(mode); }
#else
constexpr unsigned flush_to_zero = 0, denormals_are_zero = 0;
unsigned float_mode() { return 0; }
void set_float_mode(unsigned) {}
#endif

thread_local bool inside_parallel_work = false;
thread_local std::size_t shared_out = 0;
bool pool_made = false;

// Waits a few microseconds for `ready`, without sleeping: a training step asks for threads in short
// intervals, and waking one up takes longer than many a piece of work.
template <class Ready> void spin_until(const Ready& ready) {
  for (int i = 0; i < 2000 && !ready(); ++i) {
#if defined(__x86_64__)
    _mm_pause();
#endif
  }
}

class Pool {
 public:
  // Of `count` threads, or of as many as the system lets the process have.
  explicit Pool(int count) {
    pool_made = true;
    try {
      for (int i = 1; i < count; ++i) workers_.emplace_back([this] { serve(); });
    } catch (const std::exception& error) {
      [[maybe_unused]] static const int said =  // once, however often it is tried
          std::fprintf(stderr, "tapesort: only %zu of %d threads could be made (%s); going on\n",
                       size(), count, error.what());
    }
  }
  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  std::size_t size() const { return workers_.size() + 1; }

  // Runs job(0) here, and job(1) .. job(parts - 1) on the workers, or here where none has woken up in
  // time: so that small work does not wait for threads that slept.
  void run(std::size_t parts, const std::function<void(std::size_t)>& job) {
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = &job;
    parts_ = parts;
    next_ = 1;
    unfinished_ = parts - 1;
    mode_ = float_mode();
    ++generation_;
    lock.unlock();
    wake_.notify_all();
    job(0);
    lock.lock();
    take_parts(lock);
    lock.unlock();
    spin_until([this] { return unfinished_ == 0; });
    lock.lock();
    done_.wait(lock, [this] { return unfinished_ == 0; });
  }

 private:
  // Runs the parts that nobody has begun.
  void take_parts(std::unique_lock<std::mutex>& lock) {
    while (next_ < parts_) {
      const std::size_t part = next_++;
      lock.unlock();
      (*job_)(part);
      lock.lock();
      if (--unfinished_ == 0) done_.notify_one();
    }
  }

  void serve() {
    inside_parallel_work = true;
    std::size_t seen = 0;
    for (;;) {
      spin_until([&] { return stopping_ || generation_ != seen; });
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      set_float_mode(mode_);
      take_parts(lock);
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  const std::function<void(std::size_t)>* job_ = nullptr;
  std::size_t parts_ = 0, next_ = 0;
  unsigned mode_ = 0;
  // Written under the mutex; atomic because they are also read without it.
  std::atomic<std::size_t> unfinished_{0}, generation_{0};
  std::atomic<bool> stopping_{false};
};

std::unique_ptr<Pool>& pool() {
  static std::unique_ptr<Pool> the_pool = std::make_unique<Pool>(physical_cores());
  return the_pool;
}

std::mutex& pool_mutex() {  // one caller at a time; a second one waits its turn
  static std::mutex mutex;
  return mutex;
}

// A process made by fork() has its parent's memory, but none of its threads. It goes on with a pool of
// one; its copy of the parent's, whose threads are not there to be joined, is forgotten.
[[maybe_unused]] const int at_fork =
    pthread_atfork([] { pool_mutex().lock(); }, [] { pool_mutex().unlock(); },
                   [] {
                     if (pool_made) {
                       static_cast<void>(pool().release());
                       pool() = std::make_unique<Pool>(1);
                     }
                     pool_mutex().unlock();
                   });

}  // namespace

int physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return int(std::max(1u, std::thread::hardware_concurrency()));
  }
  std::set<std::string> cores;  // hardware threads of one core list the same siblings
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::string siblings;
    std::ifstream(topology + "thread_siblings_list") >> siblings;
    cores.insert(siblings.empty() ? "cpu " + std::to_string(cpu) : siblings);
  }
  return std::max<int>(1, int(cores.size()));
}

void set_threads(int count) {
  require(count >= 1, "set_threads: need at least 1 thread, got ", count);
  std::lock_guard<std::mutex> lock(pool_mutex());
  if (std::size_t(count) != pool()->size()) pool() = std::make_unique<Pool>(count);
}

int threads() { return int(pool()->size()); }
std::size_t loops_shared() { return shared_out; }

std::size_t parallel_parts(std::size_t count, std::size_t grain) {
  const std::size_t most = count / std::max<std::size_t>(1, grain);
  return std::max<std::size_t>(1, std::min(most, pool()->size()));
}

void detail::share_out(std::size_t count, std::size_t grain, const Work& work) {
  if (count == 0) return;
  const std::size_t parts = parallel_parts(count, grain);
  const auto boundary = [&](std::size_t part) { return count * part / parts; };
  if (parts == 1 || inside_parallel_work) {
    for (std::size_t part = 0; part < parts; ++part) work(boundary(part), boundary(part + 1), part);
    return;
  }
  ++shared_out;
  std::vector<std::exception_ptr> errors(parts);
  const std::function<void(std::size_t)> job = [&](std::size_t part) {
    try {
      work(boundary(part), boundary(part + 1), part);
    } catch (...) {
      errors[part] = std::current_exception();
    }
  };
  {
    std::lock_guard<std::mutex> lock(pool_mutex());
    inside_parallel_work = true;
    pool()->run(parts, job);
    inside_parallel_work = false;
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

FlushDenormals::FlushDenormals() : before_(float_mode()) {
  set_float_mode(before_ | flush_to_zero | denormals_are_zero);
}
FlushDenormals::~FlushDenormals() { set_float_mode(before_); }

}  // namespace tapesort
