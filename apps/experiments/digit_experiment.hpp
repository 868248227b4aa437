// What the sorting and the median experiments share: sets of pictures of numbers from three pools
// of digits that never mix, the options that say which, and the walk over held-out sets.
#pragma once

#include <optional>

#include "apps/data/digit_sets.hpp"
#include "apps/data/prefetch.hpp"
#include "apps/training/run.hpp"
#include "models/networks.hpp"

namespace tapesort {

struct DigitOptions : TrainingOptions {
  DigitOptions() {
    learning_rate = 3e-3;
    augment = "affine";
  }
  std::string data = "digits", method = "neural_sort", network = "column";
  std::size_t n = 5, digits = 4, batch = 20, samples = 5;
  std::size_t validation_sets = 200, test_sets = 1000, epoch_steps = 0;
  double tau = 0;     // 0: the method's own
  double newton = 0;  // lambda of Newton losses; 0: none
};

// All options of a training but --method, which is for each command to list.
void add_digit_options(Command command, DigitOptions& options);

// What the networks begin with.
Generator network_stream(const DigitOptions& options);

// One pool of single digits each for training, validation and test. Completes the options:
// `epochs`, `validation` and `epoch_steps`.
// An exception that names the file when --data cannot be read; std::invalid_argument when a digit is
// missing in a pool, or validation would leave nothing to train on.
class DigitPools {
 public:
  explicit DigitPools(DigitOptions& options);

  ImageShape number_shape() const;  // of the picture of a number

  // Batch number `step` of training, a function of the seed and of this number; the next one is
  // made meanwhile. Valid until the next call.
  const DigitSets& batch(std::size_t step);

  // Calls look(sets) on as many sets as there are for validation (the same ones every time) or for
  // the test, some at a time.
  using Look = std::function<void(const DigitSets& sets)>;
  void for_validation(const Look& look) const;
  void for_test(const Look& look) const;

  std::string text() const;

 private:
  void for_sets(const DigitPool& pool, std::size_t count, std::uint64_t stream,
                const Look& look) const;

  const DigitOptions& options_;
  std::optional<DigitPool> training_, validation_, test_;
  std::optional<Prefetch<DigitSets>> batches_;
};

// Trains on batches of the pools.
class DigitTask : public Task {
 public:
  DigitTask(std::string name, const DigitOptions& options, DigitPools& pools)
      : options_(options), pools_(pools), name_(std::move(name)) {}
  std::string name() const override { return name_; }
  std::size_t steps_per_epoch() const override { return options_.epoch_steps; }
  std::size_t images_per_step() const override { return options_.batch * options_.n; }

 protected:
  // What a sorting method gets of the network's outputs x in training: x, with --newton's gradient.
  Var<float> for_training(const Var<float>& x) const;

  const DigitOptions& options_;
  DigitPools& pools_;

 private:
  std::string name_;
};

// The network's outputs for the pictures of whole sets: (sets, n, outputs).
Var<float> outputs_of(Layer<float>& network, const Pass<float>& pass, const DigitSets& sets);

}  // namespace tapesort
