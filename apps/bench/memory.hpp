// The memory of this process.
#pragma once

#include <fstream>
#include <string>

namespace tapesort {

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
