#include "apps/trainer.hpp"

#include <csignal>

#include "models/checkpoint.hpp"
#include "op_table.hpp"
#include "ops/softmax.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// Fits a line to noise that depends on the step alone; asks to be interrupted after one step.
class LineTask : public Task {
 public:
  explicit LineTask(std::size_t interrupt_at = 1000000) : interrupt_at_(interrupt_at) {
    net_.add<Linear<float>>("fc", 3, 1, Init::fan_in, init_);
    net_.add<Dropout<float>>(0.2);
  }
  std::string name() const override { return "line"; }
  std::size_t steps_per_epoch() const override { return 5; }
  std::size_t images_per_step() const override { return 8; }
  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    if (step == interrupt_at_) std::raise(SIGINT);
    const auto x = tape.constant(random.normal<float>({8, 3}));
    const auto goal = tape.constant(random.normal<float>({8, 1}, 1.0f, 0.1f));
    return mse(net_.forward({tape, true, &random}, x), goal);
  }
  double validate() override {
    double total = 0;
    for (const Parameter<float>* p : state().parameters) {
      for (float v : p->value) total -= std::abs(double(v) - 0.5);
    }
    return total;
  }
  State<float> state() override { return net_.state(); }

 private:
  Generator init_{5};
  Sequential<float> net_;
  std::size_t interrupt_at_;
};

struct Outcome {
  TrainingResult result;
  std::vector<Array<float>> values;
};

Outcome run(LineTask& task, const TrainerOptions& options) {
  Adam<float> optimizer(task.state().parameters, 0.05);
  Outcome outcome{train(task, optimizer, options), {}};
  for (const Parameter<float>* p : task.state().parameters) outcome.values.push_back(p->value);
  return outcome;
}

}  // namespace

TEST_CASE("a training that was interrupted and resumed equals one that was not, bit for bit") {
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 6;
  options.learning_rate = 0.05;
  options.schedule = Schedule::cosine;
  options.seed = 3;
  options.settings = {{"batch", 8}};

  LineTask whole_task;
  const Outcome whole = run(whole_task, options);
  CHECK(!whole.result.interrupted);
  CHECK(whole.result.steps == 30);
  CHECK(whole.result.epochs.size() == 6);

  options.checkpoint = folder / "checkpoint.safetensors";
  LineTask first_task(/*interrupt_at=*/12);
  const Outcome first = run(first_task, options);
  CHECK(first.result.interrupted);
  CHECK(first.result.steps == 13);

  options.resume = true;
  LineTask second_task;
  const Outcome second = run(second_task, options);
  CHECK(second.result.steps == 30);
  CHECK(second.values == whole.values);
  CHECK(second.result.best_epoch == whole.result.best_epoch);
  REQUIRE(second.result.epochs.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(second.result.epochs[i].loss == whole.result.epochs[i].loss);
    CHECK(second.result.epochs[i].validation == whole.result.epochs[i].validation);
  }

  options.settings = {{"batch", 16}};
  LineTask other;
  CHECK(error_of([&] { run(other, options); }) ==
        "exception: " + options.checkpoint +
            ": was made with batch = 8, this run has 16; resume with the same settings, or start "
            "anew "
            "elsewhere");
}

TEST_CASE("a training that is over can be resumed: nothing is added, and it ends as it did") {
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 1000000;
  options.minutes = 1e-9;  // over after one step, in the middle of an epoch
  options.checkpoint = folder / "checkpoint.safetensors";
  options.resume = true;
  LineTask task, again;
  const Outcome first = run(task, options), second = run(again, options);
  CHECK(first.result.steps == 1);
  CHECK(second.result.steps == 1);
  CHECK(second.values == first.values);
  CHECK(second.result.seconds == first.result.seconds);
  CHECK(first.result.epochs.size() == 1);
  CHECK(second.result.epochs.size() == 1);
  CHECK(second.result.epochs[0].loss == first.result.epochs[0].loss);
}

TEST_CASE("Ctrl-C during the last validation is not forgotten, and what was validated is kept") {
  class Interrupted : public LineTask {
   public:
    double validate() override {
      std::raise(SIGINT);
      return LineTask::validate();
    }
  };
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 1000000;
  options.minutes = 1e-9;
  options.checkpoint = folder / "checkpoint.safetensors";
  options.resume = true;
  Interrupted task;
  CHECK(run(task, options).result.interrupted);
  LineTask again;
  const Outcome resumed = run(again, options);
  CHECK(!resumed.result.interrupted);
  CHECK(resumed.result.steps == 1);
  CHECK(resumed.result.epochs.size() == 1);
}

TEST_CASE("a checkpoint whose progress is faulty is refused by name") {
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 1;
  options.checkpoint = folder / "checkpoint.safetensors";
  options.resume = true;
  Checkpoint<float> checkpoint;
  checkpoint.metadata = {{"progress", R"({"steps": null})"}, {"settings", "null"}};
  save_checkpoint(options.checkpoint, checkpoint);
  LineTask task;
  CHECK(error_of([&] {
          run(task, options);
        }).rfind("exception: " + options.checkpoint + ": its training cannot be resumed: ", 0) ==
        0);
}

TEST_CASE("the state that a training ends with is that of the best validation") {
  TrainerOptions options;
  options.epochs = 8;
  options.learning_rate = 0.2;
  LineTask task;
  const Outcome outcome = run(task, options);
  double best = -1e9;
  for (const auto& epoch : outcome.result.epochs) best = std::max(best, epoch.validation);
  CHECK(outcome.result.best_validation == best);
  CHECK(task.validate() == best);
  CHECK(outcome.result.epochs[outcome.result.best_epoch - 1].validation == best);
}
