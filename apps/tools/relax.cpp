#include "apps/tools/relax.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

#include "apps/program/program.hpp"
#include "apps/report/printed.hpp"
#include "apps/tools/nested_numbers.hpp"
#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "models/by_name.hpp"
#include "models/npy.hpp"

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
  RelaxRequest request;
  std::string method = "neural_sort", distribution = "cauchy", regularization = "l2";
  std::string dtype = "double", input = "-", weights, out;
  std::vector<double> taus{1};
  std::vector<std::size_t> mask, lengths;
  bool ascending = false, descending = false, json = false, csv = false;
};

bool is_npy(const std::string& file) {
  return file.size() > 4 && file.compare(file.size() - 4, 4, ".npy") == 0;
}

// The parts of so many axes of a .npy file: the sets, or matrices, that its other axes count.
std::vector<Array<double>> parts_of_npy(const std::string& file, std::size_t axes) {
  const Array<double> all = load_npy<double>(file);
  const Shape& shape = all.shape();
  require(shape.size() >= axes && all.size() > 0 &&
              (axes == 1 || shape.back() == shape[shape.size() - 2]),
          file, ": is ", shape, "; expected ", axes == 1 ? "sets (.., n)" : "matrices (.., n, n)",
          " that are not empty");
  const Shape part(shape.end() - std::ptrdiff_t(axes), shape.end());
  std::vector<Array<double>> parts;
  for (std::size_t start = 0; start < all.size(); start += parts.back().size()) {
    parts.push_back(uninitialized<double>(part));
    std::copy_n(all.data() + start, parts.back().size(), parts.back().data());
  }
  return parts;
}

// All results of one kind, one after the other along a new axis, as FOLDER/NAME.npy.
template <class T> class Collected {
 public:
  void add(const Array<T>& x, std::size_t sets) {
    if (at_ == 0) {
      Shape shape{sets};
      for (std::size_t extent : x.shape()) shape.push_back(extent);
      all_ = uninitialized<T>(shape);
    }
    std::copy_n(x.data(), x.size(), all_.data() + at_);
    at_ += x.size();
  }
  void save(const std::string& folder, const char* name) const {
    if (at_ > 0) save_npy(folder + "/" + name + ".npy", all_);
  }

 private:
  Array<T> all_;
  std::size_t at_ = 0;
};

template <class T>
void write_relaxed_arrays(const std::string& folder, const RelaxRequest& request) {
  const std::vector<Array<double>>& sets = request.sets;
  Collected<T> P, sorted, ranks, top_k, grad;
  Collected<Index> permutation;
  for (std::size_t set = 0; set < sets.size(); ++set) {
    require(sets[set].shape() == sets[0].shape(), "relax: set ", set + 1, " has ",
            sets[set].shape().back(), " scores, set 1 ", sets[0].shape().back(),
            "; arrays need sets of one size, --json does not");
    const Relaxed<T> result = relax<T>(request, set, true);
    if (result.P) P.add(*result.P, sets.size());
    if (result.sorted) sorted.add(*result.sorted, sets.size());
    if (result.ranks) ranks.add(*result.ranks, sets.size());
    if (result.top_k) top_k.add(*result.top_k, sets.size());
    if (result.grad) grad.add(*result.grad, sets.size());
    permutation.add(result.permutation, sets.size());
  }
  P.save(folder, "P");
  sorted.save(folder, "sorted");
  ranks.save(folder, "ranks");
  top_k.save(folder, "top_k");
  grad.save(folder, "grad");
  permutation.save(folder, "permutation");
}

struct NamedSwap {
  const char* name;
  Swap swap;
};
constexpr NamedSwap swaps[] = {{"logistic", Swap::logistic}, {"logistic_phi", Swap::logistic_phi},
                               {"gaussian", Swap::gaussian}, {"reciprocal", Swap::reciprocal},
                               {"cauchy", Swap::cauchy},     {"optimal", Swap::optimal}};

// --mask: the same of each set; --lengths: one of each set.
std::vector<ItemMask> masks_of(const RelaxOptions& o) {
  const std::vector<Array<double>>& sets = o.request.sets;
  std::vector<ItemMask> masks;
  require(o.lengths.empty() || o.lengths.size() == sets.size(), "relax: --lengths has ",
          o.lengths.size(), " numbers for ", sets.size(), " sets");
  for (std::size_t set = 0; set < sets.size(); ++set) {
    const std::size_t n = sets[set].shape().back();
    if (!o.lengths.empty()) {
      masks.push_back(ItemMask::of_lengths(scalar(Index(o.lengths[set])), n));
    } else if (!o.mask.empty()) {
      require(o.mask.size() == n, "relax: --mask has ", o.mask.size(), " items, set ", set + 1,
              " has ", n);
      Array<bool> valid = uninitialized<bool>({n});
      std::copy(o.mask.begin(), o.mask.end(), valid.begin());
      masks.emplace_back(valid);
    }
  }
  return masks;
}

void run(RelaxOptions& o, const Command& command) {
  RelaxRequest& request = o.request;
  Relaxation& relaxation = request.relaxation;
  relaxation.method = method_named(o.method);
  // An option of another method is refused: ignoring it would hide a mistake.
  const std::pair<const char*, std::vector<Method>> only_for[] = {
      {"--power", {Method::soft_sort}},
      {"--smoothing", {Method::neural_sort_smooth}},
      {"--samples", {Method::perturbed}},
      {"--seed", {Method::perturbed}},
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
  require(request.k == 0 || relaxation.has_top_k(), "relax: --top-k means nothing to ", o.method);
  require(
      request.k > 0 || relaxation.has_sorted() || relaxation.has_ranks() || relaxation.has_matrix(),
      "relax: ", o.method, " needs --top-k");
  if (o.csv + o.json + !o.out.empty() > 1) {
    not_understood("--csv, --json and --out exclude each other");
  }
  if (o.taus.size() > 1 && !o.csv) not_understood("several --tau require --csv");
  relaxation.tau = o.taus.front();
  if (!o.weights.empty() && !o.json && o.out.empty()) {
    not_understood("--weights requires --json or --out");
  }
  relaxation.swap = by_name(swaps, o.distribution, "relax", "distribution").swap;
  relaxation.regularization = o.regularization == "kl" ? Regularization::kl : Regularization::l2;
  relaxation.direction = o.ascending ? Direction::ascending : Direction::descending;

  request.sets = is_npy(o.input)
                     ? parts_of_npy(o.input, relaxation.method == Method::sinkhorn ? 2 : 1)
                     : read_sets(read_text(o.input), source_name(o.input), relaxation.method);
  request.masks = masks_of(o);
  if (is_npy(o.weights)) {
    request.weights = parts_of_npy(o.weights, relaxation.has_matrix() ? 2 : 1);
    require(request.weights.size() == request.sets.size(), o.weights, ": has ",
            request.weights.size(), " entries; expected ", request.sets.size(), ", one a set");
  } else if (!o.weights.empty()) {
    request.weights = read_weights(read_text(o.weights), source_name(o.weights), request);
  }
  std::ostream out(std::cout.rdbuf());  // std::cout may have been told how to format numbers
  const auto write = [&](auto zero) {
    using T = decltype(zero);
    if (o.csv) return write_relaxed_csv<T>(out, request, o.taus);
    if (!o.out.empty()) return write_relaxed_arrays<T>(o.out, request);
    if (o.json) return write_relaxed_json<T>(out, request);
    write_relaxed_table<T>(out, request);
  };
  o.dtype == "float" ? write(0.0f) : write(0.0);
  flush_output();
}

}  // namespace

template <class T> Relaxed<T> relax(const RelaxRequest& request, std::size_t set, bool matrix) {
  const Relaxation& r = request.relaxation;
  const bool weighted = !request.weights.empty();
  OptionalMask mask;
  if (!request.masks.empty()) mask = request.masks[set];
  Tape<T> tape(weighted ? Recording::on : Recording::off);
  const Var<T> input = tape.leaf(convert<T>(request.sets[set]));
  Relaxed<T> result;
  result.scores = input.value();
  std::optional<Var<T>> first;  // what the weights are for
  const auto value = [&](const Var<T>& output) {
    if (!first) first = output;
    return output.value();
  };
  if (r.has_matrix() && (matrix || weighted)) result.P = value(r.matrix(input, mask));
  if (r.has_sorted()) result.sorted = value(r.sorted(input, mask));
  if (r.has_ranks()) result.ranks = value(r.ranks(input, mask));
  if (request.k) result.top_k = value(r.top_k(input, request.k, mask));
  result.permutation = r.order(input.value(), mask);
  if (weighted) {
    tape.backward(*first, convert<T>(request.weights[set]));
    result.grad = input.grad();
  }
  return result;
}

template <class T> void write_relaxed_json(std::ostream& out, const RelaxRequest& request) {
  const char* before = "";
  for (std::size_t set = 0; set < request.sets.size(); ++set) {
    const Relaxed<T> result = relax<T>(request, set, true);
    if (set == 0) out << "{\"method\":\"" << name_of(request.relaxation.method) << "\",\"sets\":[";
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
    if (result.top_k) entry("top_k", *result.top_k);
    out << '}';
    before = ",";
  }
  out << "],\"tau\":";
  write_json(out, scalar(request.relaxation.tau));
  out << "}\n";
}

template <class T>
void write_relaxed_csv(std::ostream& out, RelaxRequest request, const std::vector<double>& taus) {
  const auto number = [&](double x) { write_json(out, scalar(x)); };
  out << "set,tau,place,item,score,soft_sorted,soft_rank" << (request.k ? ",top_k\n" : "\n");
  for (std::size_t set = 0; set < request.sets.size(); ++set) {
    for (const double tau : taus) {
      request.relaxation.tau = tau;
      const Relaxed<T> result = relax<T>(request, set, false);
      for (std::size_t place = 0; place < request.places(set); ++place) {
        const std::size_t item = std::size_t(result.permutation.data()[place]);
        out << set + 1 << ',';
        number(tau);
        out << ',' << place + 1 << ',' << item << ',';
        if (request.relaxation.method != Method::sinkhorn)
          number(double(result.scores.data()[item]));
        out << ',';
        if (result.sorted) number(double(result.sorted->data()[place]));
        out << ',';
        if (result.ranks) number(double(result.ranks->data()[item]));
        if (result.top_k) {
          out << ',';
          number(double(result.top_k->data()[item]));
        }
        out << '\n';
      }
    }
  }
}

template <class T> void write_relaxed_table(std::ostream& out, const RelaxRequest& request) {
  const Relaxation& relaxation = request.relaxation;
  for (std::size_t set = 0; set < request.sets.size(); ++set) {
    const std::size_t n = request.n(set), places = request.places(set);
    const bool fits = n <= widest_heatmap, scored = relaxation.method != Method::sinkhorn;
    const Relaxed<T> result = relax<T>(request, set, fits);
    if (set == 0) out << name_of(relaxation.method) << printed(", tau = %g\n", relaxation.tau);
    out << "\nset " << set + 1 << ", n = " << n;
    if (places < n) out << ", " << n - places << " masked";
    out << "\n  place  item" << (scored ? "       score" : "")
        << (result.sorted ? "  soft sorted" : "") << (result.ranks ? "    soft rank" : "")
        << (result.top_k ? "    top-k mass" : "") << "\n";
    for (std::size_t place = 0; place < places; ++place) {
      const std::size_t item = std::size_t(result.permutation.data()[place]);
      out << printed("  %5.0f", double(place + 1)) << printed(" %5.0f", double(item));
      if (scored) out << printed("  %10.5g", double(result.scores.data()[item]));
      if (result.sorted) out << printed("  %11.5g", double(result.sorted->data()[place]));
      if (result.ranks) out << printed("  %11.5g", double(result.ranks->data()[item]));
      if (result.top_k) out << printed("  %12.5g", double(result.top_k->data()[item]));
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

INSTANTIATE(relax)
INSTANTIATE(write_relaxed_json)
INSTANTIATE(write_relaxed_csv)
INSTANTIATE(write_relaxed_table)

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
                                        const RelaxRequest& request) {
  const std::vector<Array<double>>& sets = request.sets;
  const Nested nested = parse_nested(text, source);
  if (nested.items.size() != sets.size()) {
    bad_input(source, nested, "expected ", sets.size(), " entries, one a set, found ",
              nested.items.size());
  }
  std::vector<Array<double>> weights;
  for (std::size_t set = 0; set < sets.size(); ++set) {
    const Nested& item = nested.items[set];
    weights.push_back(to_array(item, source));
    const std::size_t n = request.n(set);
    const Shape shape = request.relaxation.has_matrix() ? Shape{n, n} : Shape{n};
    if (weights.back().shape() != shape) {
      bad_input(source, item, "expected weights ", shape, ", found ", weights.back().shape());
    }
  }
  return weights;
}

void add_relax(Command program) {
  const Command command = program.command("relax", "sort sets of scores softly, by any operator");
  const auto o = std::make_shared<RelaxOptions>();
  Relaxation& relaxation = o->request.relaxation;
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
              "neural_sort, neural_sort_smooth, soft_sort, sinkhorn, odd_even, bitonic, "
              "fast_soft_sort, fast_soft_rank, sparse_top_k, lap_sum, black_box_rank, perturbed or "
              "k_subset",
              {unknown_method, ""});
  command
      .add("--tau", o->taus,
           "temperature; a strength for fast_soft_* and sparse_top_k, lambda of black_box_rank, "
           "sigma of "
           "perturbed; with --csv, several",
           above_zero)
      .separated_by_commas();
  command.add("--hard", relaxation.hard, "the sort itself, with the relaxation's gradient");
  command.add("--top-k", o->request.k, "adds each item's mass among the first so many places",
              a_count);
  const Option mask =
      command.add("--mask", o->mask, "which items there are, for each set: 1,0,1", whole(0, 1));
  mask.separated_by_commas();
  command
      .add("--lengths", o->lengths, "how many items there are, the first ones of each set: 3,2",
           whole(0, 1000000000))
      .separated_by_commas()
      .excludes(mask);
  command.add("--smoothing", relaxation.smoothing, "of neural_sort_smooth (default: tau)",
              above_zero);
  command.add("--samples", relaxation.samples, "of perturbed", whole(2, 1000000));
  command.add("--seed", relaxation.seed, "of perturbed", any_seed);
  command.add("--power", relaxation.power, "of soft_sort", number(1e-3, 1e3));
  command.add("--iterations", relaxation.sinkhorn.iterations, "of sinkhorn", a_count);
  command.add("--steepness", relaxation.steepness, "of a network's swaps (default: 1 / tau)",
              above_zero);
  command.add("--distribution", o->distribution, "of a network's swaps", one_of(names_of(swaps)));
  command.add("--regularization", o->regularization, "of fast_soft_*", one_of({"l2", "kl"}));
  const Option ascending = command.add("--ascending", o->ascending, "smallest first");
  command.add("--descending", o->descending, "largest first (default)").excludes(ascending);
  command.add("--dtype", o->dtype, "what to compute in", one_of({"double", "float"}));
  command.add("--weights", o->weights,
              "JSON or .npy, one entry W a set: adds the gradient of sum(P * W), or of "
              "sum(output * W) for methods without a matrix, to --json and --out",
              file_name);
  command.add(
      "--input", o->input,
      "a set of scores a line, n x n matrices as JSON, or either as .npy; - is standard input",
      file_name);
  command.add("--json", o->json, "one JSON object instead of a table");
  command.add("--csv", o->csv, "a line for each set, tau and place instead of a table");
  command.add("--out", o->out, "a folder for P.npy, sorted.npy, ranks.npy, .. instead", file_name);
  command.run([o, command] { run(*o, command); });
}

}  // namespace tapesort
