// A stopwatch for `tapesort bench`.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace tapesort {

struct Timing {
  double median, best;  // seconds
};

// Runs `work` for about half a second, at least five times, after one run that warms up caches and
// memory.
template <class Work>
Timing timed(const Work& work, double budget = 0.5) {
  using Clock = std::chrono::steady_clock;
  const auto run = [&work] {
    const Clock::time_point start = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  run();
  std::vector<double> seconds;
  double total = 0;
  while (seconds.size() < 5 || total < budget) {
    seconds.push_back(run());
    total += seconds.back();
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds.front()};
}

}  // namespace tapesort
