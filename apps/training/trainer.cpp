#include "apps/training/trainer.hpp"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/program/processes.hpp"
#include "apps/report/progress.hpp"
#include "apps/training/finite.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/parameter.hpp"
#include "engine/profile.hpp"
#include "engine/threads.hpp"
#include "engine/trap.hpp"
#include "models/checkpoint.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

std::atomic<int> stop_signal{0};     // the first that came; 0: none
std::atomic<std::uint64_t> came{0};  // bit s: signal s did

// The loop stops after the present step; a second signal of the same kind ends the program at once.
// Two never count as a second one: what `table` queued, as the terminal may have sent it to both,
// and SIGPIPE, which comes with every line that nobody reads.
void request_stop(int signal, siginfo_t* info, void*) {
  int none = 0;
  stop_signal.compare_exchange_strong(none, signal);
  if (signal == SIGPIPE || info->si_code == SI_QUEUE) return;
  const std::uint64_t bit = std::uint64_t{1} << signal;
  if ((came.fetch_or(bit) & bit) == 0) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

using nlohmann::json;

constexpr const char* best_prefix = "best.";
constexpr int deepest_progress = 8;  // levels of JSON

// What a checkpoint holds beside the model: the optimizer, the best state so far, and where it was.
class Session {
 public:
  Session(Task& task, Optimizer<float>& optimizer, const TrainerOptions& options)
      : task_(task.name()),
        state_(task.state()),
        optimizer_(optimizer),
        options_(options),
        all_steps_(options.epochs * task.steps_per_epoch()) {
    add_to_checkpoint(best_, state_);
  }

  TrainingResult result;

  // std::runtime_error when a step of the optimizer has spoilt anything that a checkpoint holds.
  void check() const {
    try {
      for (const Parameter<float>* p : state_.parameters) require_finite(p->name, p->value);
      for (const auto& buffer : state_.buffers) require_finite(buffer.name, *buffer.value);
      for (const auto& memory : optimizer_.memory()) require_finite(memory.name, *memory.value);
    } catch (const NonFiniteError& error) {
      throw std::runtime_error(to_message(task_, ": after ", result.steps, " steps ", error.what(),
                                          "; try a smaller learning rate"));
    }
  }

  void step(double loss) {
    ++result.steps;
    ++result.unvalidated;
    result.loss_sum += loss;
  }

  void validated(double validation) {
    result.epochs.push_back(
        {result.loss_sum / double(result.unvalidated), validation, result.seconds});
    result.loss_sum = 0;
    result.unvalidated = 0;
    if (result.epochs.size() > 1 && !(validation > result.best_validation)) return;
    result.best_validation = validation;
    result.best_epoch = result.epochs.size();
    best_ = {};
    add_to_checkpoint(best_, state_);
  }

  void restore_best() { restore("the best state", best_, state_); }

  void save() const {
    check();
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
                        {"loss_sum", result.loss_sum},
                        {"unvalidated", result.unvalidated},
                        {"best_validation", result.best_validation},
                        {"best_epoch", result.best_epoch},
                        {"seed", options_.seed}};
    checkpoint.metadata = {{"progress", text_of(progress)}, {"settings", options_.settings}};
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
      return parse_strict_json(file + ": " + key, found->second, deepest_progress);
    };
    const json settings = text("settings"), progress = text("progress");
    const json own = parse_strict_json("settings", options_.settings, deepest_progress);
    for (const auto& item : own.items()) {
      const json& now = item.value();
      const json then = settings.contains(item.key()) ? settings[item.key()] : json();
      if (then != now) {
        throw std::runtime_error(file + ": was made with " + item.key() + " = " + text_of(then) +
                                 ", this run has " + text_of(now) +
                                 "; resume with the same settings, or start anew elsewhere");
      }
    }
    const auto need = [&](bool ok, const std::string& what, const json& value,
                          const auto&... expected) {
      if (ok) return;
      throw std::runtime_error(to_message(file, ": its training cannot be resumed: ", what, " is ",
                                          shown(value), "; expected ", expected...));
    };
    need(progress.is_object(), "progress", progress, "an object");
    const auto count = [&](const char* key, std::size_t least, std::size_t most) {
      const json value = progress.value(key, json());
      const std::size_t number = value.is_number_unsigned() ? value.get<std::size_t>() : 0;
      need(value.is_number_unsigned() && number >= least && number <= most, key, value,
           "a whole number, ", least, " .. ", most);
      return number;
    };
    const auto number = [&](const char* key) {
      const json value = progress.value(key, json());
      need(value.is_number(), key, value, "a number");
      return value.get<double>();
    };
    TrainingResult loaded;
    loaded.steps = count("steps", 0, all_steps_);
    loaded.seconds = number("seconds");
    need(loaded.seconds >= 0, "seconds", loaded.seconds, "a number >= 0");
    const json epochs = progress.value("epochs", json());
    need(epochs.is_array() && epochs.size() <= loaded.steps, "epochs", epochs,
         "a list, at most one entry a step");
    for (const json& e : epochs) {
      const bool numbers =
          e.is_array() && e.size() == 3 && e[0].is_number() && e[1].is_number() && e[2].is_number();
      need(numbers, "an epoch", e, "[loss, validation, seconds]");
      loaded.epochs.push_back({e[0], e[1], e[2]});
    }
    loaded.best_validation = number("best_validation");
    loaded.best_epoch = count("best_epoch", epochs.empty() ? 0 : 1, epochs.size());
    loaded.loss_sum = number("loss_sum");
    loaded.unvalidated = count("unvalidated", 0, loaded.steps);
    const std::size_t optimizer_steps =
        count("optimizer_steps", loaded.steps, std::numeric_limits<std::size_t>::max());

    State<float> all = state_;
    for (const auto& memory : optimizer_.memory()) {
      all.buffers.push_back({memory.name, memory.value});
    }
    check_restorable(file, checkpoint, state_, best_prefix);
    restore(file, checkpoint, all);
    for (auto& [name, array] : best_.arrays) array = checkpoint.arrays.at(best_prefix + name);
    optimizer_.set_steps(optimizer_steps);
    result = std::move(loaded);
  }

 private:
  const std::string task_;
  State<float> state_;
  Optimizer<float>& optimizer_;
  const TrainerOptions& options_;
  const std::size_t all_steps_;
  Checkpoint<float> best_;
};

double rate_at(const TrainerOptions& options, double fraction) {
  if (options.schedule == Schedule::constant) return options.learning_rate;
  return options.learning_rate * 0.5 * (1 + std::cos(3.141592653589793 * std::min(1.0, fraction)));
}

// A step but for the optimizer's part: its loss, with the gradients left in the parameters.
double loss_and_gradients(Task& task, Optimizer<float>& optimizer, std::size_t step,
                          Generator random) {
  optimizer.zero_grad();  // first: a loss may add to gradients on a tape of its own
  Tape<float> tape;
  const Var<float> total = task.loss(tape, step, random);
  const double loss = double(total.item());
  if (!std::isfinite(loss)) throw NonFiniteError(to_message("the loss is ", loss));
  tape.backward(total);
  for (const Parameter<float>* parameter : task.state().parameters) {
    require_finite("the gradient of " + parameter->name, parameter->grad);
  }
  return loss;
}

// Numbers that are not finite: the operator that made the first of them, and whether a learning rate
// can be the reason, for which the parameters have grown.
[[noreturn]] void diverged(Task& task, const std::string& what, const std::string& where) {
  constexpr float grown = 1e4f;
  std::string name;
  float largest = 0;
  for (const Parameter<float>* parameter : task.state().parameters) {
    for (const float v : parameter->value) {
      if (std::isnan(largest) || std::abs(v) <= largest) continue;
      largest = std::abs(v);
      name = parameter->name;
    }
  }
  throw std::runtime_error(to_message(task.name(), ": ", what, where, "; the largest parameter is ",
                                      largest, ", in ", name,
                                      largest < grown ? "" : "; try a smaller learning rate"));
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
  stop_signal = 0;
  came = 0;
  const StopSignals stops(request_stop);
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
    double validation = 0;
    {
      const Unobserved pause;
      session.check();
      validation = task.validate();
      if (!std::isfinite(validation)) {
        diverged(task, to_message("the validation after ", result.steps, " steps is ", validation),
                 first_non_finite([&] { task.validate(); }));
      }
    }
    book("validation");
    progress.validated(validation);
    result.seconds = before + progress.seconds();
    session.validated(validation);
  };

  while (result.steps < all_steps && !out_of_time()) {
    const double fraction = options.minutes > 0 ? result.seconds / (60 * options.minutes)
                                                : double(result.steps) / double(all_steps);
    optimizer.set_learning_rate(rate_at(options, fraction));
    const auto compute = [&] {
      return loss_and_gradients(task, optimizer, result.steps, random.split(result.steps));
    };
    const auto failed = [&](const std::exception& error, const std::string& where) {
      diverged(task, to_message("step ", result.steps, ": ", error.what()), where);
    };
    double loss = 0;
    try {
      loss = compute();
    } catch (const NonFiniteError& error) {
      failed(error, first_non_finite(compute));
    } catch (const std::invalid_argument& error) {  // may refuse what other operators have spoilt
      const std::string where = first_non_finite(compute);
      if (where.empty()) throw;
      failed(error, where);
    }
    book("freeing the tape");
    optimizer.step();
    book("optimizer");
    session.step(loss);
    progress.step(loss, task.images_per_step());
    result.seconds = before + progress.seconds();
    if (result.steps % per_epoch == 0) validate();

    if (stop_signal != 0) break;
    if (!options.checkpoint.empty() && result.seconds - saved_at >= options.checkpoint_seconds) {
      session.save();
      saved_at = result.seconds;
    }
  }
  if (stop_signal == 0 && result.unvalidated > 0) validate();  // which may be interrupted as well
  if (!options.checkpoint.empty()) session.save();
  if (stop_signal != 0) {
    result.interrupted = stop_signal;
    return result;
  }
  session.restore_best();
  if (options.profile) std::fprintf(stderr, "%s", profile.text().c_str());
  return result;
}

}  // namespace tapesort
