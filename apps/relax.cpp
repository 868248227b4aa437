#include "apps/relax.hpp"

#include <cstdio>
#include <iostream>
#include <map>
#include <memory>

#include "apps/commands.hpp"
#include "apps/data/nested_numbers.hpp"
#include "engine/check.hpp"

namespace tapesort {
namespace {

// Above this, a matrix does not fit on a terminal.
constexpr std::size_t widest_heatmap = 48;

template <class T>
nlohmann::json to_json(const Array<T>& x, std::size_t axis = 0, std::size_t start = 0) {
  nlohmann::json list = nlohmann::json::array();
  std::size_t step = 1;
  for (std::size_t i = axis + 1; i < x.dimension(); ++i) step *= x.shape()[i];
  for (std::size_t i = 0; i < x.shape()[axis]; ++i) {
    if (axis + 1 == x.dimension()) {
      list.push_back(x.data()[start + i]);
    } else {
      list.push_back(to_json(x, axis + 1, start + i * step));
    }
  }
  return list;
}

std::string in_text(const char* format, double x) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, format, x);
  return buffer;
}

// Two columns a number, five shades from 0 to 1.
std::string heatmap(const nlohmann::json& P) {
  static const char* const shades[] = {"  ", "░░", "▒▒", "▓▓", "██"};
  std::string text;
  for (const auto& row : P) {
    text += "  |";
    for (double p : row) text += shades[std::min(4, std::max(0, int(p * 4 + 0.5)))];
    text += "|\n";
  }
  return text;
}

struct Options {
  Relaxation relaxation;
  std::string method = "neural_sort", swap = "cauchy", regularization = "l2", dtype = "double";
  std::string input = "-", weights;
  bool ascending = false, descending = false, json = false;
};

const std::map<std::string, Swap> swaps{
    {"logistic", Swap::logistic}, {"logistic_phi", Swap::logistic_phi},
    {"gaussian", Swap::gaussian}, {"reciprocal", Swap::reciprocal},
    {"cauchy", Swap::cauchy},     {"optimal", Swap::optimal}};

void run(Options& options, const CLI::App& command) {
  Relaxation& relaxation = options.relaxation;
  relaxation.method = method_named(options.method);
  // An option that another method understands would be a silent mistake.
  const auto only_for = [&](const char* option, std::initializer_list<Method> methods) {
    if (command.count(option) == 0) return;
    const bool fits = std::find(methods.begin(), methods.end(), relaxation.method) != methods.end();
    require(fits, "relax: ", option, " means nothing to ", options.method);
  };
  only_for("--power", {Method::soft_sort});
  only_for("--iterations", {Method::sinkhorn});
  only_for("--steepness", {Method::odd_even, Method::bitonic});
  only_for("--distribution", {Method::odd_even, Method::bitonic});
  only_for("--regularization", {Method::fast_soft_sort, Method::fast_soft_rank});
  require(command.count("--steepness") == 0 || relaxation.steepness > 0,
          "relax: steepness must be > 0, got ", relaxation.steepness);
  require(relaxation.method != Method::sinkhorn || !(options.ascending || options.descending),
          "relax: a direction means nothing to sinkhorn: row i of its logits is place i");
  relaxation.swap = swaps.at(options.swap);
  relaxation.regularization =
      options.regularization == "kl" ? Regularization::kl : Regularization::l2;
  relaxation.direction = options.ascending ? Direction::ascending : Direction::descending;

  const std::vector<Array<double>> sets =
      read_sets(read_text(options.input), source_name(options.input), relaxation.method);
  std::vector<Array<double>> weights;
  if (!options.weights.empty()) {
    weights =
        read_weights(read_text(options.weights), source_name(options.weights), relaxation, sets);
  }
  const nlohmann::json result = options.dtype == "float" ? relax<float>(relaxation, sets, weights)
                                                         : relax<double>(relaxation, sets, weights);
  std::cout << (options.json ? result.dump() + "\n" : to_table(result));
}

}  // namespace

template <class T>
nlohmann::json relax(const Relaxation& relaxation, const std::vector<Array<double>>& sets,
                     const std::vector<Array<double>>& weights) {
  nlohmann::json result{{"method", name_of(relaxation.method)}, {"tau", relaxation.tau}};
  result["sets"] = nlohmann::json::array();
  for (std::size_t set = 0; set < sets.size(); ++set) {
    Tape<T> tape(weights.empty() ? Recording::off : Recording::on);
    const Var<T> input = tape.leaf(convert<T>(sets[set]));
    nlohmann::json row{{"scores", to_json(input.value())}};
    Var<T> first;  // what the weights are for
    const auto output = [&](const char* name, const Var<T>& value) {
      row[name] = to_json(value.value());
      if (row.size() == 2) first = value;
    };
    if (relaxation.has_matrix()) output("P", relaxation.matrix(input));
    if (relaxation.has_sorted()) output("sorted", relaxation.sorted(input));
    if (relaxation.has_ranks()) output("ranks", relaxation.ranks(input));
    row["permutation"] = to_json(relaxation.order(input.value()));
    if (!weights.empty()) {
      tape.backward(first, convert<T>(weights[set]));
      row["grad"] = to_json(input.grad());
    }
    result["sets"].push_back(std::move(row));
  }
  return result;
}
template nlohmann::json relax<float>(const Relaxation&, const std::vector<Array<double>>&,
                                     const std::vector<Array<double>>&);
template nlohmann::json relax<double>(const Relaxation&, const std::vector<Array<double>>&,
                                      const std::vector<Array<double>>&);

std::vector<Array<double>> read_sets(const std::string& text, const std::string& source,
                                     Method method) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  const bool json = start != std::string::npos && text[start] == '[';
  Nested nested = json ? parse_nested(text, source) : parse_lines(text, source);
  if (json != (method == Method::sinkhorn)) {
    bad_input(source, nested.line, nested.column,
              json ? std::string(name_of(method)) +
                         " takes sets of scores, one a line; only "
                         "sinkhorn takes matrices"
                   : "sinkhorn takes n x n matrices as JSON");
  }
  if (json) nested = as_list(std::move(nested), 2);
  std::vector<Array<double>> sets;
  for (const Nested& item : nested.items) {
    sets.push_back(to_array(item, source));
    const Shape& shape = sets.back().shape();
    if (json && (shape.size() != 2 || shape[0] != shape[1])) {
      bad_input(source, item.line, item.column,
                "expected an n x n matrix, found " + to_text(shape));
    }
  }
  if (sets.empty()) bad_input(source, nested.line, nested.column, "there are no scores");
  return sets;
}

std::vector<Array<double>> read_weights(const std::string& text, const std::string& source,
                                        const Relaxation& relaxation,
                                        const std::vector<Array<double>>& sets) {
  const Nested nested = parse_nested(text, source);
  if (nested.items.size() != sets.size()) {
    bad_input(source, nested.line, nested.column,
              "expected " + std::to_string(sets.size()) + " entries, one a set, found " +
                  std::to_string(nested.items.size()));
  }
  std::vector<Array<double>> weights;
  for (std::size_t set = 0; set < sets.size(); ++set) {
    const Nested& item = nested.items[set];
    weights.push_back(to_array(item, source));
    const std::size_t n = sets[set].shape().back();
    const Shape shape = relaxation.has_matrix() ? Shape{n, n} : Shape{n};
    if (weights.back().shape() != shape) {
      bad_input(
          source, item.line, item.column,
          "expected weights " + to_text(shape) + ", found " + to_text(weights.back().shape()));
    }
  }
  return weights;
}

std::string to_table(const nlohmann::json& result) {
  std::string text =
      result["method"].get<std::string>() + ", tau = " + in_text("%g", result["tau"]) + "\n";
  std::size_t number = 0;
  for (const auto& set : result["sets"]) {
    const auto& order = set["permutation"];
    const bool scored = set["scores"].empty() || set["scores"].front().is_number();
    text += "\nset " + std::to_string(++number) + ", n = " + std::to_string(order.size()) + "\n";
    text += "  place  item";
    if (scored) text += "       score";
    if (set.contains("sorted")) text += "  soft sorted";
    if (set.contains("ranks")) text += "    soft rank";
    text += "\n";
    for (std::size_t place = 0; place < order.size(); ++place) {
      const std::size_t item = order[place];
      text += in_text("  %5.0f", double(place + 1)) + in_text(" %5.0f", double(item));
      if (scored) text += in_text("  %10.5g", set["scores"][item]);
      if (set.contains("sorted")) text += in_text("  %11.5g", set["sorted"][place]);
      if (set.contains("ranks")) text += in_text("  %11.5g", set["ranks"][item]);
      text += "\n";
    }
    if (!set.contains("P")) continue;
    if (order.size() > widest_heatmap) {
      text += "  P_hat does not fit here; --json prints it\n";
    } else {
      text += "  P_hat, places down, items across, from 0 to 1:  ░ ▒ ▓ █\n" + heatmap(set["P"]);
    }
  }
  return text;
}

void add_relax(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("relax", "sort sets of scores softly, by any operator");
  const auto options = std::make_shared<Options>();
  Relaxation& relaxation = options->relaxation;
  command->add_option("--method", options->method,
                      "neural_sort, soft_sort, sinkhorn, odd_even, bitonic, fast_soft_sort, "
                      "fast_soft_rank or lap_sum (default: neural_sort)");
  command->add_option("--tau", relaxation.tau,
                      "temperature; a strength for fast_soft_* (default: 1)");
  command->add_flag("--hard", relaxation.hard, "the sort itself, with the relaxation's gradient");
  command->add_option("--power", relaxation.power, "of soft_sort (default: 1)");
  command->add_option("--iterations", relaxation.sinkhorn.iterations, "of sinkhorn (default: 20)");
  command->add_option("--steepness", relaxation.steepness,
                      "of a network's swaps (default: 1 / tau)");
  command->add_option("--distribution", options->swap, "of a network's swaps (default: cauchy)")
      ->check(CLI::IsMember(
          {"logistic", "logistic_phi", "gaussian", "reciprocal", "cauchy", "optimal"}));
  command->add_option("--regularization", options->regularization, "of fast_soft_* (default: l2)")
      ->check(CLI::IsMember({"l2", "kl"}));
  CLI::Option* ascending = command->add_flag("--ascending", options->ascending, "smallest first");
  command->add_flag("--descending", options->descending, "largest first (default)")
      ->excludes(ascending);
  command->add_option("--dtype", options->dtype, "what to compute in (default: double)")
      ->check(CLI::IsMember({"double", "float"}));
  command->add_option("--weights", options->weights,
                      "JSON, one entry W a set: adds the gradient of sum(P * W), or of "
                      "sum(output * W) for methods without a matrix, to --json");
  command->add_option(
      "--input", options->input,
      "a set of scores a line, or n x n matrices as JSON (default: standard input)");
  command->add_flag("--json", options->json, "one JSON object instead of a table");
  command->callback([options, command] { run(*options, *command); });
}

}  // namespace tapesort
