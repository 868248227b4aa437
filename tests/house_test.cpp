// Rules about the source itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

namespace fs = std::filesystem;

TEST_CASE("includes go down only: engine <- ops <- models <- apps") {
  const std::vector<std::string> floors{"engine", "ops", "models", "apps"};
  const std::regex include(R"re(^\s*#include "(\w+)/)re");
  int files = 0;
  for (std::size_t floor = 0; floor < floors.size(); ++floor) {
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(TAPESORT_SOURCE) / floors[floor])) {
      if (entry.path().extension() != ".hpp" && entry.path().extension() != ".cpp") continue;
      ++files;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        const auto target = std::find(floors.begin(), floors.end(), match[1].str());
        const bool down = target != floors.end() && std::size_t(target - floors.begin()) <= floor;
        CHECK_MESSAGE(down, entry.path().string() << " includes " << match.str());
      }
    }
  }
  CHECK(files > 20);
}
