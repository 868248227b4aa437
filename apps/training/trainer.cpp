#include "apps/training/trainer.hpp"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <ostream>

#include "apps/program/processes.hpp"
#include "apps/report/progress.hpp"
#include "apps/training/finite.hpp"
#include "apps/training/ranks.hpp"
#include "apps/training/session.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/parameter.hpp"
#include "engine/profile.hpp"
#include "engine/threads.hpp"
#include "engine/trap.hpp"

namespace tapesort {
namespace {

std::atomic<int> stop_signal{0};     // the first that came; 0: none
std::atomic<std::uint64_t> came{0};  // bit s: signal s did

// The first signal stops the loop after the present step; a second one of the same kind ends the
// program at once. Not counted as a second one: a signal that `table` queued, as the terminal may
// have sent the same one, and SIGPIPE, which comes with every line that nobody reads.
void request_stop(int signal, siginfo_t* info, void*) {
  int none = 0;
  stop_signal.compare_exchange_strong(none, signal);
  if (signal == SIGPIPE || info->si_code == SI_QUEUE) return;
  const std::uint64_t bit = std::uint64_t{1} << signal;
  if ((came.fetch_or(bit) & bit) == 0) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

double rate_at(const TrainerOptions& options, double fraction) {
  if (options.schedule == "constant") return options.learning_rate;
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

// Where batches are dealt out to several processes: the mean gradients, and the mean of the losses.
double mean_over_ranks(double loss, const State<float>& state) {
  if (rank_count() == 1) return loss;
  Array<float> mean_loss = full<float>({1}, float(loss));
  std::vector<Array<float>*> arrays{&mean_loss};
  for (Parameter<float>* parameter : state.parameters) arrays.push_back(&parameter->grad);
  average_over_ranks(arrays);
  return double(mean_loss(0));
}

// Buffers, such as a batch norm's statistics, come from one rank's images alone.
void average_buffers(const State<float>& state) {
  if (rank_count() == 1) return;
  std::vector<Array<float>*> arrays;
  for (const auto& buffer : state.buffers) arrays.push_back(buffer.value);
  average_over_ranks(arrays);
}

// Throws because a number is not finite. `where` is the operator that made the first one; when
// parameters have grown large, the learning rate may be the reason.
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
  fault(task.name(), ": ", what, where, "; the largest parameter is ", largest, ", in ", name,
        largest < grown ? "" : "; try a smaller learning rate");
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
  require(largest_over_ranks(double(result.steps)) == double(result.steps), "train: process ",
          own_rank(), " does not see the checkpoint ", options.checkpoint,
          "; need a folder that all see");
  const Generator random(options.seed);
  const FlushDenormals flush;  // P_hat is full of them
  stop_signal = 0;
  came = 0;
  const StopSignals stops(request_stop);
  Progress::Output output = Progress::Output::standard_error();
  std::ostream nowhere(nullptr);
  if (own_rank() > 0) output.stream = &nowhere;
  Progress progress(task.name(), options.epochs, per_epoch, result.steps, output, task.unit());
  if (options.minutes > 0) progress.stop_after(std::max(1e-3, options.minutes * 60 - before));
  double saved_at = before;
  Profile profile;
  std::optional<Profiling> profiling;
  if (options.profile) profiling.emplace(profile);
  const auto book = [&](const char* what) {
    if (options.profile) profile.other(what);
  };

  // All ranks have one clock, and stop where one of them got a signal.
  int stopped = 0;
  const auto look_up = [&] {
    result.seconds = largest_over_ranks(before + progress.seconds());
    stopped = int(largest_over_ranks(stop_signal));
  };
  const auto save = [&] {
    average_buffers(task.state());
    if (own_rank() == 0) session.save();
  };
  const auto out_of_time = [&] {
    return options.minutes > 0 && result.seconds >= options.minutes * 60;
  };
  const auto validate = [&] {
    double validation = 0;
    average_buffers(task.state());
    {
      const Unobserved pause;
      session.check();
      validation = task.validate();
      if (!std::isfinite(validation)) {
        diverged(task, to_message("the validation after ", result.steps, " steps is ", validation),
                 first_non_finite([&] { task.validate(); }));
      }
    }
    if (largest_over_ranks(validation) != validation) {
      fault(task.name(), ": after ", result.steps, " steps process ", own_rank(),
            " has other parameters than another one");
    }
    book("validation");
    progress.validated(validation);
    look_up();
    session.validated(validation, optimizer.learning_rate());
  };

  while (result.steps < all_steps && !out_of_time()) {
    const double fraction = options.minutes > 0 ? result.seconds / (60 * options.minutes)
                                                : double(result.steps) / double(all_steps);
    optimizer.set_learning_rate(rate_at(options, fraction));
    const auto compute = [&] {
      const Generator of_step = random.split(result.steps);
      return loss_and_gradients(task, optimizer, result.steps,
                                rank_count() > 1 ? of_step.split(own_rank()) : of_step);
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
    loss = mean_over_ranks(loss, task.state());
    optimizer.step();
    book("optimizer");
    session.step(loss);
    if (fraction >= 1 - options.average) session.average();
    progress.step(loss, task.images_per_step());
    look_up();
    if (result.steps % per_epoch == 0) validate();

    if (stopped != 0) break;
    if (!options.checkpoint.empty() && result.seconds - saved_at >= options.checkpoint_seconds) {
      save();
      saved_at = result.seconds;
    }
  }
  if (stopped == 0 && result.unvalidated > 0) validate();  // which may be interrupted as well
  if (stopped == 0 && session.take_mean()) validate();
  if (!options.checkpoint.empty()) save();
  stopped = int(largest_over_ranks(stop_signal));  // which may have come meanwhile
  if (stopped != 0) {
    result.interrupted = stopped;
    return result;
  }
  session.restore_best();
  if (options.profile) std::fprintf(stderr, "%s", profile.text().c_str());
  return result;
}

}  // namespace tapesort
