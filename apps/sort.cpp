// tapesort sort: a network learns numbers from the order of sets of their pictures.
//
// A picture shows a number, its digits one above the other. The network gives a score for each
// picture of a set, and all it is told is the true order. Source: Grover, Wang, Zweig, Ermon, ICLR
// 2019, section 6.1.
#include "apps/commands.hpp"
#include "apps/digit_experiment.hpp"
#include "apps/report/progress.hpp"
#include "apps/scores.hpp"
#include "apps/sorting_methods.hpp"
#include "apps/stop_signals.hpp"
#include "engine/check.hpp"
#include "ops/softmax.hpp"

namespace tapesort {
namespace {

using Options = DigitOptions;

class SortTask : public Task {
 public:
  SortTask(const Options& options, DigitPools& pools, Layer<float>& network, SortingMethod& method)
      : options_(options), pools_(pools), network_(network), method_(method) {}

  std::string name() const override { return "sort"; }
  std::size_t steps_per_epoch() const override { return options_.epoch_steps; }
  std::size_t images_per_step() const override { return options_.batch * options_.n; }
  State<float> state() override {
    State<float> all = network_.state();
    method_.collect(all);
    return all;
  }

  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const DigitSets& sets = pools_.batch(step);
    const Pass<float> pass{tape, true, &random};
    return method_.sorting_loss(pass, outputs_of(network_, pass, sets), sets.labels);
  }

  double validate() override {
    SortingScores scores;
    pools_.for_validation([&](const DigitSets& sets) { look(sets, scores); });
    return scores.permutations();
  }

  void look(const DigitSets& sets, SortingScores& scores) {
    Tape<float> off(Recording::off);
    const Pass<float> pass{off};
    const Var<float> x = outputs_of(network_, pass, sets);
    scores.add(method_.order(x.value()), sets.labels);
    if (sorting_method(options_.method).gives == Gives::matrix) {
      scores.add_soft(softmax(method_.logits(pass, x)).value(), method_.order(x.value()),
                      sets.labels);
    }
  }

 private:
  const Options& options_;
  DigitPools& pools_;
  Layer<float>& network_;
  SortingMethod& method_;
};

int run_sort(Options o) {
  const RunFolder folder(o.out, o.save, o.resume);
  complete(o);
  const MethodEntry& entry = sorting_method(o.method);
  if (o.tau == 0) o.tau = entry.tau;
  DigitPools pools(o);
  say(o, pools.text());

  Generator random = network_stream(o);
  const auto method = entry.make({o.n, o.tau, o.samples}, random);
  const auto network = make_network(o.network, pools.number_shape(), method->outputs(), random);
  SortTask task(o, pools, *network, *method);
  const nlohmann::json settings = settings_of(o);
  const TrainingResult result = train(task, o, settings);
  if (result.interrupted) return status_of_signal(result.interrupted);

  SortingScores test;  // looked at once
  pools.for_test([&](const DigitSets& sets) { task.look(sets, test); });
  say(o, to_message("trained ", result.steps, " steps in ", duration_text(result.seconds),
                    "; best validation permutation accuracy ", percent(result.best_validation),
                    " after epoch ", result.best_epoch));
  say(o, to_message(o.method, ", n = ", o.n, augmented_by(o), ": of ", o.test_sets, " test sets ",
                    percent(test.permutations()), " sorted rightly, of their elements ",
                    percent(test.elements()), " in the right place"));
  nlohmann::json row = training_row("sort", settings, o, result);
  row["permutation_accuracy"] = test.permutations();
  row["element_accuracy"] = test.elements();
  if (entry.gives == Gives::matrix) {
    say(o,
        to_message("P_hat: ", percent(test.soft_elements()), " of its mass is on right elements, ",
                   percent(test.gap()), " lies elsewhere than in the permutation it is read as"));
    row["soft_element_accuracy"] = test.soft_elements();
    row["soft_hard_gap"] = test.gap();
  }
  finish(o, row, result, "sorting with " + o.method);
  return 0;
}

}  // namespace

void add_sort(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("sort", "learn numbers from the order of sets of their pictures");
  const auto o = std::make_shared<Options>();
  std::vector<std::string> names;
  for (const MethodEntry& entry : sorting_methods()) names.push_back(entry.name);
  command->add_option("--method", o->method, "the relaxation of sorting that is trained through")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  add_digit_options(*command, *o);
  add_training_options(*command, *o, "times over --epoch-steps steps");
  command->callback([o] {
    if (const int code = run_sort(*o)) throw CLI::RuntimeError(code);
  });
}

}  // namespace tapesort
