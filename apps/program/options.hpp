// The options of a command. Each is declared once, with its variable, its help and its check; a
// setting, which decides the outcome of a run, is remembered as well: results and checkpoints tell
// all of a command's settings. CLI11 does the parsing. It takes seconds to compile, so it is named
// here and included by program.cpp alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tapesort {

// What a value must be: fault(text) is empty, or says what is wrong. Every option that takes a number
// has a check of the whole text: left to itself, CLI11 reads "" as 0, 010 as 8, -1 as 2^64 - 1 and
// 2^64 as that as well.
struct Check {
  std::function<std::string(const std::string& text)> fault;
  std::string kind;  // for --help
};
// From least to most. The digits of whole numbers are decimal, and their first one is no 0, so that
// equal numbers are equal texts.
Check whole(std::uint64_t least, std::uint64_t most);
Check number(double least, double most);
Check one_of(std::vector<std::string> names);
// The names of a table's entries.
template <class Entries> std::vector<std::string> names_of(const Entries& entries) {
  std::vector<std::string> names;
  for (const auto& entry : entries) names.push_back(entry.name);
  return names;
}

extern const Check any_seed;
// How many steps, images, sets, ..: products of three of them fit into 64 bits, and memory says the
// rest.
extern const Check a_count;
// How many rounds of something that takes time, not memory.
extern const Check rounds;
// Trainings compute in float, whose largest number is 3e38. With these temperatures neither 1 / tau
// nor what it multiplies overflows.
extern const Check temperature;
extern const Check learning_rate;
// Of a file or a folder: an empty name is a slip, and one of several lines breaks messages and
// gnuplot's commands.
extern const Check file_name;

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  Option required() const;
  Option needs(const Option& other) const;
  Option excludes(const Option& other) const;
  Option shows_default(const std::string& text) const;  // in --help
  Option separated_by_commas() const;                   // one word is a list
  Option repeated() const;                              // each time with one more value

 private:
  CLI::Option* option_;
};

// A handle: copies are the same command. One made of nothing has no settings.
class Command {
 public:
  Command(CLI::App& app);
  Command() = default;

  // A sub-command, one of which must then be named.
  Command command(const std::string& name, const std::string& help);

  // The variable is a string, a number, a list of either, or, for a flag, a bool. It must outlive the
  // parsing. Its value is shown as the default, unless the check would refuse it: then it stands for
  // one that is found out later.
  template <class T>
  Option add(const std::string& flag, T& variable, const std::string& help,
             const Check& check = {}) const;
  // The same for a setting. Its key is the flag's name, as in epoch_steps, unless another is given.
  template <class T>
  Option setting(const std::string& flag, T& variable, const std::string& help,
                 const Check& check = {}, const std::string& key = "") const;
  // The values that the settings have now: an object.
  nlohmann::json settings() const;

  // What the command does. Its status is 0, unless it throws or calls end_with.
  void run(std::function<void()> run) const;

  // One that was declared before.
  Option option(const std::string& flag) const;
  // The text that was given for an option, the last one of several; empty: none, or no such option.
  std::string given(const std::string& flag) const;
  // The check of an option of the command that this adds; an empty one if it has no such option.
  static Check check_of(void (*add)(Command), const std::string& command, const std::string& flag);

 private:
  using Settings = std::vector<std::pair<std::string, std::function<nlohmann::json()>>>;

  CLI::App* app_ = nullptr;
  std::shared_ptr<Settings> settings_;
};

// Ends a command whose options do not go together, as one whose options are not understood.
[[noreturn]] void not_understood(const std::string& message);
// Ends a command with that status, by an exception.
[[noreturn]] void end_with(int status);

}  // namespace tapesort
