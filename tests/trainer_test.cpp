#include "apps/training/trainer.hpp"

#include <unistd.h>

#include <csignal>
#include <limits>

#include "engine/parameter.hpp"
#include "models/checkpoint.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/reduce.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// Fits a line to noise that depends on the step alone; in one step does what it is told.
class LineTask : public Task {
 public:
  explicit LineTask(std::size_t at_step = 1000000, std::function<void()> do_this = {})
      : at_step_(at_step), do_this_(std::move(do_this)) {
    net_.add<Linear<float>>("fc", 3, 1, Init::fan_in, init_);
    net_.add<Dropout<float>>(0.2);
  }
  std::string name() const override { return "line"; }
  std::size_t steps_per_epoch() const override { return steps; }
  std::size_t images_per_step() const override { return 8; }
  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    if (step == at_step_) do_this_();
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

  std::size_t steps = 5;  // an epoch

 private:
  Generator init_{5};
  Sequential<float> net_;
  std::size_t at_step_;
  std::function<void()> do_this_;
};

// A signal's handling, while one lives: how the tests are run decides it otherwise.
class Disposition {
 public:
  Disposition(int signal, void (*handler)(int))
      : signal_(signal), before_(std::signal(signal, handler)) {}
  ~Disposition() { std::signal(signal_, before_); }
  Disposition(const Disposition&) = delete;
  Disposition& operator=(const Disposition&) = delete;

 private:
  int signal_;
  void (*before_)(int);
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
  options.schedule = "cosine";
  options.seed = 3;
  options.settings = R"({"batch": 8})";

  LineTask whole_task;
  const Outcome whole = run(whole_task, options);
  CHECK(!whole.result.interrupted);
  CHECK(whole.result.steps == 30);
  CHECK(whole.result.epochs.size() == 6);

  options.checkpoint = folder / "checkpoint.safetensors";
  options.resume = true;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
    CAPTURE(signal);
    const Disposition normal(signal, SIG_DFL);
    std::filesystem::remove(options.checkpoint);
    LineTask first_task(12, [&] { std::raise(signal); });
    const Outcome first = run(first_task, options);
    CHECK(first.result.interrupted == signal);
    CHECK(first.result.steps == 13);

    LineTask second_task;
    const Outcome second = run(second_task, options);
    CHECK(second.result.interrupted == 0);
    CHECK(second.result.steps == 30);
    CHECK(second.values == whole.values);
    CHECK(second.result.best_epoch == whole.result.best_epoch);
    REQUIRE(second.result.epochs.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(second.result.epochs[i].loss == whole.result.epochs[i].loss);
      CHECK(second.result.epochs[i].validation == whole.result.epochs[i].validation);
    }
  }

  options.settings = R"({"batch": 16})";
  LineTask other;
  CHECK(error_of([&] { run(other, options); }) ==
        "exception: " + options.checkpoint +
            ": was made with batch = 8, this run has 16; resume with the same settings, or start "
            "anew "
            "elsewhere");
}

TEST_CASE("a finished training goes on with more epochs, when its schedule is constant") {
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 4;
  options.seed = 3;
  LineTask whole_task;
  const Outcome whole = run(whole_task, options);

  options.checkpoint = folder / "checkpoint.safetensors";
  options.resume = true;
  options.epochs = 2;
  options.settings = R"({"epochs": 2, "schedule": "constant"})";
  LineTask first_task;
  run(first_task, options);
  options.epochs = 4;
  options.settings = R"({"epochs": 4, "schedule": "constant"})";
  LineTask second_task;
  const Outcome second = run(second_task, options);
  CHECK(second.result.steps == 20);
  CHECK(second.values == whole.values);

  for (const char* settings :
       {R"({"epochs": 3, "schedule": "constant"})", R"({"epochs": 5, "schedule": "cosine"})"}) {
    options.settings = settings;
    LineTask task;
    CHECK(error_of([&] { run(task, options); }).find("was made with ") != std::string::npos);
  }
}

TEST_CASE("the mean of the last part's weights is kept when it is asked for, and resumed as well") {
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 4;  // of 5 steps
  options.seed = 3;
  options.average = 0.5;
  LineTask mean_task;
  const Outcome mean = run(mean_task, options);
  CHECK(mean.result.averaged);
  REQUIRE(mean.result.epochs.size() == 5);  // the last one: the mean
  CHECK(mean.result.best_epoch == 5);
  CHECK(mean.result.best_validation == mean_task.validate());
  std::vector<Array<float>> last;  // after each of the last ten steps
  for (std::size_t steps = 11; steps <= 20; ++steps) {
    TrainerOptions shorter = options;
    shorter.average = 0;
    LineTask task;
    shorter.epochs = 1;
    task.steps = steps;
    last.push_back(run(task, shorter).values.at(0));
  }
  Array<double> expected = zeros<double>(last[0].shape());
  for (const Array<float>& values : last) expected += convert<double>(values) / 10.0;
  CHECK(distance(convert<double>(mean.values.at(0)), expected) < 1e-6);

  options.checkpoint = folder / "checkpoint.safetensors";
  options.resume = true;
  const Disposition normal(SIGINT, SIG_DFL);
  LineTask first_task(14, [&] { std::raise(SIGINT); });
  CHECK(run(first_task, options).result.interrupted == SIGINT);
  LineTask second_task;
  const Outcome second = run(second_task, options);
  CHECK(second.values == mean.values);
  LineTask third_task;  // nothing is left to do
  const Outcome third = run(third_task, options);
  CHECK(third.values == mean.values);
  CHECK(third.result.epochs.size() == 5);
}

TEST_CASE(
    "a signal that was passed on, and lines that nobody reads, do not end a training at once") {
  const Disposition normal(SIGTERM, SIG_DFL), no_reader(SIGPIPE, SIG_DFL);
  TrainerOptions options;
  options.epochs = 2;
  LineTask task(3, [] {
    sigqueue(getpid(), SIGTERM, {});
    std::raise(SIGTERM);
    sigqueue(getpid(), SIGTERM, {});
    std::raise(SIGPIPE);
    std::raise(SIGPIPE);
  });
  const TrainingResult result = run(task, options).result;
  CHECK(result.interrupted == SIGTERM);
  CHECK(result.steps == 4);
}

TEST_CASE("under nohup, a terminal that is closed does not stop a training") {
  const Disposition nohup(SIGHUP, SIG_IGN);
  TrainerOptions options;
  options.epochs = 2;
  LineTask task(3, [] { std::raise(SIGHUP); });
  const TrainingResult result = run(task, options).result;
  CHECK(result.interrupted == 0);
  CHECK(result.steps == 10);
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

TEST_CASE("a checkpoint that cannot be resumed in any part changes nothing") {
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 6;
  options.resume = true;
  const std::string whole = folder / "whole";
  options.checkpoint = whole;
  LineTask first(12, [] { std::raise(SIGINT); });
  run(first, options);
  const Checkpoint<float> good = load_checkpoint<float>(whole);
  options.checkpoint = folder / "changed";

  const auto fault = [&](const auto& change) {
    Checkpoint<float> changed = good;
    change(changed);
    save_checkpoint(options.checkpoint, changed);
    LineTask task;
    Adam<float> optimizer(task.state().parameters, 0.05);
    std::vector<Array<float>> before, after;
    const auto look = [&](std::vector<Array<float>>& at) {
      for (const Parameter<float>* p : task.state().parameters) at.push_back(p->value);
      for (const auto& memory : optimizer.memory()) at.push_back(*memory.value);
    };
    look(before);
    const std::string error = error_of([&] { train(task, optimizer, options); });
    look(after);
    CHECK(after == before);
    CHECK(optimizer.steps() == 0);
    const std::string start = "exception: " + options.checkpoint + ": ";
    REQUIRE(error.substr(0, start.size()) == start);
    return error.substr(start.size());
  };
  const auto progress = [&](const std::string& key, const nlohmann::json& value) {
    return fault([&](Checkpoint<float>& c) {
      nlohmann::json changed = nlohmann::json::parse(c.metadata["progress"]);
      changed[key] = value;
      c.metadata["progress"] = changed.dump();
    });
  };
  const std::string cannot = "its training cannot be resumed: ";
  CHECK(progress("steps", -1) == cannot + "steps is -1; expected a whole number, 0 .. 30");
  CHECK(progress("steps", 1e30) == cannot + "steps is 1e+30; expected a whole number, 0 .. 30");
  CHECK(progress("steps", 31) == cannot + "steps is 31; expected a whole number, 0 .. 30");
  CHECK(progress("steps", "5") == cannot + "steps is \"5\"; expected a whole number, 0 .. 30");
  CHECK(progress("optimizer_steps", 3) ==
        cannot + "optimizer_steps is 3; expected a whole number, 13 .. 18446744073709551615");
  CHECK(progress("unvalidated", 14) ==
        cannot + "unvalidated is 14; expected a whole number, 0 .. 13");
  CHECK(progress("best_epoch", 3) == cannot + "best_epoch is 3; expected a whole number, 1 .. 2");
  CHECK(progress("best_epoch", 0) == cannot + "best_epoch is 0; expected a whole number, 1 .. 2");
  CHECK(progress("best_validation", nullptr) ==
        cannot + "best_validation is null; expected a number");
  CHECK(progress("loss_sum", "x") == cannot + "loss_sum is \"x\"; expected a number");
  CHECK(progress("seconds", -0.5) == cannot + "seconds is -0.5; expected a number >= 0");
  CHECK(progress("epochs", nlohmann::json::parse("[[1, 2]]")) ==
        cannot + "an epoch is [1,2]; expected [loss, validation, seconds, step, learning rate]");
  CHECK(progress("epochs", 7) == cannot + "epochs is 7; expected a list, at most one entry a step");

  const auto metadata = [&](const std::string& key, const std::string& text) {
    return fault([&](Checkpoint<float>& c) { c.metadata[key] = text; });
  };
  CHECK(metadata("progress", "[]") == cannot + "progress is []; expected an object");
  CHECK(metadata("progress", "{") == "progress: not JSON, or cut off");
  CHECK(metadata("progress", R"({"steps": 1, "steps": 2})") ==
        "progress: the key \"steps\" is there twice");
  CHECK(metadata("settings", std::string(200000, '[') + std::string(200000, ']')) ==
        "settings: JSON nested too deeply; expected at most 8 levels");

  const std::string weight = "fc.weight";
  CHECK(fault([&](Checkpoint<float>& c) { c.arrays.erase("best." + weight); }) ==
        "has no array best.fc.weight");
  CHECK(fault([&](Checkpoint<float>& c) {
          c.arrays["best." + weight] = zeros<float>({3, 2});
        }) == "array best.fc.weight has shape (3, 2); this model expects (3, 1)");
  for (const std::string name : {"fc.weight", "best.fc.weight", "optimizer.v.fc.weight"}) {
    for (const auto& [value, text] : {std::pair(NAN, "nan"), std::pair(-INFINITY, "-inf")}) {
      REQUIRE(good.arrays.count(name) == 1);
      CHECK(fault([&, value = value](Checkpoint<float>& c) { c.arrays[name].data()[2] = value; }) ==
            "array " + name + " holds " + text + " at position 2; expected finite numbers");
    }
  }
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

namespace {

// Sorts with an operator that goes wrong in a step of our choice, or whose gradient does.
class FaultyTask : public LineTask {
 public:
  FaultyTask(std::size_t step, bool in_value) : step_(step), in_value_(in_value) {}
  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const Var<float> right = LineTask::loss(tape, step, random);
    if (step != step_) return right;
    return in_value_ ? right + log(right - right) : right + sqrt(right - right);
  }

 private:
  std::size_t step_;
  bool in_value_;
};

TrainerOptions in(const TemporaryFolder& folder) {
  TrainerOptions options;
  options.epochs = 3;
  options.learning_rate = 0.05;
  options.checkpoint = folder / "checkpoint.safetensors";
  options.checkpoint_seconds = 0;  // after every step
  return options;
}

}  // namespace

TEST_CASE("a training stops at the step that went wrong, and names the operator where it began") {
  const TemporaryFolder folder;
  const TrainerOptions options = in(folder);
  FaultyTask value(7, true), gradient(7, false);
  const std::string of_value = error_of([&] { run(value, options); });
  CAPTURE(of_value);
  CHECK(of_value.rfind("exception: line: step 7: the loss is -inf: the value of log (input ()) "
                       "holds a NaN or an infinity; the largest parameter is 0.",
                       0) == 0);
  CHECK(of_value.find("learning rate") == std::string::npos);  // which is not at fault
  // What was saved before is still there, and whole.
  for (const auto& entry : load_checkpoint<float>(options.checkpoint).arrays) {
    CAPTURE(entry.first);
    for (const float v : entry.second) CHECK(std::isfinite(v));
  }
  const std::string of_gradient = error_of([&] { run(gradient, options); });
  CAPTURE(of_gradient);
  CHECK(of_gradient.rfind("exception: line: step 7: the gradient of fc.weight holds ", 0) == 0);
  CHECK(of_gradient.find(": the pullback of sqrt (") != std::string::npos);

  // The last good state is step 6's: go on from there, without the fault.
  TrainerOptions resumed = options;
  resumed.resume = true;
  LineTask whole;
  CHECK(run(whole, resumed).result.steps == 15);
}

TEST_CASE("a learning rate under which the parameters explode is told from the parameters") {
  const TemporaryFolder folder;
  TrainerOptions options = in(folder);
  options.learning_rate = 1e30;
  LineTask task;
  const std::string error = error_of([&] { run(task, options); });
  CAPTURE(error);
  CHECK(error.rfind("exception: line: step 1: the loss is ", 0) == 0);
  CHECK(error.find("; the largest parameter is 1.00001e+30, in fc.") != std::string::npos);
  CHECK(error.find("; try a smaller learning rate") != std::string::npos);

  options.learning_rate = 3e37;  // the twelfth step leaves the range of float
  options.checkpoint = folder / "other.safetensors";
  class Flat : public LineTask {  // the same gradient everywhere
   public:
    Var<float> loss(Tape<float>& tape, std::size_t, Generator&) override {
      return sum(tape.leaf(*state().parameters[0]) * 1e-3f);
    }
  };
  Flat flat;
  const std::string overflow = error_of([&] { run(flat, options); });
  CAPTURE(overflow);
  CHECK(overflow ==
        "exception: line: after 12 steps fc.weight holds -inf; try a smaller learning rate");
  CHECK(load_checkpoint<float>(options.checkpoint).arrays.count("fc.weight") == 1);
}

TEST_CASE("a buffer or a validation that is not finite stops a training before it is saved") {
  class Buffered : public LineTask {
   public:
    State<float> state() override {
      State<float> all = LineTask::state();
      all.buffers.push_back({"buffer", &buffer});
      return all;
    }
    Array<float> buffer = zeros<float>({2});
  };
  const TemporaryFolder folder;
  const TrainerOptions options = in(folder);
  Buffered task;
  task.buffer.data()[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(error_of([&] { run(task, options); }) ==
        "exception: line: after 1 steps buffer holds nan; try a smaller learning rate");
  CHECK(!std::filesystem::exists(options.checkpoint));

  class Undefined : public LineTask {
   public:
    double validate() override { return std::nan(""); }
  };
  Undefined undefined;
  const std::string error = error_of([&] { run(undefined, options); });
  CAPTURE(error);
  CHECK(error.rfind("exception: line: the validation after 5 steps is nan; the largest parameter",
                    0) == 0);
}

TEST_CASE("a checkpoint that holds a NaN is not resumed") {
  const TemporaryFolder folder;
  TrainerOptions options = in(folder);
  LineTask task, again;
  run(task, options);
  Checkpoint<float> checkpoint = load_checkpoint<float>(options.checkpoint);
  checkpoint.arrays.at("fc.bias").data()[0] = std::numeric_limits<float>::quiet_NaN();
  save_checkpoint(options.checkpoint, checkpoint);
  options.resume = true;
  options.epochs = 4;
  CHECK(error_of([&] { run(again, options); }) ==
        "exception: " + options.checkpoint +
            ": array fc.bias holds nan at position 0; expected finite numbers");
}
