#include "apps/tools/relax.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

#include "apps/program/program.hpp"
#include "apps/report/printed.hpp"
#include "apps/tools/nested_numbers.hpp"
#include "engine/check.hpp"
#include "models/by_name.hpp"

namespace tapesort {
namespace {

// Above this, a matrix does not fit on a terminal.
constexpr std::size_t widest_heatmap = 48;

// Two columns a number, five shades from 0 to 1.
template <class T> void write_heatmap(std::ostream& out, const Array<T>& P) {
  static const char* const shades[] = {"  ", "░░", "▒▒", "▓▓", "██"};
  const std::size_t n = P.shape(1);
  for (std::size_t i = 0; i < P.size(); ++i) {
    if (i % n == 0) out << "  |";
    out << shades[std::clamp(int(double(P.data()[i]) * 4 + 0.5), 0, 4)];
    if (i % n == n - 1) out << "|\n";
  }
}

struct RelaxOptions {
  Relaxation relaxation;
  std::string method = "neural_sort", distribution = "cauchy", regularization = "l2";
  std::string dtype = "double", input = "-", weights;
  bool ascending = false, descending = false, json = false;
};

struct NamedSwap {
  const char* name;
  Swap swap;
};
constexpr NamedSwap swaps[] = {{"logistic", Swap::logistic}, {"logistic_phi", Swap::logistic_phi},
                               {"gaussian", Swap::gaussian}, {"reciprocal", Swap::reciprocal},
                               {"cauchy", Swap::cauchy},     {"optimal", Swap::optimal}};

void run(RelaxOptions& o, const Command& command) {
  Relaxation& relaxation = o.relaxation;
  relaxation.method = method_named(o.method);
  // An option of another method is refused: ignoring it would hide a mistake.
  const std::pair<const char*, std::vector<Method>> only_for[] = {
      {"--power", {Method::soft_sort}},
      {"--iterations", {Method::sinkhorn}},
      {"--steepness", {Method::odd_even, Method::bitonic}},
      {"--distribution", {Method::odd_even, Method::bitonic}},
      {"--regularization", {Method::fast_soft_sort, Method::fast_soft_rank}}};
  for (const auto& [option, methods] : only_for) {
    const bool fits = std::find(methods.begin(), methods.end(), relaxation.method) != methods.end();
    require(fits || command.given(option).empty(), "relax: ", option, " means nothing to ",
            o.method);
  }
  require(relaxation.method != Method::sinkhorn || !(o.ascending || o.descending),
          "relax: a direction means nothing to sinkhorn: row i of its logits is place i");
  relaxation.swap = by_name(swaps, o.distribution, "relax", "distribution").swap;
  relaxation.regularization = o.regularization == "kl" ? Regularization::kl : Regularization::l2;
  relaxation.direction = o.ascending ? Direction::ascending : Direction::descending;

  const std::vector<Array<double>> sets =
      read_sets(read_text(o.input), source_name(o.input), relaxation.method);
  std::vector<Array<double>> weights;
  if (!o.weights.empty()) {
    weights = read_weights(read_text(o.weights), source_name(o.weights), relaxation, sets);
  }
  std::ostream out(std::cout.rdbuf());  // std::cout may have been told how to format numbers
  const auto write = [&](auto zero) {
    using T = decltype(zero);
    if (o.json) return write_relaxed_json<T>(out, relaxation, sets, weights);
    write_relaxed_table<T>(out, relaxation, sets);
  };
  o.dtype == "float" ? write(0.0f) : write(0.0);
  flush_output();
}

}  // namespace

template <class T>
Relaxed<T> relax(const Relaxation& relaxation, const Array<double>& set,
                 const Array<double>* weights, bool matrix) {
  Tape<T> tape(weights ? Recording::on : Recording::off);
  const Var<T> input = tape.leaf(convert<T>(set));
  Relaxed<T> result;
  result.scores = input.value();
  std::optional<Var<T>> first;  // what the weights are for
  const auto value = [&](const Var<T>& output) {
    if (!first) first = output;
    return output.value();
  };
  if (relaxation.has_matrix() && (matrix || weights)) result.P = value(relaxation.matrix(input));
  if (relaxation.has_sorted()) result.sorted = value(relaxation.sorted(input));
  if (relaxation.has_ranks()) result.ranks = value(relaxation.ranks(input));
  result.permutation = relaxation.order(input.value());
  if (weights) {
    tape.backward(*first, convert<T>(*weights));
    result.grad = input.grad();
  }
  return result;
}

template <class T>
void write_relaxed_json(std::ostream& out, const Relaxation& relaxation,
                        const std::vector<Array<double>>& sets,
                        const std::vector<Array<double>>& weights) {
  const char* before = "";
  for (std::size_t set = 0; set < sets.size(); ++set) {
    const Relaxed<T> result =
        relax<T>(relaxation, sets[set], weights.empty() ? nullptr : &weights[set], true);
    if (set == 0) out << "{\"method\":\"" << name_of(relaxation.method) << "\",\"sets\":[";
    out << before;
    const char* brace_or_comma = "{";
    const auto entry = [&](const char* key, const auto& x) {
      out << std::exchange(brace_or_comma, ",") << '"' << key << "\":";
      write_json(out, x);
    };
    if (result.P) entry("P", *result.P);
    if (result.grad) entry("grad", *result.grad);
    entry("permutation", result.permutation);
    if (result.ranks) entry("ranks", *result.ranks);
    entry("scores", result.scores);
    if (result.sorted) entry("sorted", *result.sorted);
    out << '}';
    before = ",";
  }
  out << "],\"tau\":";
  write_json(out, scalar(relaxation.tau));
  out << "}\n";
}

template <class T>
void write_relaxed_table(std::ostream& out, const Relaxation& relaxation,
                         const std::vector<Array<double>>& sets) {
  for (std::size_t set = 0; set < sets.size(); ++set) {
    const std::size_t n = sets[set].shape().back();
    const bool fits = n <= widest_heatmap, scored = relaxation.method != Method::sinkhorn;
    const Relaxed<T> result = relax<T>(relaxation, sets[set], nullptr, fits);
    if (set == 0) out << name_of(relaxation.method) << printed(", tau = %g\n", relaxation.tau);
    out << "\nset " << set + 1 << ", n = " << n << "\n  place  item"
        << (scored ? "       score" : "") << (result.sorted ? "  soft sorted" : "")
        << (result.ranks ? "    soft rank" : "") << "\n";
    for (std::size_t place = 0; place < n; ++place) {
      const std::size_t item = std::size_t(result.permutation.data()[place]);
      out << printed("  %5.0f", double(place + 1)) << printed(" %5.0f", double(item));
      if (scored) out << printed("  %10.5g", double(result.scores.data()[item]));
      if (result.sorted) out << printed("  %11.5g", double(result.sorted->data()[place]));
      if (result.ranks) out << printed("  %11.5g", double(result.ranks->data()[item]));
      out << "\n";
    }
    if (!relaxation.has_matrix()) continue;
    if (!fits) {
      out << "  P_hat does not fit here; --json prints it\n";
    } else {
      out << "  P_hat, places down, items across, from 0 to 1:  ░ ▒ ▓ █\n";
      write_heatmap(out, *result.P);
    }
  }
}

#define INSTANTIATE(T)                                                                        \
  template Relaxed<T> relax<T>(const Relaxation&, const Array<double>&, const Array<double>*, \
                               bool);                                                         \
  template void write_relaxed_json<T>(std::ostream&, const Relaxation&,                       \
                                      const std::vector<Array<double>>&,                      \
                                      const std::vector<Array<double>>&);                     \
  template void write_relaxed_table<T>(std::ostream&, const Relaxation&,                      \
                                       const std::vector<Array<double>>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

std::vector<Array<double>> read_sets(const std::string& text, const std::string& source,
                                     Method method) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  const bool json = start != std::string::npos && text[start] == '[';
  Nested nested = json ? parse_nested(text, source) : parse_lines(text, source);
  if (json != (method == Method::sinkhorn)) {
    bad_input(source, nested,
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
      bad_input(source, item, "expected an n x n matrix, found ", shape);
    }
  }
  if (sets.empty()) bad_input(source, nested, "there are no scores");
  return sets;
}

std::vector<Array<double>> read_weights(const std::string& text, const std::string& source,
                                        const Relaxation& relaxation,
                                        const std::vector<Array<double>>& sets) {
  const Nested nested = parse_nested(text, source);
  if (nested.items.size() != sets.size()) {
    bad_input(source, nested, "expected ", sets.size(), " entries, one a set, found ",
              nested.items.size());
  }
  std::vector<Array<double>> weights;
  for (std::size_t set = 0; set < sets.size(); ++set) {
    const Nested& item = nested.items[set];
    weights.push_back(to_array(item, source));
    const std::size_t n = sets[set].shape().back();
    const Shape shape = relaxation.has_matrix() ? Shape{n, n} : Shape{n};
    if (weights.back().shape() != shape) {
      bad_input(source, item, "expected weights ", shape, ", found ", weights.back().shape());
    }
  }
  return weights;
}

void add_relax(Command program) {
  const Command command = program.command("relax", "sort sets of scores softly, by any operator");
  const auto o = std::make_shared<RelaxOptions>();
  Relaxation& relaxation = o->relaxation;
  const Check above_zero = number(1e-300, 1e300);
  const auto unknown_method = [](const std::string& name) {
    try {
      method_named(name);
      return std::string();
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
  };
  command.add("--method", o->method,
              "neural_sort, soft_sort, sinkhorn, odd_even, bitonic, fast_soft_sort, "
              "fast_soft_rank or lap_sum",
              {unknown_method, ""});
  command.add("--tau", relaxation.tau, "temperature; a strength for fast_soft_*", above_zero);
  command.add("--hard", relaxation.hard, "the sort itself, with the relaxation's gradient");
  command.add("--power", relaxation.power, "of soft_sort", number(1e-3, 1e3));
  command.add("--iterations", relaxation.sinkhorn.iterations, "of sinkhorn", a_count);
  command.add("--steepness", relaxation.steepness, "of a network's swaps (default: 1 / tau)",
              above_zero);
  command.add("--distribution", o->distribution, "of a network's swaps", one_of(names_of(swaps)));
  command.add("--regularization", o->regularization, "of fast_soft_*", one_of({"l2", "kl"}));
  const Option ascending = command.add("--ascending", o->ascending, "smallest first");
  command.add("--descending", o->descending, "largest first (default)").excludes(ascending);
  command.add("--dtype", o->dtype, "what to compute in", one_of({"double", "float"}));
  const Option weights =
      command.add("--weights", o->weights,
                  "JSON, one entry W a set: adds the gradient of sum(P * W), or of "
                  "sum(output * W) for methods without a matrix, to --json",
                  file_name);
  command.add("--input", o->input,
              "a set of scores a line, or n x n matrices as JSON; - is standard input", file_name);
  weights.needs(command.add("--json", o->json, "one JSON object instead of a table"));
  command.run([o, command] { run(*o, command); });
}

}  // namespace tapesort
