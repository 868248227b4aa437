// Rules about the source itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path source = TAPESORT_SOURCE;

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  REQUIRE_MESSAGE(in.good(), file.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The project's headers that a file includes, as "engine/tape.hpp".
std::vector<std::string> includes_of(const fs::path& file) {
  static const std::regex include(R"re(^\s*#include "(\w+/[^"]*)")re");
  std::vector<std::string> headers;
  std::smatch match;
  for (const std::string& line : lines_of(file)) {
    if (std::regex_search(line, match, include)) headers.push_back(match[1]);
  }
  return headers;
}

// The C++ files of a floor.
std::vector<fs::path> files_of(const std::string& floor) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(source / floor)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".hpp" || extension == ".cpp") files.push_back(entry.path());
  }
  return files;
}

const std::vector<std::string> floors{"engine", "ops", "models", "gradcheck", "replay", "apps"};

}  // namespace

TEST_CASE("includes go down only: engine <- ops <- models <- gradcheck <- apps, engine <- replay") {
  for (std::size_t floor = 0; floor < floors.size(); ++floor) {
    const auto files = files_of(floors[floor]);
    CHECK(files.size() > 5);
    for (const fs::path& file : files) {
      for (const std::string& header : includes_of(file)) {
        const std::string room = header.substr(0, header.find('/'));
        const auto target = std::find(floors.begin(), floors.end(), room);
        const bool beside = floors[floor] == "replay" && room != "replay" && room != "engine";
        const bool down =
            target != floors.end() && std::size_t(target - floors.begin()) <= floor && !beside;
        CHECK_MESSAGE(down, file.string() << " includes " << header);
      }
    }
  }
}

TEST_CASE("what is installed is what tapesort.hpp includes, and headers for tests and MPI") {
  std::set<std::string> installed, included;
  const auto visit = [&](const auto& self, const std::string& file) -> void {
    if (!included.insert(file).second) return;
    for (const std::string& header : includes_of(source / file)) self(self, header);
  };
  for (const char* file : {"tapesort.hpp", "gradcheck/catch2.hpp", "gradcheck/doctest.hpp",
                           "gradcheck/googletest.hpp", "models/mpi.hpp"}) {
    visit(visit, file);
  }
  static const std::regex name(R"re(^    '([\w/]+\.hpp)',)re");
  std::smatch match;
  for (const std::string& line : lines_of(source / "meson.build")) {
    if (std::regex_search(line, match, name)) installed.insert(match[1]);
  }
  CHECK(installed.size() > 40);
  for (const std::string& file : included) CHECK_MESSAGE(installed.count(file) == 1, file);
  for (const std::string& file : installed) CHECK_MESSAGE(included.count(file) == 1, file);
}

// A row: | `ops/a.hpp`, `ops/b.hpp` | `name name ..` and more .. |
TEST_CASE("the README's table of operators is what the headers declare") {
  static const std::regex row(R"re(^\| (`ops/[^|]*) \| (.*) \|$)re"), quoted(R"re(`([^`]+)`)re"),
      word(R"re([a-z]\w+)re"),
      declared(R"re(^(?:template <class T> )?(?:Var|FirstOrder)<T> (\w+)\()re");
  std::set<std::string> named,
      all;  // all: that headers declare, but for + - * / and conv2d's reference
  std::size_t rows = 0;
  for (const std::string& line : lines_of(source / "README.md")) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    ++rows;
    const std::string files = match[1], names = match[2];
    std::string text;
    for (std::sregex_iterator it(files.begin(), files.end(), quoted), end; it != end; ++it) {
      const fs::path path = source / std::string((*it)[1]);
      std::vector<std::string> headers;
      if (fs::is_directory(path)) {
        for (const auto& entry : fs::directory_iterator(path)) headers.push_back(entry.path());
      } else {
        headers = includes_of(path);  // an umbrella stands for what it includes
        headers.push_back((*it)[1]);
      }
      for (const std::string& header : headers) {
        if (fs::path(header).extension() != ".hpp") continue;
        for (const std::string& one : lines_of(source / header)) {
          if (one == "namespace detail {") break;
          text += one + "\n";
          std::smatch match;
          const bool operators = header.rfind("ops/", 0) == 0 && header != "ops/arithmetic.hpp" &&
                                 header != "ops/conv/conv.hpp";
          if (operators && std::regex_search(one, match, declared)) all.insert(match[1]);
        }
      }
    }
    for (std::sregex_iterator it(names.begin(), names.end(), quoted), end; it != end; ++it) {
      const std::string list = (*it)[1];
      if (list.find_first_of("[]()/.") != std::string::npos) continue;  // a formula, a page
      for (std::sregex_iterator name(list.begin(), list.end(), word); name != end; ++name) {
        named.insert(name->str());
        CHECK_MESSAGE(text.find(name->str()) != std::string::npos,
                      files << " has no " << name->str());
      }
    }
  }
  CHECK(rows >= 9);
  for (const std::string& name : all) CHECK_MESSAGE(named.count(name) == 1, name);
}

// Whoever makes a floor smaller lowers its limit.
TEST_CASE("each floor stays small") {
  const std::size_t most[] = {2668, 11379, 2126, 1877, 840, 10908};
  for (std::size_t floor = 0; floor < floors.size(); ++floor) {
    std::size_t lines = 0;
    for (const fs::path& file : files_of(floors[floor])) {
      const bool course = file.string().find("/apps/course/") != std::string::npos;  // no program's
      if (!course) lines += lines_of(file).size();
    }
    std::printf("%-9s %5zu lines of at most %zu\n", floors[floor].c_str(), lines, most[floor]);
    CHECK_MESSAGE(lines <= most[floor], floors[floor]);
  }
}

// .ci/check threads runs the cases of thread_tests whose name has the word.
TEST_CASE("races are looked for in every case that is named so, but for properties") {
  std::set<std::string> tried;
  bool among = false;
  static const std::regex file(R"re(^\s*'(\w+\.cpp)',)re");
  std::smatch match;
  for (const std::string& line : lines_of(source / "tests/meson.build")) {
    if (line.rfind("thread_sources = ", 0) == 0) among = true;
    if (line == ")") among = false;
    if (among && std::regex_search(line, match, file)) tried.insert(match[1]);
  }
  static const std::regex named(R"re(^TEST_CASE\("(?!property).*thread)re");
  std::set<std::string> said{"main.cpp"};
  for (const fs::path& test : files_of("tests")) {
    for (const std::string& line : lines_of(test)) {
      if (std::regex_search(line, named)) said.insert(test.filename().string());
    }
  }
  CHECK(tried == said);
}

// Steps 1 to 3 of the README's reading order, with every header that they include.
TEST_CASE("the reading path for reverse mode is short") {
  std::set<std::string> path;
  const auto visit = [&](const auto& self, const std::string& file) -> void {
    if (!path.insert(file).second) return;
    for (const std::string& header : includes_of(source / file)) self(self, header);
  };
  static const std::regex step(R"re(^[123]\. )re"), name(R"re(`(\w+/[\w/]+\.[ch]pp)`)re");
  bool reading = false;
  int steps = 0;
  for (const std::string& line : lines_of(source / "README.md")) {
    if (line.rfind("## ", 0) == 0) reading = line.rfind("## Reading order", 0) == 0;
    if (!reading || !std::regex_search(line, step)) continue;
    ++steps;
    for (std::sregex_iterator it(line.begin(), line.end(), name), end; it != end; ++it) {
      visit(visit, (*it)[1]);
    }
  }
  REQUIRE(steps == 3);
  std::size_t lines = 0;
  for (const std::string& file : path) {
    const std::size_t count = lines_of(source / file).size();
    std::printf("  %4zu %s\n", count, file.c_str());
    lines += count;
  }
  std::printf("reading path: %zu lines of at most 800\n", lines);
  CHECK(path.count("engine/tape.hpp") == 1);
  CHECK(lines <= 800);
}
