// The training loop that the experiments share: steps, validation, learning rate, time budget,
// checkpoints, interruption and resumption. A task says what one step and one validation are.
//
// Everything random in step i comes from (seed, i), so a run is a function of its seed, and one that
// is resumed from a checkpoint continues bit for bit as if it had never stopped. Two things
// matter beside the seed: the number of threads, by which sums are divided, and with a budget of
// minutes the clock, which decides about learning rate and end.
#pragma once

#include <map>
#include <string>

#include "models/layers.hpp"
#include "models/optimizers.hpp"

namespace tapesort {

class Task {
 public:
  virtual ~Task() = default;

  virtual std::string name() const = 0;
  virtual std::size_t steps_per_epoch() const = 0;
  virtual std::size_t images_per_step() const = 0;
  virtual const char* unit() const { return "images"; }  // of what a step counts

  // The loss of step number `step` (0, 1, ..), on this tape. `random` belongs to the step.
  virtual Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) = 0;
  // A figure of merit on the validation pool, larger is better. The state with the best one is
  // kept, unless TrainerOptions::average wants another.
  virtual double validate() = 0;

  // What is trained, and what is to be known about it beside its numbers (saved_network.hpp).
  virtual State<float> state() = 0;
  virtual std::map<std::string, std::string> metadata() const { return {}; }
};

struct TrainerOptions {
  std::size_t epochs = 1;
  double minutes = 0;  // > 0: stop after so long, if not before; the schedule follows time
  double learning_rate = 1e-3;
  std::string schedule = "constant";  // or "cosine": from the learning rate down to 0
  // > 0: what is kept at the end is no validation's best, but the mean of all states of the last part
  // of the steps, this fraction of them.
  double average = 0;
  std::uint64_t seed = 0;
  std::string checkpoint;          // file; empty: none
  double checkpoint_seconds = 60;  // how often
  bool profile = false;            // at the end, print where the time went
  bool resume = false;             // continue from the checkpoint if it is there
  std::string settings = "{}";     // JSON, stored with the checkpoint; a resumed run's are the same
};

struct TrainingResult {
  struct Epoch {
    double loss, validation, seconds;
    std::size_t step;  // so many were done
    double learning_rate;
  };
  std::vector<Epoch> epochs;
  std::size_t steps = 0;
  double seconds = 0;           // training and validation, of a resumed run from its first start
  double loss_sum = 0;          // of the steps since the last validation,
  std::size_t unvalidated = 0;  // and how many they are
  double best_validation = 0;
  std::size_t best_epoch = 0;  // counted from 1
  bool averaged = false;       // the state is a mean, and best_validation its
  int interrupted = 0;         // by this signal, after which a checkpoint was written; 0: by none
};

// Trains; at the end the task's state is that of the best validation, or a mean, validated once more.
// Prints progress on stderr.
// The signals of program/processes.hpp end it after the present step; nothing more should be done then.
// std::runtime_error when a loss, a gradient or a validation is not finite, naming the step and the
// first operator whose result was not; when parameters, buffers or the optimizer's memory are not
// finite at a validation or before a checkpoint, which is then not written; and when the checkpoint
// to resume from is faulty or was made with other settings. std::invalid_argument without epochs and
// minutes.
TrainingResult train(Task& task, Optimizer<float>& optimizer, const TrainerOptions& options);

}  // namespace tapesort
