#include "ops/plackett_luce.hpp"

#include <cmath>
#include <iomanip>
#include <iostream>
#include <map>

#include "apps/program/program.hpp"
#include "apps/tools/nested_numbers.hpp"
#include "engine/check.hpp"

namespace tapesort {
namespace {

struct OrderOptions {
  std::string file = "-";
  bool log_prob = false, weights = false, json = false;
  std::vector<std::string> orders;
  std::size_t samples = 0, top = 0;
  std::uint64_t seed = 1;
};

struct Input {
  std::vector<Array<double>> sets;
  std::vector<Indices> orders;
};

// Calls each(list) for every list of numbers among `lists`, or for `lists` if it is one.
template <class F> void for_each_list(Nested lists, const std::string& source, const F& each) {
  lists = as_list(std::move(lists), 1);
  for (const Nested& list : lists.items) {
    if (depth(list) != 1 || list.items.empty()) {
      bad_input(source, list, "expected a list of numbers");
    }
    each(list);
  }
}

Nested parse_some_lines(const std::string& text, const std::string& source) {
  Nested lines = parse_lines(text, source);
  if (lines.items.empty()) bad_input(source, lines, "no numbers; need a set of them on each line");
  return lines;
}

// JSON when it begins with {, else one set a line. Orders from the options come first.
Input read_input(const OrderOptions& o) {
  const std::string text = read_text(o.file), name = source_name(o.file);
  Input input;
  const auto add_set = [&](const Nested& list) { input.sets.push_back(to_array(list, name)); };
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string::npos && text[begin] == '{') {
    const std::map<std::string, Nested> object = parse_object(text, name);
    for (const auto& [key, value] : object) {
      require(key == "log_scores" || key == "order", name, ": unknown key '", key,
              "'; there are log_scores and order");
    }
    require(object.count("log_scores") > 0, name, ": no key log_scores");
    for_each_list(object.at("log_scores"), name, add_set);
    if (object.count("order") > 0) {
      for_each_list(object.at("order"), name,
                    [&](const Nested& list) { input.orders.push_back(to_indices(list, name)); });
    }
  } else {
    for_each_list(parse_some_lines(text, name), name, add_set);
  }
  if (!o.orders.empty()) input.orders.clear();
  for (const std::string& order : o.orders) {
    const Nested lines = parse_some_lines(order, "--order");
    input.orders.push_back(to_indices(lines.items.front(), "--order"));
  }
  return input;
}

// s, and where its numbers are weights e^s, the logarithm of them (differentiated through).
Array<double> log_scores_of(const OrderOptions& o, const Array<double>& set) {
  Array<double> s = set;
  if (!o.weights) return s;
  for (double& x : s) {
    require(x > 0, "--weights: ", x, " is not a positive number");
    x = std::log(x);
  }
  return s;
}

// Of a set: its log-probabilities, one a sample, and either their gradient or the sampled orders.
struct Result {
  Array<double> log_prob, grad;
  Indices orders;  // (samples, places)
};

Result log_prob_of(const OrderOptions& o, const Array<double>& set, const Indices& order) {
  Tape<double> tape;
  const Var<double> s = tape.leaf(log_scores_of(o, set));
  const Var<double> y = PlackettLuce<double>(s).log_prob(order);
  tape.backward(y);
  Array<double> grad = s.grad();
  for (std::size_t i = 0; o.weights && i < set.size(); ++i) grad.data()[i] /= set.data()[i];
  return {y.value(), std::move(grad), {}};
}

Result sample_of(const OrderOptions& o, const Array<double>& set, Generator& random) {
  const PlackettLuce<double> p(constant(log_scores_of(o, set)));
  const std::size_t n = set.size(), k = o.top == 0 ? n : o.top;
  require(k <= n, "--top is ", k, " for ", n, " items");
  const Indices whole = p.sample(random, {o.samples});
  Indices orders = uninitialized<Index>({o.samples, k});
  for (std::size_t r = 0; r < o.samples; ++r) {
    std::copy_n(whole.data() + r * n, k, orders.data() + r * k);
  }
  Array<double> log_prob = p.log_prob(orders).value();
  return {std::move(log_prob), {}, std::move(orders)};
}

// A line for each set: its log-probability, then the gradient; or a line for each order.
void print_lines(std::ostream& out, const OrderOptions& o, const std::vector<Result>& results) {
  out << std::setprecision(12);
  const char* between = "";
  for (const Result& result : results) {
    if (o.log_prob) {
      out << "log_prob " << result.log_prob.data()[0] << "  grad";
      for (const double g : result.grad) out << ' ' << g;
      out << '\n';
      continue;
    }
    out << std::exchange(between, "\n");
    const std::size_t k = result.orders.shape(1);
    for (std::size_t i = 0; i < result.orders.size(); ++i) {
      out << (i % k == 0 ? "" : " ") << result.orders.data()[i] << (i % k == k - 1 ? "\n" : "");
    }
  }
}

// One list a key, with an entry for each set.
void print_json(std::ostream& out, const OrderOptions& o, const std::vector<Result>& results) {
  const char* before = "{";
  const auto list = [&](const char* key, const auto& member) {
    out << std::exchange(before, ",") << '"' << key << "\":";
    const char* before_entry = "[";
    for (const Result& result : results) {
      out << std::exchange(before_entry, ",");
      write_json(out, result.*member);
    }
    out << ']';
  };
  if (o.log_prob) list("grad", &Result::grad);
  list("log_prob", &Result::log_prob);
  if (!o.log_prob) list("order", &Result::orders);
  out << "}\n";
}

void run(const OrderOptions& o) {
  const Input input = read_input(o);
  const std::size_t sets = input.sets.size(), orders = input.orders.size();
  require(!o.log_prob || orders > 0,
          "--log-prob needs the order to score: --order, or the key order of JSON input");
  require(!o.log_prob || orders == 1 || orders == sets, "there are ", sets, " sets of scores and ",
          orders, " orders; give one order for each set, or one for all");
  std::vector<Result> results;
  for (std::size_t i = 0; i < sets; ++i) {
    Generator random = Generator(o.seed).split(i);
    try {
      results.push_back(o.log_prob
                            ? log_prob_of(o, input.sets[i], input.orders[orders == 1 ? 0 : i])
                            : sample_of(o, input.sets[i], random));
    } catch (const std::invalid_argument& error) {
      bad_argument("set ", i + 1, ": ", error.what());
    }
  }
  std::ostream out(std::cout.rdbuf());  // std::cout may have been told how to format numbers
  o.json ? print_json(out, o, results) : print_lines(out, o, results);
  flush_output();
}

}  // namespace

void add_plackett_luce(Command program) {
  const Command command =
      program.command("pl", "Plackett-Luce: log-probability of an order, or sampled orders");
  const auto o = std::make_shared<OrderOptions>();
  command.add("FILE", o->file,
              "sets of log-scores, one a line, numbers separated by spaces or a comma, # begins "
              "a comment; or a JSON object {\"log_scores\": [[..], ..], \"order\": [[..], ..]}; "
              "- is standard input",
              file_name);
  const Option log_prob = command.add("--log-prob", o->log_prob,
                                      "the log-probability of an order of each set, and its "
                                      "gradient with respect to the numbers given");
  command
      .add(
          "--order", o->orders,
          "the order to score, as 2,0,1: item 2 first, then 0, then 1, counted from 0. Fewer items "
          "than the set has: the probability that these come first. One for all sets, or the "
          "option repeated for each")
      .repeated()
      .needs(log_prob);
  const Option sample =
      command.add("--sample", o->samples, "draw so many orders of each set", rounds)
          .excludes(log_prob);
  command.add("--top", o->top, "of every sampled order, only the first so many places", rounds)
      .needs(sample);
  command.add("--seed", o->seed, "of the samples", any_seed).needs(sample);
  command.add("--weights", o->weights, "the numbers are weights e^s, not log-scores s");
  command.add(
      "--json", o->json,
      "print one JSON object in full precision: {\"log_prob\": [..], \"grad\": [[..], ..]}, "
      "or {\"order\": [[[..], ..], ..], \"log_prob\": [[..], ..]}");
  command.run([o] {
    if (!o->log_prob && o->samples == 0) {
      not_understood("pl: one of --log-prob and --sample is required");
    }
    run(*o);
  });
}

}  // namespace tapesort
