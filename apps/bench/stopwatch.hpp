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

// Every contender is called with the number of the turn and returns the seconds it wants counted.
// Turns are taken until `budget` seconds are over, but at least `fewest`; a first one is not
// counted. Returns each one's median.
using Contender = std::function<double(int turn)>;

inline std::vector<double> take_turns(const std::vector<Contender>& contenders, double budget,
                                      int fewest = 3) {
  std::vector<std::vector<double>> times(contenders.size());
  const double start = seconds();
  for (int turn = 0; turn <= fewest || seconds() - start < budget; ++turn) {
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      const double time = contenders[c](turn);
      if (turn > 0) times[c].push_back(time);
    }
  }
  std::vector<double> medians;
  for (std::vector<double>& t : times) {
    std::nth_element(t.begin(), t.begin() + std::ptrdiff_t(t.size() / 2), t.end());
    medians.push_back(t[t.size() / 2]);
  }
  return medians;
}

}  // namespace tapesort
