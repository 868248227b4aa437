// What the training commands have in common beside the loop itself (trainer.hpp): the options that
// all of them understand, and what they say, write and draw at the end.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/run_folder.hpp"
#include "apps/trainer.hpp"

namespace tapesort {

// A command changes the defaults that it wants otherwise before it declares the options.
struct TrainingOptions {
  std::size_t epochs = 0;  // 0: default_epochs, or no limit with a budget of minutes
  std::size_t default_epochs = 60;
  std::size_t validation = 0;  // images; 0: an eighth of the training images, at most 5000
  double minutes = 0;
  std::string optimizer = "adam", schedule = "cosine", augment = "none";
  double learning_rate = 1e-3, momentum = 0.9, weight_decay = 0;
  std::uint64_t seed = 1;
  std::string save, out;  // empty: none
  bool resume = false, profile = false, json = false;

  std::string in_out(const std::string& file) const { return out + "/" + file; }
};

// --validation --augment --epochs --minutes --optimizer --lr --schedule --momentum --weight-decay --seed --save --out
// --resume --profile --json. `epoch` says what an epoch is. `options` must outlive the parsing.
void add_training_options(CLI::App& command, TrainingOptions& options, const std::string& epoch);

// Fills in `epochs`; before everything below.
void complete(TrainingOptions& options);
// Fills in `validation`, of so many training images.
void complete_validation(TrainingOptions& options, std::size_t images);

// Of these options, those that decide the outcome, added to the task's own `settings`. The seed is
// not among them (a result row has a place for it).
void add_settings(const TrainingOptions& options, nlohmann::json& settings);

// Trains as the options say. When it was interrupted, says how to go on; otherwise writes the
// trained model where --save wants it. A run can be resumed with the same settings and seed only.
TrainingResult train(Task& task, const TrainingOptions& options, const nlohmann::json& settings);

// Results for people: on stdout, or on stderr when stdout is for JSON.
void say(const TrainingOptions& options, const std::string& line);
// ", augmented by shift", or nothing: for a line that tells a result.
std::string augmented_by(const TrainingOptions& options);
// 0.12345 -> "12.35 %".
std::string percent(double fraction);

// The result row with what the training tells: validation, best_epoch, steps, seconds; without
// these when nothing was trained.
nlohmann::json training_row(const std::string& task, const nlohmann::json& settings,
                            const TrainingOptions& options, const TrainingResult& result);

// Prints the row with --json, writes it to result.json in --out and draws learning_curve.png there,
// if anything was trained.
void finish(const TrainingOptions& options, const nlohmann::json& row, const TrainingResult& result,
            const std::string& title);

}  // namespace tapesort
