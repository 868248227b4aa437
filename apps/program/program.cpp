// All of CLI11 is compiled here, once.
#include "apps/program/program.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>

#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"

namespace tapesort {
namespace {

constexpr int failed = 1, misunderstood = 2;

int first_output_error = 0;

int complain(int status, const std::string& message) {
  std::string line = message;
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  std::fprintf(stderr, "tapesort: %s\n", line.c_str());
  return status;
}

// What is wrong with the command line, and whose --help tells more.
int explain(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App* command = &program;  // the innermost one that was named
  std::string name = "tapesort";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  const std::vector<std::string> rest = program.remaining(/*recurse=*/true);
  const bool unknown = command->get_require_subcommand_min() > 0 && !rest.empty();
  return complain(misunderstood,
                  (unknown ? name + " has no command " + rest.front() : std::string(error.what())) +
                      "; see " + name + " --help");
}

int status_of(CLI::App& program, int argc, const char* const* argv) {
  try {
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    // Help was asked for, or a command ended with a status of its own.
    const bool no_error = error.get_exit_code() == 0 || error.get_name() == "RuntimeError";
    return no_error ? program.exit(error) : explain(program, error);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {  // a vector that no memory could hold
  } catch (const std::exception& error) {
    return complain(failed, error.what());
  }
  return complain(failed, "out of memory; ask for less at once, for example a smaller batch");
}

template <class T> Check number_check(const char* kind, T least, T most) {
  const std::string range = to_message(least, " to ", most);
  return {[=](const std::string& text) {
            T value{};
            const char *const begin = text.data(), *const end = begin + text.size();
            const auto [stop, error] = std::from_chars(begin, end, value);
            const bool zeros = std::is_integral_v<T> && text.size() > 1 && text[0] == '0';
            const bool fits =  // a NaN does not
                error == std::errc() && stop == end && value >= least && value <= most;
            if (fits && !zeros) return std::string();
            return to_message("need a ", kind, " from ", range, ", got ",
                              text.empty() ? "''" : text);
          },
          "in [" + range + "]"};
}

}  // namespace

Check whole(std::uint64_t least, std::uint64_t most) {
  return number_check("whole number", least, most);
}
Check number(double least, double most) { return number_check("number", least, most); }

Check one_of(std::vector<std::string> names) {
  const std::string list = "{" + CLI::detail::join(names, ",") + "}";
  return {[names = std::move(names), list](const std::string& text) {
            const bool known = std::find(names.begin(), names.end(), text) != names.end();
            return known ? "" : text + " not in " + list;
          },
          list};
}

const Check any_seed = whole(0, std::numeric_limits<std::uint64_t>::max());
const Check a_count = whole(1, 1000000);
const Check rounds = whole(1, 100000000);
const Check temperature = number(1e-12, 1e12);
const Check learning_rate = number(0, 1e38);
const Check file_name{
    [](const std::string& text) {
      const bool fits = !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ';
      });
      return fits ? ""
                  : "need the name of a file or a folder, without line breaks, got '" + text + "'";
    },
    ""};

Option Option::required() const { return Option(option_->required()); }
Option Option::needs(const Option& other) const { return Option(option_->needs(other.option_)); }
Option Option::excludes(const Option& other) const {
  return Option(option_->excludes(other.option_));
}
Option Option::shows_default(const std::string& text) const {
  return Option(option_->default_str(text));
}
Option Option::separated_by_commas() const {
  return Option(option_->delimiter(',')->allow_extra_args(false));
}
Option Option::repeated() const {
  return Option(option_->take_all()->expected(1)->allow_extra_args(false));
}

Command::Command(CLI::App& app) : app_(&app), settings_(std::make_shared<Settings>()) {}

Command Command::command(const std::string& name, const std::string& help) {
  app_->require_subcommand(1);
  return *app_->add_subcommand(name, help);
}

template <class T>
Option Command::add(const std::string& flag, T& variable, const std::string& help,
                    const Check& check) const {
  if constexpr (std::is_same_v<T, bool>)
    return Option(app_->add_flag(flag, variable, help));
  else {
    CLI::Option* option = app_->add_option(flag, variable, help);
    if (check.fault) option->check(CLI::Validator(check.fault, check.kind));
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      option->capture_default_str();
      if (check.fault && !check.fault(option->get_default_str()).empty()) option->default_str("");
    }
    return Option(option);
  }
}

template <class T>
Option Command::setting(const std::string& flag, T& variable, const std::string& help,
                        const Check& check, const std::string& key) const {
  std::string name = flag.substr(flag.find_first_not_of('-'));
  std::replace(name.begin(), name.end(), '-', '_');
  settings_->emplace_back(key.empty() ? name : key,
                          [&variable] { return nlohmann::json(variable); });
  return add(flag, variable, help, check);
}

#define INSTANTIATE(T)                                                                          \
  template Option Command::add(const std::string&, T&, const std::string&, const Check&) const; \
  template Option Command::setting(const std::string&, T&, const std::string&, const Check&,    \
                                   const std::string&) const;
INSTANTIATE(bool)
INSTANTIATE(int)
INSTANTIATE(std::size_t)
INSTANTIATE(double)
INSTANTIATE(std::string)
INSTANTIATE(std::vector<std::size_t>)
INSTANTIATE(std::vector<double>)
INSTANTIATE(std::vector<std::string>)
#undef INSTANTIATE

nlohmann::json Command::settings() const {
  nlohmann::json all = nlohmann::json::object();
  if (!settings_) return all;
  for (const auto& [key, value] : *settings_) all[key] = value();
  return all;
}

void Command::run(std::function<void()> run) const { app_->callback(std::move(run)); }

Option Command::option(const std::string& flag) const { return Option(app_->get_option(flag)); }

std::string Command::given(const std::string& flag) const {
  const CLI::Option* option = app_->get_option_no_throw(flag);
  return option && option->count() > 0 ? option->results().back() : "";
}

Check Command::check_of(void (*add)(Command), const std::string& command, const std::string& flag) {
  CLI::App program;
  add(program);
  CLI::Option* option = program.get_subcommand(command)->get_option_no_throw(flag);
  if (option == nullptr) return {};
  const CLI::Validator* validator = option->get_validator();
  return {[copy = *validator](std::string text) { return copy(text); },
          validator->get_description()};
}

void not_understood(const std::string& message) {
  throw CLI::ParseError(message, CLI::ExitCodes::RequiredError);
}

void end_with(int status) { throw CLI::RuntimeError(status); }

void declare(CLI::App& program) {
  program.description("tapesort: reverse-mode automatic differentiation around sorting");
  program.name("tapesort");
  program.set_version_flag("--version", TAPESORT_VERSION);
  const Check count = whole(1, 1024);
  program
      .add_option_function<int>(
          "--threads", [](int threads) { set_threads(threads); },
          "threads that work (default: the physical cores)")
      ->check(CLI::Validator(count.fault, count.kind));
  program.fallthrough();  // --threads may stand after the sub-command
  for (const auto add :
       {add_bench, add_embed, add_estimators, add_gradcheck, add_grid, add_info, add_knn,
        add_median, add_plackett_luce, add_rank, add_relax, add_score, add_sort, add_table}) {
    add(program);
  }
}

int run_program(CLI::App& program, int argc, const char* const* argv) {
  const int status = status_of(program, argc, argv);
  try {
    check_output();
  } catch (const std::exception& error) {
    complain(failed, error.what());
    return status == 0 ? failed : status;
  }
  return status;
}

int run_program(int argc, const char* const* argv) {
  CLI::App program;
  declare(program);
  return run_program(program, argc, argv);
}

std::string read_text(const std::string& file) {
  errno = 0;
  std::ifstream opened;
  if (file != "-") opened.open(file, std::ios::binary);
  std::istream& in = file == "-" ? std::cin : opened;
  std::string text;
  try {
    if (in) text.assign(std::istreambuf_iterator<char>(in), {});
  } catch (const std::ios_base::failure&) {  // a folder can be opened, but not read
    in.setstate(std::ios::badbit);
  }
  if (!in || std::ferror(stdin)) {
    fault("cannot read ", source_name(file), ": ", std::strerror(errno));
  }
  const std::string mark = "\xEF\xBB\xBF";  // "this is UTF-8", which spreadsheets write first
  return text.rfind(mark, 0) == 0 ? text.substr(mark.size()) : text;
}

std::string source_name(const std::string& file) { return file == "-" ? "standard input" : file; }

void flush_output() {  // std::cout has no buffer of its own
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout);
  if (lost && first_output_error == 0) first_output_error = errno;
}

void check_output() {
  flush_output();
  if (first_output_error == 0) return;
  fault("standard output: ", std::strerror(std::exchange(first_output_error, 0)));
}

}  // namespace tapesort
