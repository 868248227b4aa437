// tapesort table: a table of the paper, methods x columns x seeds, beside the paper's figures.
//
// Every cell is a run of one of the other commands in a process and a folder of its own, and its
// result.json there says that it is done. So cells can be run by anything: by this command one
// after the other, or by what runs its --commands (tables.md). Nothing is done twice.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "apps/data/nested_numbers.hpp"
#include "apps/option_checks.hpp"
#include "apps/paper_tables.hpp"
#include "apps/report/plot.hpp"
#include "apps/report/result_row.hpp"
#include "apps/run_folder.hpp"
#include "apps/stop_signals.hpp"
#include "engine/check.hpp"
#include "models/replace_file.hpp"
#include "models/strict_json.hpp"

extern char** environ;

namespace tapesort {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

// A number of a result row and how it is printed.
struct Figure {
  const char *key, *name;
  double scale;
  int decimals;
};

struct Table {
  const char *task, *title;
  const char* option;  // what the columns are values of
  Words columns, methods;
  std::vector<Figure> figures;  // the first one is drawn
  void (*add)(CLI::App&);       // the command that a cell is
};

const std::vector<Table>& tables() {
  static const std::vector<Table> all = {
      {"sort",
       "Sorting: permutations (elements) right",
       "--n",
       {"3", "5", "7", "9", "15"},
       {"row_stochastic", "sinkhorn", "gumbel_sinkhorn", "neural_sort", "neural_sort_stochastic"},
       {{"permutation_accuracy", "permutations", 1, 3}, {"element_accuracy", "elements", 1, 3}},
       add_sort},
      {"median",
       "Median: mean squared error x 1e-4 (squared correlation)",
       "--n",
       {"5", "9", "15"},
       {"constant", "vanilla", "sinkhorn", "gumbel_sinkhorn", "neural_sort",
        "neural_sort_stochastic"},
       {{"mean_squared_error", "mean squared error x 1e-4", 1e-4, 2},
        {"squared_correlation", "R2", 1, 2}},
       add_median},
      {"knn",
       "k nearest neighbours: test accuracy",
       "--data",
       {"digits", "fashion"},
       {"pixels", "pca", "autoencoder", "neural_sort", "neural_sort_stochastic", "classifier"},
       {{"test_accuracy", "test accuracy", 1, 4}},
       add_knn},
  };
  return all;
}

struct Options {
  Words columns, methods, arguments;
  std::vector<std::uint64_t> seeds{1, 2, 3};
  std::string out, program = "/proc/self/exe";
  bool commands = false, report = false;
};

struct Cell {
  std::string method, column;
  std::uint64_t seed;
  fs::path folder;

  fs::path result() const { return folder / result_name; }
  bool done() const { return fs::exists(result()); }
};

std::string shell_quoted(const std::string& word) {
  const char* const plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

json read_json(const fs::path& file) {
  constexpr int deepest = 16;
  return parse_strict_json(file.string(), read_text(file.string()), deepest);
}

class Grid {
 public:
  Grid(const Table& table, const Options& options)
      : table_(table), options_(options), folder_(fs::absolute(options.out).lexically_normal()) {
    for (const std::string& method : options.methods) {
      for (const std::string& column : options.columns) {
        for (const std::uint64_t seed : options.seeds) {
          std::string name = to_message(method, "-", column, "-seed", seed);
          std::replace(name.begin(), name.end(), '/', '_');
          cells_.push_back({method, column, seed, folder_ / name});
        }
      }
    }
  }

  const fs::path& folder() const { return folder_; }
  const std::vector<Cell>& cells() const { return cells_; }

  // Cells of one folder must have been run alike. std::runtime_error when they would not be; but
  // where nothing has been computed, and no commands printed that may be waiting somewhere, there is
  // nothing to go on with.
  void claim_folder() const {
    const fs::path file = folder_ / "grid.json";
    json now{{"task", table_.task}, {"arguments", options_.arguments}};
    bool printed = options_.commands;
    if (fs::exists(file)) {
      json then = read_json(file);
      const bool printed_then = then.is_object() && then.value("printed", json()) == true;
      if (then.is_object()) then.erase("printed");
      if (then != now && (printed_then || begun())) {
        throw std::runtime_error(
            to_message(file.string(), ": this table was begun as ", shown(then), ", now it is ",
                       shown(now), "; go on with the same arguments, or elsewhere",
                       begun() ? "" : ", or remove that file if its commands will not be run"));
      }
      printed = printed || printed_then;
    }
    now["printed"] = printed;
    replace_file_content(file.string(), {now.dump(2), "\n"});
  }

  Words command(const Cell& cell) const {
    Words words{fs::canonical(options_.program).string(),
                table_.task,
                "--method",
                cell.method,
                table_.option,
                cell.column,
                "--seed",
                std::to_string(cell.seed),
                "--out",
                cell.folder.string(),
                "--resume"};
    words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
    return words;
  }

  // What a cell's run left, checked to be of this cell.
  json row(const Cell& cell) const {
    const json row = read_json(cell.result());
    const json settings = row.is_object() ? row.value("settings", json()) : json();
    const auto is = [](const json& object, const char* key, const std::string& expected) {
      if (!object.is_object() || !object.contains(key)) return false;
      const json& value = object[key];
      return (value.is_string() ? value.get<std::string>() : value.dump()) == expected;
    };
    if (!is(row, "task", table_.task) || !is(row, "seed", std::to_string(cell.seed)) ||
        !is(settings, "method", cell.method) || !is(settings, table_.option + 2, cell.column)) {
      throw std::runtime_error(to_message(cell.result().string(), ": is not the result of ",
                                          table_.task, " by ", cell.method, " with ", table_.option,
                                          " ", cell.column, " --seed ", cell.seed,
                                          "; move it away to run the cell again"));
    }
    return row;
  }

 private:
  // Whether a cell, be it of another grid, has left a result or a checkpoint.
  bool begun() const {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      for (const char* file : {result_name, checkpoint_name}) {
        if (fs::exists(entry.path() / file)) return true;
      }
    }
    return false;
  }

  const Table& table_;
  const Options& options_;
  fs::path folder_;
  std::vector<Cell> cells_;
};

// The cell that is running, or 0, and the signal that came meanwhile, or 0.
std::atomic<pid_t> running_cell{0};
std::atomic<int> stop_signal{0};

// Passes a signal on to the cell. Queued, which tells it from one that the terminal sent to both.
void pass_on(int signal, siginfo_t*, void*) {
  stop_signal = signal;
  const pid_t cell = running_cell;
  if (cell > 0) sigqueue(cell, signal, {});
}

// Runs one command to its end; its output goes to a file, its progress to our standard error. What
// asks us to stop meanwhile is passed on. The exit status, as a shell has it.
int run(const Words& words, const std::string& output) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0666);
  stop_signal = 0;
  const StopSignals stops(pass_on);
  pid_t cell = 0;
  const int error = posix_spawn(&cell, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::runtime_error(to_message("table: cannot run ", words[0], " with its output in ",
                                        output, ": ", std::strerror(error)));
  }
  running_cell = cell;
  if (stop_signal != 0) pass_on(stop_signal, nullptr, nullptr);  // it came before it could be
  // Its number is not given to another process before it has been waited for.
  siginfo_t ended;
  while (waitid(P_PID, id_t(cell), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  running_cell = 0;
  int status = 0;
  if (waitpid(cell, &status, 0) != cell) {
    throw std::runtime_error(to_message("table: ", words[0], ": ", std::strerror(errno)));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : status_of_signal(WTERMSIG(status));
}

// The signal by which a cell was stopped that goes on from there when it is run again, or 0.
int signal_of_status(int code) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
    if (code == status_of_signal(signal)) return signal;
  }
  return 0;
}

// Mean and standard deviation over seeds of one number.
struct Summary {
  double mean = std::nan(""), deviation = 0;
  std::size_t count = 0;

  explicit Summary(const std::vector<double>& values) : count(values.size()) {
    if (values.empty()) return;
    mean = 0;
    for (double v : values) mean += v / double(count);
    for (double v : values) deviation += (v - mean) * (v - mean);
    deviation = count > 1 ? std::sqrt(deviation / double(count - 1)) : 0;
  }
};

// So many decimals, or two digits of what would be shown as nothing.
std::string fixed(double value, int decimals) {
  char text[64];
  const bool nothing = value != 0 && std::abs(value) < 0.5 * std::pow(10.0, -decimals);
  if (nothing) {
    std::snprintf(text, sizeof text, "%.2g", value);
  } else {
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
  }
  return text;
}

class Report {
 public:
  Report(const Table& table, const Options& options, const Grid& grid)
      : table_(table), options_(options) {
    for (const Cell& cell : grid.cells()) {
      if (cell.done()) rows_.push_back({cell, grid.row(cell)});
    }
  }

  std::string markdown() const {
    std::string text = to_message("# ", table_.title,
                                  "\n\nOurs: the mean over seeds +- their "
                                  "standard deviation [how many, unless one]. Paper: Grover et "
                                  "al. 2019.\n\n| method | |");
    std::string rule = "|---|---|";
    for (const std::string& column : options_.columns) {
      text += to_message(" ", table_.option + 2, " = ", column, " |");
      rule += "---|";
    }
    text += "\n" + rule + "\n";
    for (const std::string& method : options_.methods) {
      std::string ours, paper;
      for (const std::string& column : options_.columns) {
        ours += " " + ours_text(method, column) + " |";
        paper += " " + paper_text(method, column) + " |";
      }
      text += "| " + method + " | ours |" + ours + "\n| | paper |" + paper + "\n";
    }
    return text;
  }

  json summary() const {
    json cells = json::array(), summary = json::array();
    for (const auto& [cell, row] : rows_) cells.push_back(row);
    for (const std::string& method : options_.methods) {
      for (const std::string& column : options_.columns) {
        json entry{{"method", method}, {"column", column}};
        const auto paper = paper_figures(table_.task, method, column);
        for (std::size_t f = 0; f < table_.figures.size(); ++f) {
          const Figure& figure = table_.figures[f];
          const Summary ours = over_seeds(method, column, figure);
          entry[figure.key] = {{"mean", ours.mean},
                               {"standard_deviation", ours.deviation},
                               {"seeds", ours.count}};  // it may be undefined for some
          if (paper) entry[figure.key]["paper"] = f == 0 ? paper->first : paper->second;
        }
        summary.push_back(entry);
      }
    }
    return {
        {"task", table_.task}, {"option", table_.option}, {"summary", summary}, {"cells", cells}};
  }

  void draw_bars(const std::string& file) const {
    BarPlot plot;
    plot.title = table_.title;
    plot.y_label = table_.figures[0].name;
    for (const std::string& column : options_.columns) {
      plot.groups.push_back(to_message(table_.option + 2, " = ", column));
    }
    for (const std::string& method : options_.methods) {
      Series ours{method, {}, {}, {}}, paper{method + ", paper", {}, {}, {}};
      bool in_paper = false;
      for (const std::string& column : options_.columns) {
        const Summary summary = over_seeds(method, column, table_.figures[0]);
        ours.y.push_back(summary.mean);
        ours.error.push_back(summary.deviation);
        const auto figures = paper_figures(table_.task, method, column);
        paper.y.push_back(figures ? figures->first : std::nan(""));
        paper.error.push_back(0);
        in_paper = in_paper || figures;
      }
      plot.series.push_back(ours);
      if (in_paper) plot.series.push_back(paper);
    }
    draw(plot, file);
  }

  std::size_t done() const { return rows_.size(); }

 private:
  Summary over_seeds(const std::string& method, const std::string& column,
                     const Figure& figure) const {
    std::vector<double> values;
    for (const auto& [cell, row] : rows_) {
      if (cell.method != method || cell.column != column) continue;
      if (!row.contains(figure.key) || !row[figure.key].is_number()) continue;  // NaN is null
      values.push_back(row[figure.key].get<double>() * figure.scale);
    }
    return Summary(values);
  }

  std::string ours_text(const std::string& method, const std::string& column) const {
    std::string text;
    std::size_t seeds = 0;  // of the first figure; another one may be undefined for some of them
    for (std::size_t f = 0; f < table_.figures.size(); ++f) {
      const Figure& figure = table_.figures[f];
      const Summary ours = over_seeds(method, column, figure);
      if (ours.count == 0 && f == 0) return "-";
      if (f == 0) seeds = ours.count;
      std::string part = ours.count == 0 ? "-" : fixed(ours.mean, figure.decimals);
      if (ours.count > 1) part += " +- " + fixed(ours.deviation, figure.decimals);
      const bool says_count = f == 0 ? seeds > 1 : ours.count > 0 && ours.count != seeds;
      if (says_count) part += " [" + std::to_string(ours.count) + "]";
      text += f == 0 ? part : " (" + part + ")";
    }
    return text;
  }

  std::string paper_text(const std::string& method, const std::string& column) const {
    const auto paper = paper_figures(table_.task, method, column);
    if (!paper) return "-";
    std::string text = fixed(paper->first, table_.figures[0].decimals);
    if (table_.figures.size() > 1) {
      text += " (" + fixed(paper->second, table_.figures[1].decimals) + ")";
    }
    return text;
  }

  const Table& table_;
  const Options& options_;
  std::vector<std::pair<Cell, json>> rows_;
};

template <class T> void require_distinct(const char* option, const std::vector<T>& values) {
  for (auto at = values.begin(); at != values.end(); ++at) {
    require(std::find(values.begin(), at, *at) == at, "table: ", option, " names ", *at, " twice");
  }
}

int run_table(const Table& table, Options o) {
  if (o.columns.empty()) o.columns = table.columns;
  if (o.methods.empty()) o.methods = table.methods;
  require_distinct("--methods", o.methods);
  require_distinct(table.option, o.columns);
  require_distinct("--seeds", o.seeds);
  if (!o.arguments.empty()) {
    require(o.arguments[0].rfind("-", 0) == 0, "table: \"", o.arguments[0],
            "\" is no option of a cell; lists are written as a,b without blanks");
  }
  const Grid grid(table, o);
  if (o.report) {
    require(fs::is_directory(grid.folder()), "table: there is no folder ", grid.folder().string(),
            " to report on");
  } else {
    fs::create_directories(grid.folder());
    grid.claim_folder();
  }
  std::size_t failed = 0, position = 0;
  for (const Cell& cell : grid.cells()) {
    ++position;
    if (cell.done() || o.report) continue;
    const Words words = grid.command(cell);
    if (o.commands) {
      std::string line;
      for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_quoted(word);
      std::printf("%s\n", line.c_str());
      continue;
    }
    std::fprintf(stderr, "table: cell %zu of %zu: %s, %s = %s, seed %llu\n", position,
                 grid.cells().size(), cell.method.c_str(), table.option + 2, cell.column.c_str(),
                 static_cast<unsigned long long>(cell.seed));
    fs::create_directories(cell.folder);
    const int code = run(words, (cell.folder / "output.txt").string());
    const int signal = stop_signal != 0 ? stop_signal.load() : signal_of_status(code);
    if (signal != 0) {
      std::fprintf(stderr, "table: stopped by %s; the same command goes on from there\n",
                   signal_name(signal).c_str());
      return status_of_signal(signal);
    }
    if (code == 0 && cell.done()) continue;
    ++failed;
    std::fprintf(stderr, "table: that cell failed with status %d; its error is above\n", code);
  }
  if (o.commands) return 0;

  const Report report(table, o, grid);
  const std::string markdown = report.markdown();
  std::printf("%s", markdown.c_str());
  std::fprintf(stderr, "table: %zu of %zu cells are done; table.md, table.json, table.png: %s\n",
               report.done(), grid.cells().size(), grid.folder().c_str());
  replace_file_content((grid.folder() / "table.md").string(), {markdown});
  write_result((grid.folder() / "table.json").string(), report.summary());
  report.draw_bars((grid.folder() / "table.png").string());
  return failed == 0 ? 0 : 1;
}

}  // namespace

void add_table(CLI::App& program) {
  CLI::App* command = program.add_subcommand(
      "table", "run, or continue, a table of the paper and print ours beside it");
  command->require_subcommand(1);
  for (const Table& table : tables()) {
    CLI::App* one = command->add_subcommand(
        table.task, to_message(table.title, "; methods x ", table.option + 2, " x seeds"));
    const auto o = std::make_shared<Options>();
    CLI::App program_of_cell;
    table.add(program_of_cell);
    // Refuses what a cell's own option of that name would.
    const auto as_in_cell = [&](CLI::Option* option, const std::string& name) {
      option->check(*program_of_cell.get_subcommand(table.task)->get_option(name)->get_validator());
    };
    one->add_option("--out", o->out, "folder of the table: what is there is not done again")
        ->check(file_name)
        ->required();
    // Lists with commas, as a list of words would swallow the -- that may follow.
    const auto list = [](CLI::Option* option) { option->delimiter(',')->allow_extra_args(false); };
    CLI::Option* methods =
        one->add_option("--methods", o->methods, "rows, as a,b (default: the paper's)");
    list(methods);
    as_in_cell(methods, "--method");
    CLI::Option* columns =
        one->add_option(table.option, o->columns, "columns, as a,b (default: the paper's)");
    list(columns);
    as_in_cell(columns, table.option);
    list(one->add_option("--seeds", o->seeds, "runs of each cell")
             ->check(any_seed)
             ->default_str("1,2,3"));
    one->add_option("--program", o->program, "what runs a cell (default: this program)")
        ->check(file_name);
    CLI::Option* commands = one->add_flag(
        "--commands", o->commands, "only print the commands of the missing cells, one a line");
    one->add_flag("--report", o->report, "run nothing; print what is there")->excludes(commands);
    one->add_option("arguments", o->arguments,
                    "after --: arguments for each cell, as -- --minutes 45 --digits 4");
    const CLI::Option* threads = program.get_option_no_throw("--threads");
    one->callback([o, &table, threads] {
      if (threads && threads->count() > 0) {  // it is the cells that work
        o->arguments.insert(o->arguments.begin(), {"--threads", threads->results().back()});
      }
      if (const int code = run_table(table, *o)) throw CLI::RuntimeError(code);
    });
  }
}

}  // namespace tapesort
