#include "engine/profile.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace tapesort {

double Profile::lap() {
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - mark_).count();
  mark_ = now;
  return seconds;
}

void Profile::forward(const char* op, std::size_t bytes) {
  Row& row = operators_[op];
  ++row.calls;
  row.bytes += bytes;
  row.forward += lap();
}

void Profile::backward(const char* op) { operators_[op].backward += lap(); }

void Profile::other(const char* what) { others_[what] += lap(); }

void Profile::holds(std::size_t values, std::size_t cotangents) {
  most_values_ = std::max(most_values_, values);
  most_cotangents_ = std::max(most_cotangents_, cotangents);
}

std::string Profile::text() const {
  struct Line {
    std::string name;
    Row row;
    double seconds;
  };
  std::vector<Line> lines;
  double in_operators = 0, outside = 0;
  for (const auto& [name, row] : operators_) {
    lines.push_back({name, row, row.forward + row.backward});
    in_operators += row.forward + row.backward;
  }
  for (const auto& [name, seconds] : others_) {
    if (name == "before") continue;
    lines.push_back({"(" + name + ")", {}, seconds});
    outside += seconds;
  }
  std::sort(lines.begin(), lines.end(),
            [](const Line& a, const Line& b) { return a.seconds > b.seconds; });
  const double all = std::max(in_operators + outside, 1e-12);
  char line[160];
  std::snprintf(line, sizeof line, "%-24s %9s %12s %12s %10s %7s\n", "operator", "calls",
                "forward s", "backward s", "MB", "share");
  std::string text = line;
  for (const Line& l : lines) {
    std::snprintf(line, sizeof line, "%-24s %9zu %12.4f %12.4f %10.1f %6.1f%%\n", l.name.c_str(),
                  l.row.calls, l.row.calls ? l.row.forward : l.seconds, l.row.backward,
                  double(l.row.bytes) / 1e6, 100 * l.seconds / all);
    text += line;
  }
  std::snprintf(line, sizeof line, "not inside any operator: %.1f %% of %.3f s\n",
                100 * outside / all, all);
  text += line;
  std::snprintf(line, sizeof line,
                "held by a tape at most: %.1f MB of values, %.1f MB of cotangents\n",
                double(most_values_) / 1e6, double(most_cotangents_) / 1e6);
  return text + line;
}

}  // namespace tapesort
