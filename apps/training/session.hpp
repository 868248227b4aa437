// Where a training stands: what it has found so far, and the checkpoint that it goes on from.
#pragma once

#include "apps/training/trainer.hpp"
#include "models/checkpoint.hpp"

namespace tapesort {

// The arguments must outlive it.
class Session {
 public:
  Session(Task& task, Optimizer<float>& optimizer, const TrainerOptions& options);

  TrainingResult result;

  // After a step, and after a validation, of which the best one's state is kept.
  void step(double loss);
  void validated(double validation, double learning_rate);
  // Adds the present state to the mean of the last part's.
  void average();
  // Makes that mean the state, whose validation, the next one, counts as the best. False: there is none,
  // or it was done before.
  bool take_mean();
  void restore_best() { restore("the best state", best_, state_); }

  // std::runtime_error when a step of the optimizer has spoilt anything that a checkpoint holds.
  void check();
  // options.checkpoint: the model and, beside it, the optimizer, the best state so far, and the numbers
  // of `result`. std::runtime_error, and nothing is written, where check() throws; nothing is changed
  // when the file to load is faulty or of other settings.
  void save();
  void load();

 private:
  // All arrays that a checkpoint holds, each under its name there.
  State<float> everything(bool with_mean);

  const std::string task_;
  State<float> state_;
  Optimizer<float>& optimizer_;
  const TrainerOptions& options_;
  const std::size_t all_steps_;
  Checkpoint<float> best_, mean_;
  std::size_t averaged_ = 0;  // states in mean_
};

}  // namespace tapesort
