// tapesort table: a table of the paper, methods x columns x seeds, beside the paper's figures.
//
// Each cell is a run of another command, in its own process and folder; result.json there says that
// it is done. So cells may be run by this command, one after the other, or by whatever is given its
// --commands (tables.md). Nothing is done twice.
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
#include <sstream>

#include "apps/experiments/paper.hpp"
#include "apps/program/processes.hpp"
#include "apps/program/program.hpp"
#include "apps/report/plot.hpp"
#include "apps/report/result_row.hpp"
#include "apps/training/ranks.hpp"
#include "apps/training/run.hpp"
#include "engine/check.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

struct TableOptions {
  Words columns, methods, arguments, sets;  // sets: KEY=V1,V2
  std::vector<std::uint64_t> seeds{1, 2, 3};
  std::string out, data, program;  // data: of each cell, empty: its own; program, empty: this one
  bool commands = false, report = false;
};

// A row of the table: a method, with one value for each --set.
struct TableRow {
  std::string method, label;
  Words arguments;
};

struct Cell {
  TableRow row;
  std::string column;
  std::uint64_t seed;
  fs::path folder;

  fs::path result() const { return folder / result_name; }
  bool done() const { return fs::exists(result()); }
};

// The methods with all combinations of what --set lists; each value must pass the check of the cell's
// own option.
std::vector<TableRow> rows_of(const PaperTable& table, const TableOptions& o) {
  std::vector<TableRow> rows;
  for (const std::string& method : o.methods) rows.push_back({method, method, {}});
  for (const std::string& set : o.sets) {
    const std::size_t equals = set.find('=');
    require(equals != 0 && equals != std::string::npos && equals + 1 < set.size(), "table: --set ",
            set, " is not KEY=V1,V2");
    const std::string key = set.substr(0, equals), flag = "--" + key;
    const Check check = Command::check_of(table.add, table.task, flag);
    require(bool(check.fault), "table: --set ", key, ": ", table.task, " has no option ", flag);
    std::vector<TableRow> more;
    for (const TableRow& row : rows) {
      std::istringstream values(set.substr(equals + 1));
      for (std::string value; std::getline(values, value, ',');) {
        const std::string fault = check.fault(value);
        require(fault.empty(), "table: --set ", key, ": ", fault);
        more.push_back({row.method, row.label + "-" + key + "=" + value, row.arguments});
        more.back().arguments.insert(more.back().arguments.end(), {flag, value});
      }
    }
    rows = std::move(more);
  }
  return rows;
}

std::vector<Cell> cells_of(const std::vector<TableRow>& rows, const TableOptions& o,
                           const fs::path& folder) {
  std::vector<Cell> cells;
  for (const TableRow& row : rows) {
    for (const std::string& column : o.columns) {
      for (const std::uint64_t seed : o.seeds) {
        std::string name = to_message(row.label, "-", column, "-seed", seed);
        std::replace(name.begin(), name.end(), '/', '_');
        cells.push_back({row, column, seed, folder / name});
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

// All cells of a folder are run with the same arguments, which grid.json remembers.
// std::runtime_error when these are others, unless no cell has left anything and no commands were
// printed, which someone may yet run.
void claim(const fs::path& folder, const PaperTable& table, const TableOptions& o) {
  const fs::path file = folder / "grid.json";
  json now{{"task", table.task}, {"arguments", o.arguments}};
  bool printed = o.commands;
  if (fs::exists(file)) {
    json then = read_json(file);
    const bool printed_then = then.is_object() && then.value("printed", json()) == true;
    if (then.is_object()) then.erase("printed");
    if (then != now && (printed_then || begun(folder))) {
      fault(file.string(), ": this table was begun as ", shown(then), ", now it is ", shown(now),
            "; go on with the same arguments, or elsewhere",
            begun(folder) ? "" : ", or remove that file if its commands will not be run");
    }
    printed = printed || printed_then;
  }
  now["printed"] = printed;
  write_result(file.string(), now);
}

// What a cell's run left, checked to be of this cell.
json row_of(const PaperTable& table, const Cell& cell) {
  const json row = read_json(cell.result());
  const auto is = [&row](const std::string& key, const std::string& expected) {
    const json::json_pointer at("/" + key);
    if (!row.contains(at)) return false;
    return (row[at].is_string() ? row[at].get<std::string>() : text_of(row[at])) == expected;
  };
  if (!is("task", table.task) || !is("seed", std::to_string(cell.seed)) ||
      !is("settings/method", cell.row.method) ||
      !is(std::string("settings/") + (table.option + 2), cell.column)) {
    fault(cell.result().string(), ": is not the result of ", table.task, " by ", cell.row.method,
          " with ", table.option, " ", cell.column, " --seed ", cell.seed,
          "; move it away to run the cell again");
  }
  return row;
}

// The cell that is running, or 0, and the signal that came meanwhile, or 0.
std::atomic<pid_t> running_cell{0};
std::atomic<int> stop_signal{0};

// Passes a signal on to the cell. It is queued, by which the cell knows it from Ctrl-C, which the
// terminal sends to both.
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
    fault("table: cannot run ", words[0], " with its output in ", output, ": ",
          std::strerror(error));
  }
  running_cell = cell;
  if (stop_signal != 0) pass_on(stop_signal, nullptr, nullptr);  // it came before it could be
  // Until it is waited for, its process id is not given to another process.
  siginfo_t ended;
  while (waitid(P_PID, id_t(cell), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  running_cell = 0;
  return status_at_end(cell);
}

// The signal that stops the table: one that came to it, or one that ended the cell. 0: none.
int stopped_by(int status) {
  for (const int signal : stop_signals) {
    if (stop_signal == 0 && status == status_of_signal(signal)) return signal;
  }
  return stop_signal;
}

// Over the seeds that have a figure: it may be undefined for some.
struct Summary {
  double mean = std::nan(""), deviation = 0;
  std::size_t count;

  explicit Summary(const std::vector<double>& values) : count(values.size()) {
    if (count > 0) mean = 0;
    for (double v : values) mean += v / double(count);
    for (double v : values) deviation += (v - mean) * (v - mean);
    deviation = count > 1 ? std::sqrt(deviation / double(count - 1)) : 0;
  }
};

// So many decimals, or two digits of what would be shown as nothing.
std::string fixed(double value, int decimals) {
  const bool nothing = value != 0 && std::abs(value) < 0.5 * std::pow(10.0, -decimals);
  return nothing ? printed("%.2g", value) : printed("%.*f", decimals, value);
}

// "mean +- deviation [seeds]", the second figure in brackets behind the first.
std::string text_of_ours(const PaperTable& table, const std::vector<Summary>& ours) {
  const std::size_t seeds = ours[0].count;
  if (seeds == 0) return "-";
  std::string text;
  for (std::size_t f = 0; f < ours.size(); ++f) {
    const auto& [mean, deviation, count] = ours[f];
    std::string part = count == 0 ? "-" : fixed(mean, table.figures[f].decimals);
    if (count > 1) part += " +- " + fixed(deviation, table.figures[f].decimals);
    const bool says_count = f == 0 ? seeds > 1 : count > 0 && count != seeds;
    if (says_count) part += " [" + std::to_string(count) + "]";
    text += f == 0 ? part : " (" + part + ")";
  }
  return text;
}

// ",value", or "," where the row has no number of that name.
std::string field(const json& row, const char* key) {
  const json value = row.value(key, json());
  return "," + (value.is_number() ? text_of(value) : "");
}

// Markdown, CSV, JSON and a picture of the cells that are done.
void report(const PaperTable& table, const std::vector<TableRow>& table_rows, const TableOptions& o,
            const fs::path& folder, const std::vector<Cell>& cells) {
  std::string text = to_message("# ", table.title,
                                "\n\nOurs: the mean over seeds +- their standard deviation [how "
                                "many, unless one]. Paper: Grover et al. 2019.\n\n| method | |");
  std::string rule = "|---|---|";
  Plot plot{table.title, "", table.figures[0].name, false, false, {}};
  for (const std::string& column : o.columns) {
    plot.groups.push_back(to_message(table.option + 2, " = ", column));
    text += " " + plot.groups.back() + " |";
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  json summary = json::array(), rows = json::array();
  auto cell = cells.begin();
  std::string csv = to_message("row,", table.option + 2, ",seed");
  for (const Figure& figure : table.figures) csv += to_message(",", figure.key);
  csv += ",validation,steps,seconds\n";
  for (const auto& [method, label, arguments] : table_rows) {
    Series our_bars{label, {}, {}, {}}, paper_bars{method + ", paper", {}, {}, {}};
    bool in_paper = false;
    text += "| " + label + " | ours |";
    std::string paper_line = "| | paper |";
    for (const std::string& column : o.columns) {
      std::vector<std::vector<double>> values(table.figures.size());
      for (const auto end = cell + std::ptrdiff_t(o.seeds.size()); cell != end; ++cell) {
        if (!cell->done()) continue;
        rows.push_back(row_of(table, *cell));
        csv += to_message(label, ",", column, ",", cell->seed);
        for (const Figure& figure : table.figures) csv += field(rows.back(), figure.key);
        for (const char* key : {"validation", "steps", "seconds"}) csv += field(rows.back(), key);
        csv += "\n";
        for (std::size_t f = 0; f < values.size(); ++f) {
          const json value = rows.back().value(table.figures[f].key, json());  // NaN is null
          if (value.is_number()) values[f].push_back(value.get<double>() * table.figures[f].scale);
        }
      }
      const auto papers = paper_figures(table.task, method, column);
      const std::vector<Summary> ours(values.begin(), values.end());
      text += " " + text_of_ours(table, ours) + " |";
      our_bars.y.push_back(ours[0].mean);
      our_bars.error.push_back(ours[0].deviation);
      paper_bars.y.push_back(papers ? papers->first : std::nan(""));
      paper_bars.error.push_back(0);
      in_paper = in_paper || papers;
      std::string paper_text = papers ? "" : "-";
      json entry{{"method", method}, {"row", label}, {"column", column}};
      for (std::size_t f = 0; f < ours.size(); ++f) {
        json& figure = entry[table.figures[f].key];
        figure = {{"mean", ours[f].mean},
                  {"standard_deviation", ours[f].deviation},
                  {"seeds", ours[f].count}};
        if (!papers) continue;
        const double paper = f == 0 ? papers->first : papers->second;
        figure["paper"] = paper;
        const std::string number = fixed(paper, table.figures[f].decimals);
        paper_text += f == 0 ? number : " (" + number + ")";
      }
      summary.push_back(entry);
      paper_line += " " + paper_text + " |";
    }
    text += "\n" + paper_line + "\n";
    plot.series.push_back(our_bars);
    if (in_paper) plot.series.push_back(paper_bars);
  }
  std::printf("%s", text.c_str());
  std::fprintf(stderr,
               "table: %zu of %zu cells are done; table.md, table.csv, table.json, table.png: %s\n",
               rows.size(), cells.size(), folder.c_str());
  replace_file_content((folder / "table.md").string(), {text});
  replace_file_content((folder / "table.csv").string(), {csv});
  write_result(
      (folder / "table.json").string(),
      {{"task", table.task}, {"option", table.option}, {"summary", summary}, {"cells", rows}});
  draw({plot}, (folder / "table.png").string());
}

template <class T> void require_distinct(const char* option, const std::vector<T>& values) {
  for (auto at = values.begin(); at != values.end(); ++at) {
    require(std::find(values.begin(), at, *at) == at, "table: ", option, " names ", *at, " twice");
  }
}

void run_table(const PaperTable& table, TableOptions& o) {
  require(rank_count() == 1, "table: starts its own processes; start it once, not ", rank_count(),
          " times");
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

  const auto command_of = [&](const Cell& cell) {
    Words words{fs::canonical(program).string(), table.task, "--method", cell.row.method};
    words.insert(words.end(), {table.option, cell.column, "--seed", std::to_string(cell.seed)});
    words.insert(words.end(), {"--out", cell.folder.string(), "--resume"});
    words.insert(words.end(), cell.row.arguments.begin(), cell.row.arguments.end());
    words.insert(words.end(), o.arguments.begin(), o.arguments.end());
    return words;
  };
  const std::vector<TableRow> rows = rows_of(table, o);
  const std::vector<Cell> cells = cells_of(rows, o, folder);
  std::size_t failed = 0, position = 0;
  for (const Cell& cell : cells) {
    ++position;
    if (cell.done() || o.report) continue;
    const Words words = command_of(cell);
    if (o.commands) {
      std::string line;
      for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_quoted(word);
      std::printf("%s\n", line.c_str());
      continue;
    }
    std::fprintf(stderr, "table: cell %zu of %zu: %s, %s = %s, seed %llu\n", position, cells.size(),
                 cell.row.label.c_str(), table.option + 2, cell.column.c_str(),
                 static_cast<unsigned long long>(cell.seed));
    fs::create_directories(cell.folder);
    const int status = run(words, (cell.folder / "output.txt").string());
    if (const int signal = stopped_by(status)) {
      std::fprintf(stderr, "table: stopped by %s; the same command goes on from there\n",
                   signal_name(signal).c_str());
      end_with(status_of_signal(signal));
    }
    if (status == 0 && cell.done()) continue;
    ++failed;
    std::fprintf(stderr, "table: that cell failed with status %d; its error is above\n", status);
  }
  if (o.commands) return;

  report(table, rows, o, folder, cells);
  if (failed > 0) end_with(1);
}

}  // namespace

void add_table(Command program) {
  Command command =
      program.command("table", "run, or continue, a table of the paper and print ours beside it");
  for (const PaperTable& table : paper_tables()) {
    const Command one = command.command(
        table.task, to_message(table.title, "; methods x ", table.option + 2, " x seeds"));
    const auto o = std::make_shared<TableOptions>();
    one.add("--out", o->out, "folder of the table: what is there is not done again", file_name)
        .required();
    // Lists are written with commas, as a list of words would swallow the -- that may follow. Each
    // entry must pass the check of the cell's own option.
    one.add("--methods", o->methods, "rows, as a,b (default: the paper's)",
            Command::check_of(table.add, table.task, "--method"))
        .separated_by_commas();
    one.add(table.option, o->columns, "columns, as a,b (default: the paper's)",
            Command::check_of(table.add, table.task, table.option))
        .separated_by_commas();
    one.add("--set", o->sets, "KEY=V1,V2: a row for each value of the cells' option --KEY",
            file_name)
        .repeated();
    if (table.option != std::string("--data")) {
      one.add("--data", o->data, "of each cell", file_name);
    }
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
      const auto own = std::find(o->arguments.begin(), o->arguments.end(), "--threads");
      if (!threads.empty() && own == o->arguments.end()) {  // it is the cells that work
        o->arguments.insert(o->arguments.begin(), {"--threads", threads});
      }
      if (!o->data.empty()) o->arguments.insert(o->arguments.begin(), {"--data", o->data});
      run_table(table, *o);
    });
  }
}

}  // namespace tapesort
