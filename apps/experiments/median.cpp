// tapesort median: a network learns to read numbers when all it is told is the median, or another
// quantile, of sets of their pictures.
//
// A network gives each picture a value, and the same or another one gives it a score. A relaxed
// permutation of the scores says how probable it is that a picture is the median; the value of that
// picture should be the true median. Source: Grover, Wang, Zweig, Ermon, ICLR 2019, section 6.2.
#include <cmath>
#include <optional>

#include "apps/experiments/digit_experiment.hpp"
#include "apps/experiments/scores.hpp"
#include "apps/experiments/sorting_methods.hpp"
#include "apps/program/program.hpp"
#include "engine/check.hpp"
#include "engine/parameter.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

constexpr double default_rate = 2e-3;

struct MedianOptions : DigitOptions {
  MedianOptions() {
    batch = 10;
    learning_rate = default_rate;
  }
  double quantile = 0.5;
  std::string scores = "values";

  // Where the quantile stands, counted from the largest: the nearest place.
  std::size_t place() const { return std::size_t(std::lround((1 - quantile) * double(n - 1))); }
  // Networks and losses see (number - middle) / unit, of the right size from the beginning
  // (tables.md, "What is the same, and what is not").
  double unit() const { return std::pow(10.0, double(digits) - 1); }
  double middle() const { return (10 * unit() - 1) / 2; }
};

// The number to predict for each set, as it is.
Array<double> quantiles(const DigitSets& sets, std::size_t place) {
  const std::size_t n = sets.labels.shape(1);
  Array<double> result = uninitialized<double>({sets.labels.shape(0)});
  for (std::size_t set = 0; set < result.size(); ++set) {
    std::vector<Index> sorted(sets.labels.data() + set * n, sets.labels.data() + (set + 1) * n);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    result.data()[set] = double(sorted[place]);
  }
  return result;
}

struct Prediction {
  Array<float> values;            // (sets), as the networks see them
  std::optional<Indices> picked;  // (sets), which item; none when none is picked
};

struct Outcome {
  RegressionScores regression;
  std::size_t picked = 0, picked_right = 0;
};

// What predicts a set's quantile.
class MedianTask : public DigitTask {
 public:
  MedianTask(const MedianOptions& options, DigitPools& pools)
      : DigitTask("median", options, pools), median_(options), n_(Index(options.n)) {}

  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const DigitSets& sets = pools_.batch(step);
    Array<double> goal = quantiles(sets, median_.place());
    for (double& y : goal) y = (y - median_.middle()) / median_.unit();
    return loss({tape, true, &random}, sets, convert<float>(goal));
  }

  // 1 - mean squared error / variance: largest where the error is smallest, as the sets are fixed.
  double validate() override {
    Outcome outcome;
    pools_.for_validation([&](const DigitSets& sets) { look(sets, outcome); });
    if (outcome.regression.variance() == 0) {
      fault("median: all ", median_.validation_sets,
            " validation sets have the same quantile, so no model can be ",
            "told from another by R2; raise --validation-sets or --digits");
    }
    return outcome.regression.r2();
  }

  void look(const DigitSets& sets, Outcome& outcome) {
    const Prediction predicted = predict(sets);
    const Array<double> truth = quantiles(sets, median_.place());
    for (std::size_t set = 0; set < truth.size(); ++set) {
      const double y = truth.data()[set];
      const double value = double(predicted.values.data()[set]);
      outcome.regression.add(value * median_.unit() + median_.middle(), y);
      if (!predicted.picked) continue;
      ++outcome.picked;
      const std::size_t item = std::size_t(predicted.picked->data()[set]);
      outcome.picked_right += double(sets.labels.data()[set * median_.n + item]) == y;
    }
  }

 protected:
  virtual Var<float> loss(const Pass<float>& pass, const DigitSets& sets,
                          const Array<float>& goal) = 0;
  virtual Prediction predict(const DigitSets& sets) = 0;

  const MedianOptions& median_;
  const Index n_;
};

// One number for all: its loss leads it to their mean.
class Constant : public MedianTask {
 public:
  Constant(const MedianOptions& o, DigitPools& pools, Generator&) : MedianTask(o, pools) {}
  State<float> state() override { return {{&number_}, {}}; }

 protected:
  Var<float> loss(const Pass<float>& pass, const DigitSets&, const Array<float>& goal) override {
    return mean(square(pass.tape.leaf(number_) - constant(goal)));
  }
  Prediction predict(const DigitSets& sets) override {
    return {full<float>({sets.labels.shape(0)}, number_.value.data()[0]), std::nullopt};
  }

 private:
  Parameter<float> number_{"number", scalar(0.0f)};
};

// The paper's "vanilla" network: ten features of every picture, all of them through small dense
// layers.
//
// Before anything is learned, features are nearly the same for every picture, so a ReLU with bias 0
// is on for all sets or off for all, and ten in a row are easily all off: then the output is one
// number for ever. Small positive biases let most begin on.
class Vanilla : public MedianTask {
 public:
  Vanilla(const MedianOptions& o, DigitPools& pools, Generator& random)
      : MedianTask(o, pools), features_(make_network(o.network, pools.number_shape(), 10, random)) {
    std::size_t in = 10 * o.n;
    for (const char* name : {"head1", "head2", "head3"}) {
      head_.add<Linear<float>>(name, in, 10, Init::fan_in, random).add<Relu<float>>();
      in = 10;
    }
    for (Parameter<float>* parameter : head_.state().parameters) {
      if (parameter->value.dimension() == 1) parameter->value.fill(0.1f);  // the biases
    }
    head_.add<Linear<float>>("head4", 10, 1, Init::fan_in, random);
  }
  State<float> state() override {
    State<float> all = features_->state();
    head_.collect(all);
    return all;
  }

 protected:
  Var<float> loss(const Pass<float>& pass, const DigitSets& sets,
                  const Array<float>& goal) override {
    return mean(square(forward(pass, sets) - constant(goal)));
  }
  Prediction predict(const DigitSets& sets) override {
    Tape<float> off(Recording::off);
    return {forward({off}, sets).value(), std::nullopt};
  }

 private:
  Var<float> forward(const Pass<float>& pass, const DigitSets& sets) {
    const Var<float> features = outputs_of(*features_, pass, sets);
    return reshape(head_.forward(pass, reshape(features, {-1, 10 * n_})), {-1});
  }

  std::unique_ptr<Layer<float>> features_;
  Sequential<float> head_;
};

// A network in a scope of its own: two networks of one kind would share their names.
struct Scoped {
  std::string prefix;
  std::unique_ptr<Layer<float>> network;

  Scoped(const std::string& name, std::unique_ptr<Layer<float>> layer)
      : prefix(name), network(std::move(layer)) {
    for (Parameter<float>* p : network->state().parameters) p->name = prefix + p->name;
  }
  void collect(State<float>& all) const {
    State<float> own = network->state();
    all.parameters.insert(all.parameters.end(), own.parameters.begin(), own.parameters.end());
    for (const auto& [name, value] : own.buffers) all.buffers.push_back({prefix + name, value});
  }
};

// Values, scores, and a sorting method between them. The scores come from a network of their own,
// as in the paper, or are the values themselves, scaled (why: tables.md, "What is the same, and
// what is not"). The factor is learned, or noise of a fixed size would always confuse numbers that
// are close.
class Picking : public MedianTask {
 public:
  Picking(const MedianOptions& o, DigitPools& pools, std::unique_ptr<SortingMethod> method,
          Generator& random)
      : MedianTask(o, pools),
        method_(std::move(method)),
        values_("values.", make_network(o.network, pools.number_shape(), 1, random)) {
    if (o.scores != "network") return;
    scores_.emplace("scores.",
                    make_network(o.network, pools.number_shape(), method_->outputs(), random));
  }

  State<float> state() override {
    State<float> all;
    if (scores_) {
      scores_->collect(all);
    } else {
      all.parameters.push_back(&log_factor_);
    }
    values_.collect(all);
    method_->collect(all);
    return all;
  }

 protected:
  Var<float> loss(const Pass<float>& pass, const DigitSets& sets,
                  const Array<float>& goal) override {
    const Var<float> v = values(pass, sets);
    return method_->expected_cost(pass, for_training(scores(pass, sets, v)), cost(v, goal),
                                  cost(stop_gradient(v), goal));
  }
  Prediction predict(const DigitSets& sets) override {
    Tape<float> off(Recording::off);
    const Pass<float> pass{off};
    const Var<float> v = values(pass, sets);
    const Indices order = method_->order(scores(pass, sets, v).value());
    const std::size_t count = order.shape(0), n = order.shape(1);
    Prediction p{uninitialized<float>({count}), uninitialized<Index>({count})};
    for (std::size_t set = 0; set < count; ++set) {
      const Index picked = order.data()[set * n + median_.place()];
      p.picked->data()[set] = picked;
      p.values.data()[set] = v.value().data()[set * n + std::size_t(picked)];
    }
    return p;
  }

 private:
  Var<float> values(const Pass<float>& pass, const DigitSets& sets) {
    return reshape(outputs_of(*values_.network, pass, sets), {-1, n_});
  }
  Var<float> scores(const Pass<float>& pass, const DigitSets& sets, const Var<float>& values) {
    if (scores_) return outputs_of(*scores_->network, pass, sets);
    return reshape(values * exp(pass.tape.leaf(log_factor_)), {-1, n_, 1});
  }

  // P (.., sets, n, n) -> (.., sets): with p the row of the quantile's place, (y - <p, v>)^2, or
  // for samples <p, (y - v)^2>, which is the same for a permutation.
  MatrixCost<float> cost(const Var<float>& v, const Array<float>& goal) const {
    const Var<float> y = constant(goal);
    const Var<float> y_of_item = constant(with_shape(goal, {goal.size(), 1}));
    const Index place = Index(median_.place());
    const bool linear = sorting_method(median_.method).linear_cost;
    return [=](const Var<float>& P) {
      const Var<float> row = slice(P, -2, place, place + 1);
      std::vector<Index> shape(P.shape().begin(), P.shape().end() - 1);
      shape.back() = Index(P.shape().back());
      const Var<float> p = reshape(row, shape);
      return linear ? sum(p * square(y_of_item - v), -1) : square(y - sum(p * v, -1));
    };
  }

  std::unique_ptr<SortingMethod> method_;
  Scoped values_;
  std::optional<Scoped> scores_;  // none: the values are the scores, times exp(log_factor)
  Parameter<float> log_factor_{"log_factor", scalar(0.0f)};
};

using Made = std::unique_ptr<MedianTask>;

template <class T> Made make(const MedianOptions& o, DigitPools& pools, Generator& random) {
  return std::make_unique<T>(o, pools, random);
}

// The methods that do not sort; any other one is a sorting method.
struct NoSorting {
  const char* name;
  Made (*make)(const MedianOptions&, DigitPools&, Generator&);
  double learning_rate;
};
constexpr NoSorting baselines[] = {
    {"constant", make<Constant>, default_rate},
    {"vanilla", make<Vanilla>, 7e-4},  // at 2e-3 four digits are rarely learned: see tables.md
};

const NoSorting* baseline_of(const MedianOptions& o) {
  for (const NoSorting& baseline : baselines) {
    if (o.method == baseline.name) return &baseline;
  }
  return nullptr;
}

// Fills in what depends on the method: tau, and where scores come from.
Made make_task(MedianOptions& o, DigitPools& pools, Generator& random) {
  if (const NoSorting* baseline = baseline_of(o)) return baseline->make(o, pools, random);
  // Where each value has a cost of its own, the mass on neighbours would draw all values together.
  const MethodEntry& entry = sorting_method(o.method);
  if (o.tau == 0) o.tau = entry.linear_cost ? 1 : entry.tau;
  auto method = entry.make({o.n, o.tau, o.samples}, random);
  if (method->outputs() > 1) o.scores = "network";  // one value would not be enough
  return std::make_unique<Picking>(o, pools, std::move(method), random);
}

void run_median(MedianOptions& o) {
  const RunFolder folder(o);
  DigitPools pools(o);
  say(o, pools.text());
  Generator random = network_stream(o);
  const Made task = make_task(o, pools, random);
  const TrainingResult result = train(*task, o);

  Outcome test;  // looked at once
  pools.for_test([&](const DigitSets& sets) { task->look(sets, test); });
  const RegressionScores& scores = test.regression;
  say(o, trained_text(result, to_message("R2 ", result.best_validation)));
  say(o, o.method, ", n = ", o.n, augmented_by(o), ": on ", o.test_sets,
      " test sets mean squared error ", scores.mean_squared_error(), ", R2 ", scores.r2(),
      " as 1 - error / variance, ", scores.squared_correlation(), " as squared correlation");
  Figures figures{{"mean_squared_error", scores.mean_squared_error()},
                  {"r2", scores.r2()},
                  {"squared_correlation", scores.squared_correlation()}};
  if (test.picked > 0) {
    figures.push_back({"picked_right", double(test.picked_right) / double(test.picked)});
    say(o, "the right element was picked in ", percent(figures.back().second), " of the sets");
  }
  finish(o, "median", "median by " + o.method, result, figures);
}

}  // namespace

void add_median(Command program) {
  const Command command =
      program.command("median", "learn to read numbers from the medians of sets of their pictures");
  const auto o = std::make_shared<MedianOptions>();
  std::vector<std::string> methods = names_of(baselines);
  for (const MethodEntry& entry : sorting_methods()) {
    if (entry.gives != Gives::ranks) methods.push_back(entry.name);
  }
  command.setting("--method", o->method, "what finds the median", one_of(methods));
  command.setting("--quantile", o->quantile, "which number to learn, 0: the smallest one",
                  number(0, 1));
  command.setting(
      "--scores", o->scores,
      "what is sorted by: the values that the network reads, scaled, or the outputs of a second "
      "network, as in the paper (and as for methods that need n numbers for a picture)",
      one_of({"values", "network"}));
  std::string rates = to_message(o->learning_rate);
  for (const NoSorting& b : baselines) {
    if (b.learning_rate != default_rate) rates += to_message(", ", b.name, " ", b.learning_rate);
  }
  add_digit_options(command, *o);
  command.option("--lr").shows_default(rates);
  command.run([o, command] {
    const NoSorting* baseline = baseline_of(*o);
    if (baseline && command.given("--lr").empty()) o->learning_rate = baseline->learning_rate;
    run_median(*o);
  });
}

}  // namespace tapesort
