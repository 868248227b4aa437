// Timing that compares: contenders take turns, so that whatever else the machine does meets all of
// them alike, and each is judged by its median.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

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

// The seconds of all turns of one contender, in their order.
struct Times {
  std::vector<double> turns;

  double median() const {
    std::vector<double> t = turns;
    std::nth_element(t.begin(), t.begin() + std::ptrdiff_t(t.size() / 2), t.end());
    return t[t.size() / 2];
  }
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

}  // namespace tapesort
