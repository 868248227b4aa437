// Timing that compares: contenders take turns, so that whatever else the machine does meets all of
// them alike, and each is judged by its median. And the memory of this process.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "engine/array.hpp"

namespace tapesort {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// How long work() takes.
template <class Work> double seconds_of(const Work& work) {
  const double start = seconds();
  work();
  return seconds() - start;
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The seconds of all turns of one contender, in their order.
struct Times {
  std::vector<double> turns;

  double median() const { return tapesort::median(turns); }
  double best() const { return *std::min_element(turns.begin(), turns.end()); }
};

// Every contender is called with the number of the turn and returns the seconds it wants counted.
// After `warm_up` turns that are not counted, turns are taken until `budget` seconds are over, but
// at least `fewest`.
using Contender = std::function<double(int turn)>;

inline std::vector<Times> take_turns(const std::vector<Contender>& contenders, double budget,
                                     int fewest = 3, int warm_up = 1) {
  std::vector<Times> times(contenders.size());
  const double start = seconds();
  for (int turn = 0; turn < warm_up + fewest || seconds() - start < budget; ++turn) {
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      const double time = contenders[c](turn);
      if (turn >= warm_up) times[c].turns.push_back(time);
    }
  }
  return times;
}

// 1,000 scalar operations on a tape of their own, y <- y b + a five hundred times, and their gradient.
// The last y.
float scalar_step();

// How long std::sort, the measure of the sorting operators, takes to find the order of each set of
// scores (..., n), largest first.
template <class T> double seconds_of_std_sort(const Array<T>& scores) {
  const std::size_t n = scores.shape().back();
  std::vector<std::uint32_t> order(n);
  return seconds_of([&] {
    for (std::size_t first = 0; first < scores.size(); first += n) {
      const T* s = scores.data() + first;
      std::iota(order.begin(), order.end(), 0u);
      std::sort(order.begin(), order.end(),
                [s](std::uint32_t a, std::uint32_t b) { return s[a] > s[b]; });
    }
  });
}

// A field of /proc/self/status in bytes: "VmRSS:", what is in memory now; "VmHWM:", the most that
// ever was. (getrusage counts in the program that started this one.) 0 where there is no such file.
inline double status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field, 0) == 0) return std::stod(line.substr(field.size())) * 1024;
  }
  return 0;
}

}  // namespace tapesort
