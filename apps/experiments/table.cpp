// tapesort table: a table of the paper, methods x columns x seeds, beside the paper's figures.
//
// Every cell is a run of one of the other commands in a process and a folder of its own, and its
// result.json there says that it is done. So cells can be run by anything: by this command one
// after the other, or by what runs its --commands (tables.md). Nothing is done twice.
#include "apps/experiments/table.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/program/processes.hpp"
#include "apps/program/program.hpp"
#include "apps/report/plot.hpp"
#include "apps/report/result_row.hpp"
#include "apps/tools/nested_numbers.hpp"
#include "apps/training/run.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/strict_json.hpp"

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

struct PaperRow {
  const char* name;                                // of a method
  std::vector<std::pair<double, double>> figures;  // for each of the paper's columns
};

struct Table {
  const char *task, *title;
  const char* option;  // what the columns are values of
  Words columns;       // the paper's
  std::size_t
      ready;  // of these, those that need no file of ours are run by default: the first ones
  std::vector<Figure> figures;  // of a cell, one or two; the first one is drawn
  std::vector<PaperRow> paper;
  void (*add)(Command);  // the command that a cell is
};

const std::vector<Table>& tables() {
  constexpr double none = 0;
  // clang-format off
  static const std::vector<Table> all = {
      {"sort", "Sorting: permutations (elements) right", "--n", {"3", "5", "7", "9", "15"}, 5,
       {{"permutation_accuracy", "permutations", 1, 3}, {"element_accuracy", "elements", 1, 3}},
       {{"row_stochastic",
         {{.467, .801}, {.093, .603}, {.009, .492}, {.000, .113}, {.000, .067}}},
        {"sinkhorn",
         {{.462, .561}, {.038, .293}, {.001, .197}, {.000, .143}, {.000, .078}}},
        {"gumbel_sinkhorn",
         {{.484, .575}, {.033, .295}, {.001, .189}, {.000, .146}, {.000, .078}}},
        {"neural_sort",
         {{.930, .951}, {.837, .927}, {.738, .909}, {.649, .896}, {.386, .857}}},
        {"neural_sort_stochastic",
         {{.927, .950}, {.835, .926}, {.741, .909}, {.646, .895}, {.418, .862}}}},
       add_sort},
      {"median", "Median: mean squared error x 1e-4 (squared correlation)", "--n",
       {"5", "9", "15"}, 3,
       {{"mean_squared_error", "mean squared error x 1e-4", 1e-4, 2},
        {"squared_correlation", "R2", 1, 2}},
       {{"constant", {{356.79, .00}, {227.31, .00}, {146.94, .00}}},
        {"vanilla", {{1004.70, .85}, {699.15, .82}, {562.97, .79}}},
        {"sinkhorn", {{343.60, .25}, {231.87, .19}, {156.27, .04}}},
        {"gumbel_sinkhorn", {{344.28, .25}, {232.56, .23}, {157.34, .06}}},
        {"neural_sort", {{45.50, .95}, {34.98, .94}, {34.78, .92}}},
        {"neural_sort_stochastic", {{33.80, .94}, {31.43, .93}, {29.34, .90}}}},
       add_median},
      {"knn", "k nearest neighbours: test accuracy", "--data", {"digits", "fashion", "cifar10"}, 2,
       {{"test_accuracy", "test accuracy", 1, 4}},
       {{"pixels", {{.972, none}, {.858, none}, {.354, none}}},
        {"pca", {{.976, none}, {.859, none}, {.409, none}}},
        {"autoencoder", {{.976, none}, {.875, none}, {.442, none}}},
        {"neural_sort", {{.995, none}, {.935, none}, {.907, none}}},
        {"neural_sort_stochastic", {{.994, none}, {.934, none}, {.895, none}}},
        {"classifier", {{.994, none}, {.934, none}, {.951, none}}}},
       add_knn},
  };
  // clang-format on
  return all;
}

struct TableOptions {
  Words columns, methods, arguments;
  std::vector<std::uint64_t> seeds{1, 2, 3};
  std::string out, program;  // empty: this program
  bool commands = false, report = false;
};

struct Cell {
  std::string method, column;
  std::uint64_t seed;
  fs::path folder;

  fs::path result() const { return folder / result_name; }
  bool done() const { return fs::exists(result()); }
};

std::vector<Cell> cells_of(const TableOptions& o, const fs::path& folder) {
  std::vector<Cell> cells;
  for (const std::string& method : o.methods) {
    for (const std::string& column : o.columns) {
      for (const std::uint64_t seed : o.seeds) {
        std::string name = to_message(method, "-", column, "-seed", seed);
        std::replace(name.begin(), name.end(), '/', '_');
        cells.push_back({method, column, seed, folder / name});
      }
    }
  }
  return cells;
}

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

// Whether a cell, be it of another table, has left a result or a checkpoint.
bool begun(const fs::path& folder) {
  const fs::directory_iterator entries(folder);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return fs::exists(entry.path() / result_name) || fs::exists(entry.path() / checkpoint_name);
  });
}

// Cells of one folder must have been run alike. std::runtime_error when they would not be; but
// where nothing has been computed, and no commands printed that may be waiting somewhere, there is
// nothing to go on with.
void claim(const fs::path& folder, const Table& table, const TableOptions& o) {
  const fs::path file = folder / "grid.json";
  json now{{"task", table.task}, {"arguments", o.arguments}};
  bool printed = o.commands;
  if (fs::exists(file)) {
    json then = read_json(file);
    const bool printed_then = then.is_object() && then.value("printed", json()) == true;
    if (then.is_object()) then.erase("printed");
    if (then != now && (printed_then || begun(folder))) {
      throw std::runtime_error(
          to_message(file.string(), ": this table was begun as ", shown(then), ", now it is ",
                     shown(now), "; go on with the same arguments, or elsewhere",
                     begun(folder) ? "" : ", or remove that file if its commands will not be run"));
    }
    printed = printed || printed_then;
  }
  now["printed"] = printed;
  write_result(file.string(), now);
}

// What a cell's run left, checked to be of this cell.
json row_of(const Table& table, const Cell& cell) {
  const json row = read_json(cell.result());
  const json settings = row.is_object() ? row.value("settings", json()) : json();
  const auto is = [](const json& object, const char* key, const std::string& expected) {
    if (!object.is_object() || !object.contains(key)) return false;
    const json& value = object[key];
    return (value.is_string() ? value.get<std::string>() : text_of(value)) == expected;
  };
  if (!is(row, "task", table.task) || !is(row, "seed", std::to_string(cell.seed)) ||
      !is(settings, "method", cell.method) || !is(settings, table.option + 2, cell.column)) {
    throw std::runtime_error(to_message(cell.result().string(), ": is not the result of ",
                                        table.task, " by ", cell.method, " with ", table.option,
                                        " ", cell.column, " --seed ", cell.seed,
                                        "; move it away to run the cell again"));
  }
  return row;
}

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
  stop_signal = 0;
  const StopSignals stops(pass_on);
  pid_t cell = 0;
  const int out = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const int error = out < 0 ? errno : start(words, {STDIN_FILENO, out, STDERR_FILENO}, cell);
  if (out >= 0) close(out);
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
  return status_at_end(cell);
}

// The signal by which a table is stopped: its own, or that of a cell, which goes on from there when
// it is run again. 0: none.
int stopped_by(int status) {
  for (const int signal : stop_signals) {
    if (stop_signal == 0 && status == status_of_signal(signal)) return signal;
  }
  return stop_signal;
}

// Over the seeds; a figure may be undefined for some.
struct Summary {
  double mean = std::nan(""), deviation = 0;
  std::size_t count = 0;

  explicit Summary(const std::vector<double>& values) : count(values.size()) {
    if (count > 0) mean = 0;
    for (double v : values) mean += v / double(count);
    for (double v : values) deviation += (v - mean) * (v - mean);
    deviation = count > 1 ? std::sqrt(deviation / double(count - 1)) : 0;
  }
};

// What all seeds of a method and a column tell.
struct Entry {
  std::string method, column;
  std::vector<Summary> ours;  // of each figure
  std::optional<std::pair<double, double>> paper;
};

// What the cells that are done tell; their rows are added to `rows`. The seeds come last in the order
// of cells.
std::vector<Entry> entries_of(const Table& table, const std::vector<Cell>& cells, std::size_t seeds,
                              json& rows) {
  std::vector<Entry> entries;
  for (auto cell = cells.begin(); cell != cells.end();) {
    Entry entry{
        cell->method, cell->column, {}, paper_figures(table.task, cell->method, cell->column)};
    std::vector<std::vector<double>> values(table.figures.size());
    for (std::size_t s = 0; s < seeds; ++s, ++cell) {
      if (!cell->done()) continue;
      const json row = row_of(table, *cell);
      for (std::size_t f = 0; f < values.size(); ++f) {
        const json value = row.value(table.figures[f].key, json());  // NaN is null
        if (value.is_number()) values[f].push_back(value.get<double>() * table.figures[f].scale);
      }
      rows.push_back(row);
    }
    for (const std::vector<double>& v : values) entry.ours.emplace_back(v);
    entries.push_back(std::move(entry));
  }
  return entries;
}

// So many decimals, or two digits of what would be shown as nothing.
std::string fixed(double value, int decimals) {
  const bool nothing = value != 0 && std::abs(value) < 0.5 * std::pow(10.0, -decimals);
  return nothing ? printed("%.2g", value) : printed("%.*f", decimals, value);
}

std::string ours_text(const Table& table, const Entry& entry) {
  const std::size_t seeds = entry.ours[0].count;
  if (seeds == 0) return "-";
  std::string text;
  for (std::size_t f = 0; f < table.figures.size(); ++f) {
    const Summary& ours = entry.ours[f];
    const int decimals = table.figures[f].decimals;
    std::string part = ours.count == 0 ? "-" : fixed(ours.mean, decimals);
    if (ours.count > 1) part += " +- " + fixed(ours.deviation, decimals);
    const bool says_count = f == 0 ? seeds > 1 : ours.count > 0 && ours.count != seeds;
    if (says_count) part += " [" + std::to_string(ours.count) + "]";
    text += f == 0 ? part : " (" + part + ")";
  }
  return text;
}

std::string paper_text(const Table& table, const Entry& entry) {
  if (!entry.paper) return "-";
  const std::string first = fixed(entry.paper->first, table.figures[0].decimals);
  if (table.figures.size() == 1) return first;
  return first + " (" + fixed(entry.paper->second, table.figures[1].decimals) + ")";
}

// Markdown, JSON and a picture of what is there: `rows` of cells, and entries, column by column of
// one method after the other.
void report(const Table& table, const TableOptions& o, const fs::path& folder, const json& rows,
            const std::vector<Entry>& entries) {
  std::string text = to_message("# ", table.title,
                                "\n\nOurs: the mean over seeds +- their standard deviation [how "
                                "many, unless one]. Paper: Grover et al. 2019.\n\n| method | |");
  std::string rule = "|---|---|";
  BarPlot plot{table.title, table.figures[0].name, {}, {}};
  for (const std::string& column : o.columns) {
    plot.groups.push_back(to_message(table.option + 2, " = ", column));
    text += " " + plot.groups.back() + " |";
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  json summary = json::array();
  for (auto entry = entries.begin(); entry != entries.end();) {
    const std::string method = entry->method;
    Series our_bars{method, {}, {}, {}}, paper_bars{method + ", paper", {}, {}, {}};
    bool in_paper = false;
    text += "| " + method + " | ours |";
    std::string paper_line = "| | paper |";
    for (; entry != entries.end() && entry->method == method; ++entry) {
      text += " " + ours_text(table, *entry) + " |";
      paper_line += " " + paper_text(table, *entry) + " |";
      our_bars.y.push_back(entry->ours[0].mean);
      our_bars.error.push_back(entry->ours[0].deviation);
      paper_bars.y.push_back(entry->paper ? entry->paper->first : std::nan(""));
      paper_bars.error.push_back(0);
      in_paper = in_paper || entry->paper;
      json figures{{"method", method}, {"column", entry->column}};
      for (std::size_t f = 0; f < table.figures.size(); ++f) {
        json& figure = figures[table.figures[f].key];
        figure = {{"mean", entry->ours[f].mean},
                  {"standard_deviation", entry->ours[f].deviation},
                  {"seeds", entry->ours[f].count}};
        if (entry->paper) figure["paper"] = f == 0 ? entry->paper->first : entry->paper->second;
      }
      summary.push_back(figures);
    }
    text += "\n" + paper_line + "\n";
    plot.series.push_back(our_bars);
    if (in_paper) plot.series.push_back(paper_bars);
  }
  std::printf("%s", text.c_str());
  std::fprintf(stderr, "table: %zu of %zu cells are done; table.md, table.json, table.png: %s\n",
               rows.size(), o.methods.size() * o.columns.size() * o.seeds.size(), folder.c_str());
  replace_file_content((folder / "table.md").string(), {text});
  write_result(
      (folder / "table.json").string(),
      {{"task", table.task}, {"option", table.option}, {"summary", summary}, {"cells", rows}});
  draw(plot, (folder / "table.png").string());
}

template <class T> void require_distinct(const char* option, const std::vector<T>& values) {
  for (auto at = values.begin(); at != values.end(); ++at) {
    require(std::find(values.begin(), at, *at) == at, "table: ", option, " names ", *at, " twice");
  }
}

int run_table(const Table& table, TableOptions& o) {
  if (o.columns.empty()) {
    o.columns.assign(table.columns.begin(), table.columns.begin() + std::ptrdiff_t(table.ready));
  }
  if (o.methods.empty()) o.methods = names_of(table.paper);
  require_distinct("--methods", o.methods);
  require_distinct(table.option, o.columns);
  require_distinct("--seeds", o.seeds);
  require(o.arguments.empty() || o.arguments[0].rfind("-", 0) == 0, "table: \"",
          o.arguments.empty() ? "" : o.arguments[0],
          "\" is no option of a cell; lists are written as a,b without blanks");
  const fs::path folder = fs::absolute(o.out).lexically_normal();
  const std::string program = o.program.empty() ? "/proc/self/exe" : o.program;
  if (o.report) {
    require(fs::is_directory(folder), "table: there is no folder ", folder.string(),
            " to report on");
  } else {
    fs::create_directories(folder);
    claim(folder, table, o);
  }

  const std::vector<Cell> cells = cells_of(o, folder);
  std::size_t failed = 0, position = 0;
  for (const Cell& cell : cells) {
    ++position;
    if (cell.done() || o.report) continue;
    Words words{fs::canonical(program).string(),
                table.task,
                "--method",
                cell.method,
                table.option,
                cell.column,
                "--seed",
                std::to_string(cell.seed),
                "--out",
                cell.folder.string(),
                "--resume"};
    words.insert(words.end(), o.arguments.begin(), o.arguments.end());
    if (o.commands) {
      std::string line;
      for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_quoted(word);
      std::printf("%s\n", line.c_str());
      continue;
    }
    std::fprintf(stderr, "table: cell %zu of %zu: %s, %s = %s, seed %llu\n", position, cells.size(),
                 cell.method.c_str(), table.option + 2, cell.column.c_str(),
                 static_cast<unsigned long long>(cell.seed));
    fs::create_directories(cell.folder);
    const int status = run(words, (cell.folder / "output.txt").string());
    if (const int signal = stopped_by(status)) {
      std::fprintf(stderr, "table: stopped by %s; the same command goes on from there\n",
                   signal_name(signal).c_str());
      return status_of_signal(signal);
    }
    if (status == 0 && cell.done()) continue;
    ++failed;
    std::fprintf(stderr, "table: that cell failed with status %d; its error is above\n", status);
  }
  if (o.commands) return 0;

  json rows = json::array();
  const std::vector<Entry> entries = entries_of(table, cells, o.seeds.size(), rows);
  report(table, o, folder, rows, entries);
  return failed == 0 ? 0 : 1;
}

}  // namespace

std::optional<std::pair<double, double>> paper_figures(const std::string& task, std::string method,
                                                       const std::string& column) {
  const std::size_t ending = method.rfind("_published");
  if (ending != std::string::npos) method.resize(ending);
  const std::string known = column.rfind("cifar10:", 0) == 0 ? "cifar10" : column;
  for (const Table& table : tables()) {
    for (const PaperRow& row : table.paper) {
      if (task != table.task || method != row.name) continue;
      for (std::size_t i = 0; i < row.figures.size(); ++i) {
        if (table.columns[i] == known) return row.figures[i];
      }
    }
  }
  return std::nullopt;
}

void add_table(Command program) {
  Command command =
      program.command("table", "run, or continue, a table of the paper and print ours beside it");
  for (const Table& table : tables()) {
    const Command one = command.command(
        table.task, to_message(table.title, "; methods x ", table.option + 2, " x seeds"));
    const auto o = std::make_shared<TableOptions>();
    one.add("--out", o->out, "folder of the table: what is there is not done again", file_name)
        .required();
    // Lists with commas, as a list of words would swallow the -- that may follow. They are refused
    // what a cell's own option of that name would be.
    one.add("--methods", o->methods, "rows, as a,b (default: the paper's)",
            Command::check_of(table.add, table.task, "--method"))
        .separated_by_commas();
    one.add(table.option, o->columns, "columns, as a,b (default: the paper's)",
            Command::check_of(table.add, table.task, table.option))
        .separated_by_commas();
    one.add("--seeds", o->seeds, "runs of each cell", any_seed)
        .separated_by_commas()
        .shows_default("1,2,3");
    one.add("--program", o->program, "what runs a cell (default: this program)", file_name);
    const Option commands = one.add("--commands", o->commands,
                                    "only print the commands of the missing cells, one a line");
    one.add("--report", o->report, "run nothing; print what is there").excludes(commands);
    one.add("arguments", o->arguments,
            "after --: arguments for each cell, as -- --minutes 45 --digits 4");
    one.run([o, &table, program] {
      const std::string threads = program.given("--threads");
      if (!threads.empty()) {  // it is the cells that work
        o->arguments.insert(o->arguments.begin(), {"--threads", threads});
      }
      return run_table(table, *o);
    });
  }
}

}  // namespace tapesort
