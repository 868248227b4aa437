// tapesort sort: a network learns numbers from the order of sets of their pictures.
//
// A picture shows a number, its digits one above the other. The network gives a score for each
// picture of a set, and all it is told is the true order. Source: Grover, Wang, Zweig, Ermon, ICLR
// 2019, section 6.1.
#include "apps/experiments/digit_experiment.hpp"
#include "apps/experiments/scores.hpp"
#include "apps/experiments/sorting_methods.hpp"
#include "apps/program/program.hpp"
#include "models/saved_network.hpp"
#include "ops/matmul.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"

namespace tapesort {
namespace {

class SortTask : public DigitTask {
 public:
  SortTask(const DigitOptions& options, DigitPools& pools, Layer<float>& network,
           SortingMethod& method)
      : DigitTask("sort", options, pools), network_(network), method_(method) {}

  State<float> state() override {
    State<float> all = network_.state();
    method_.collect(all);
    return all;
  }

  std::map<std::string, std::string> metadata() const override {
    return network_metadata(options_.network, pools_.number_shape(), method_.outputs());
  }

  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const DigitSets& sets = pools_.batch(step);
    const Pass<float> pass{tape, true, &random};
    return method_.sorting_loss(pass, for_training(outputs_of(network_, pass, sets)), sets.labels);
  }

  double validate() override {
    SortingScores scores;
    bool first = true;
    pools_.for_validation([&](const DigitSets& sets) {
      const auto P_hat = look(sets, scores);
      if (P_hat && first) seen_.push_back(by_true_place(*P_hat, sets.labels));
      first = false;
    });
    return scores.permutations();
  }

  // P_hat (sets, n, n), of a method that gives one.
  std::optional<Array<float>> look(const DigitSets& sets, SortingScores& scores) {
    Tape<float> off(Recording::off);
    const Pass<float> pass{off};
    const Var<float> x = outputs_of(network_, pass, sets);
    const Indices order = method_.order(x.value());
    std::optional<Array<float>> P_hat;
    if (sorting_method(options_.method).gives == Gives::matrix) {
      P_hat = softmax(method_.logits(pass, x)).value();
    }
    scores.add(order, sets.labels, P_hat);
    return P_hat;
  }

  // P_hat of one validation set, at up to five validations of this process, of which the last was
  // after `epochs` epochs.
  std::vector<MatrixPlot> sharpening(std::size_t epochs) const {
    std::vector<MatrixPlot> plots;
    const std::size_t count = seen_.size(), shown = std::min<std::size_t>(count, 5);
    for (std::size_t i = 0; i < shown; ++i) {
      const std::size_t which = shown > 1 ? i * (count - 1) / (shown - 1) : 0;
      plots.push_back(
          {to_message("P_hat of a validation set, its items in their true order, after epoch ",
                      epochs - count + which + 1),
           seen_[which]});
    }
    return plots;
  }

 private:
  // Of the first set: row i's mass on items that belong at place k. Perfectly sorted, the identity.
  static Array<float> by_true_place(const Array<float>& P_hat, const Indices& labels) {
    const auto first = [](const Array<float>& sets) { return slice(constant(sets), 0, 0, 1); };
    const Var<float> mass = matmul(first(P_hat), transpose(first(true_rows(labels)), {0, 2, 1}));
    return with_shape(mass.value(), {mass.shape()[1], mass.shape()[2]});
  }

  Layer<float>& network_;
  SortingMethod& method_;
  std::vector<Array<float>> seen_;
};

void run_sort(DigitOptions& o) {
  const RunFolder folder(o);
  const MethodEntry& entry = sorting_method(o.method);
  if (o.tau == 0) o.tau = entry.tau;
  DigitPools pools(o);
  say(o, pools.text());

  Generator random = network_stream(o);
  const auto method = entry.make({o.n, o.tau, o.samples}, random);
  const auto network = make_network(o.network, pools.number_shape(), method->outputs(), random);
  SortTask task(o, pools, *network, *method);
  const TrainingResult result = train(task, o);

  SortingScores test;  // looked at once
  pools.for_test([&](const DigitSets& sets) { task.look(sets, test); });
  say(o, trained_text(result, "permutation accuracy " + percent(result.best_validation)));
  say(o, o.method, ", n = ", o.n, augmented_by(o), ": of ", o.test_sets, " test sets ",
      percent(test.permutations()), " sorted rightly, of their elements ", percent(test.elements()),
      " in the right place");
  Figures figures{{"permutation_accuracy", test.permutations()},
                  {"element_accuracy", test.elements()}};
  if (entry.gives == Gives::matrix) {
    say(o, "P_hat: ", percent(test.soft_elements()), " of its mass is on right elements, ",
        percent(test.gap()), " lies elsewhere than in the permutation it is read as");
    figures.push_back({"soft_element_accuracy", test.soft_elements()});
    figures.push_back({"soft_hard_gap", test.gap()});
  }
  finish(o, "sort", "sorting with " + o.method, result, figures,
         task.sharpening(result.epochs.size()));
}

}  // namespace

void add_sort(Command program) {
  const Command command =
      program.command("sort", "learn numbers from the order of sets of their pictures");
  const auto o = std::make_shared<DigitOptions>();
  command.setting("--method", o->method, "the relaxation of sorting that is trained through",
                  one_of(names_of(sorting_methods())));
  add_digit_options(command, *o);
  command.run([o] { run_sort(*o); });
}

}  // namespace tapesort
