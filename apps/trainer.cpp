#include "apps/trainer.hpp"

#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "apps/report/progress.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "models/checkpoint.hpp"

namespace tapesort {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

// Ctrl-C asks the loop to stop after the present step; a second one stops at once.
class InterruptHandler {
 public:
  InterruptHandler() {
    stop_requested = 0;
    before_ = std::signal(SIGINT, [](int) {
      stop_requested = 1;
      std::signal(SIGINT, SIG_DFL);
    });
  }
  ~InterruptHandler() { std::signal(SIGINT, before_); }

 private:
  void (*before_)(int);
};

using nlohmann::json;

constexpr const char* best_prefix = "best.";

// What a checkpoint holds beside the model: the optimizer, the best state so far, and where it was.
class Session {
 public:
  Session(Task& task, Optimizer<float>& optimizer, const TrainerOptions& options)
      : state_(task.state()), optimizer_(optimizer), options_(options) {
    add_to_checkpoint(best_, state_);
  }

  TrainingResult result;
  double loss_sum = 0;          // of the steps since the last validation,
  std::size_t unvalidated = 0;  // and how many they are

  void step(double loss) {
    ++result.steps;
    ++unvalidated;
    loss_sum += loss;
  }

  void validated(double validation) {
    result.epochs.push_back({loss_sum / double(unvalidated), validation, result.seconds});
    loss_sum = 0;
    unvalidated = 0;
    if (result.epochs.size() > 1 && !(validation > result.best_validation)) return;
    result.best_validation = validation;
    result.best_epoch = result.epochs.size();
    best_ = {};
    add_to_checkpoint(best_, state_);
  }

  void restore_best() { restore("the best state", best_, state_); }

  void save() const {
    Checkpoint<float> checkpoint;
    add_to_checkpoint(checkpoint, state_);
    for (const auto& memory : optimizer_.memory()) checkpoint.arrays[memory.name] = *memory.value;
    for (const auto& [name, array] : best_.arrays) checkpoint.arrays[best_prefix + name] = array;
    json epochs = json::array();
    for (const auto& e : result.epochs) epochs.push_back({e.loss, e.validation, e.seconds});
    const json progress{{"epochs", epochs},
                        {"steps", result.steps},
                        {"optimizer_steps", optimizer_.steps()},
                        {"seconds", result.seconds},
                        {"loss_sum", loss_sum},
                        {"unvalidated", unvalidated},
                        {"best_validation", result.best_validation},
                        {"best_epoch", result.best_epoch},
                        {"seed", options_.seed}};
    checkpoint.metadata = {{"progress", progress.dump()}, {"settings", options_.settings.dump()}};
    save_checkpoint(options_.checkpoint, checkpoint);
  }

  // std::runtime_error, and nothing is changed, when the file is faulty or of other settings.
  void load() {
    const std::string& file = options_.checkpoint;
    const Checkpoint<float> checkpoint = load_checkpoint<float>(file);
    const auto text = [&](const char* key) {
      const auto found = checkpoint.metadata.find(key);
      if (found == checkpoint.metadata.end()) {
        throw std::runtime_error(file + ": holds a model but no training to resume");
      }
      return json::parse(found->second);
    };
    try {
      load(file, checkpoint, text("settings"), text("progress"));
    } catch (const json::exception& e) {
      throw std::runtime_error(file + ": its training cannot be resumed: " + e.what());
    }
  }

 private:
  void load(const std::string& file, const Checkpoint<float>& checkpoint, const json& settings,
            const json& progress) {
    for (const auto& item : options_.settings.items()) {
      const json& now = item.value();
      const json then = settings.contains(item.key()) ? settings[item.key()] : json();
      if (then != now) {
        throw std::runtime_error(file + ": was made with " + item.key() + " = " + then.dump() +
                                 ", this run has " + now.dump() +
                                 "; resume with the same settings, or start anew elsewhere");
      }
    }
    Checkpoint<float> best;
    for (const auto& [name, array] : checkpoint.arrays) {
      if (name.rfind(best_prefix, 0) == 0) best.arrays[name.substr(5)] = array;
    }
    TrainingResult loaded;
    loaded.steps = progress.at("steps");
    loaded.seconds = progress.at("seconds");
    loaded.best_validation = progress.at("best_validation");
    loaded.best_epoch = progress.at("best_epoch");
    for (const json& e : progress.at("epochs"))
      loaded.epochs.push_back({e.at(0), e.at(1), e.at(2)});
    const double loaded_sum = progress.at("loss_sum");
    const std::size_t loaded_unvalidated = progress.at("unvalidated");
    const std::size_t optimizer_steps = progress.at("optimizer_steps");

    State<float> all = state_;
    for (const auto& memory : optimizer_.memory()) {
      all.buffers.push_back({memory.name, memory.value});
    }
    restore(file, checkpoint, all);
    best_ = std::move(best);
    optimizer_.set_steps(optimizer_steps);
    result = std::move(loaded);
    loss_sum = loaded_sum;
    unvalidated = loaded_unvalidated;
  }

  State<float> state_;
  Optimizer<float>& optimizer_;
  const TrainerOptions& options_;
  Checkpoint<float> best_;
};

double rate_at(const TrainerOptions& options, double fraction) {
  if (options.schedule == Schedule::constant) return options.learning_rate;
  return options.learning_rate * 0.5 * (1 + std::cos(3.141592653589793 * std::min(1.0, fraction)));
}

}  // namespace

TrainingResult train(Task& task, Optimizer<float>& optimizer, const TrainerOptions& options) {
  require(options.epochs >= 1 || options.minutes > 0, "train: need at least one epoch");
  Session session(task, optimizer, options);
  TrainingResult& result = session.result;
  if (options.resume && !options.checkpoint.empty()) {
    if (std::filesystem::exists(options.checkpoint)) {
      session.load();
      std::fprintf(stderr, "%s: resuming after step %zu\n", task.name().c_str(), result.steps);
    } else {
      std::fprintf(stderr, "%s: nothing to resume, starting anew: no %s\n", task.name().c_str(),
                   options.checkpoint.c_str());
    }
  }
  const std::size_t per_epoch = task.steps_per_epoch(), all_steps = options.epochs * per_epoch;
  const double before = result.seconds;
  const Generator random(options.seed);
  const FlushDenormals flush;  // P_hat is full of them
  const InterruptHandler interrupts;
  Progress progress(task.name(), options.epochs, per_epoch, result.steps);
  if (options.minutes > 0) progress.stop_after(std::max(1e-3, options.minutes * 60 - before));
  double saved_at = before;
  Profile profile;
  std::optional<Profiling> profiling;
  if (options.profile) profiling.emplace(profile);
  const auto book = [&](const char* what) {
    if (options.profile) profile.other(what);
  };

  const auto out_of_time = [&] {
    return options.minutes > 0 && result.seconds >= options.minutes * 60;
  };
  const auto validate = [&] {
    Profile* const training = std::exchange(Profile::active(), nullptr);
    const double validation = task.validate();
    if (!std::isfinite(validation)) {
      throw std::runtime_error(to_message(task.name(), ": the validation after ", result.steps,
                                          " steps is ", validation,
                                          "; try a smaller learning rate"));
    }
    Profile::active() = training;
    book("validation");
    progress.validated(validation);
    result.seconds = before + progress.seconds();
    session.validated(validation);
  };

  while (result.steps < all_steps && !out_of_time()) {
    const double fraction = options.minutes > 0 ? result.seconds / (60 * options.minutes)
                                                : double(result.steps) / double(all_steps);
    optimizer.set_learning_rate(rate_at(options, fraction));
    double loss;
    {
      Generator step_random = random.split(result.steps);
      optimizer.zero_grad();  // first: a loss may add to gradients on a tape of its own
      Tape<float> tape;
      const Var<float> total = task.loss(tape, result.steps, step_random);
      loss = double(total.item());
      if (!std::isfinite(loss)) {
        throw std::runtime_error(to_message(task.name(), ": the loss of step ", result.steps,
                                            " is ", loss, "; try a smaller learning rate"));
      }
      tape.backward(total);
    }
    book("freeing the tape");
    optimizer.step();
    book("optimizer");
    session.step(loss);
    progress.step(loss, task.images_per_step());
    result.seconds = before + progress.seconds();
    if (result.steps % per_epoch == 0) validate();

    if (stop_requested) break;
    if (!options.checkpoint.empty() && result.seconds - saved_at >= options.checkpoint_seconds) {
      session.save();
      saved_at = result.seconds;
    }
  }
  if (!stop_requested && session.unvalidated > 0) validate();  // which may be interrupted as well
  if (!options.checkpoint.empty()) session.save();
  if (stop_requested) {
    result.interrupted = true;
    return result;
  }
  session.restore_best();
  if (options.profile) std::fprintf(stderr, "%s", profile.text().c_str());
  return result;
}

}  // namespace tapesort
