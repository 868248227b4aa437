#include "apps/training_options.hpp"

#include <algorithm>
#include <cstdio>

#include "apps/data/augment.hpp"
#include "apps/option_checks.hpp"
#include "apps/output.hpp"
#include "apps/report/plot.hpp"
#include "apps/report/progress.hpp"
#include "apps/report/result_row.hpp"
#include "apps/stop_signals.hpp"
#include "engine/check.hpp"
#include "models/checkpoint.hpp"

namespace tapesort {
namespace {

void draw_curve(const TrainingResult& result, const std::string& title, const std::string& file) {
  Series loss{"training", {}, {}, {}}, validation{"validation", {}, {}, {}};
  for (std::size_t i = 0; i < result.epochs.size(); ++i) {
    loss.x.push_back(double(i + 1));
    loss.y.push_back(result.epochs[i].loss);
    validation.y.push_back(result.epochs[i].validation);
  }
  validation.x = loss.x;
  draw_learning_curve(title, {loss}, {validation}, file);
}

std::unique_ptr<Optimizer<float>> make_optimizer(const TrainingOptions& o,
                                                 const State<float>& state) {
  if (o.optimizer == "adam") {
    return std::make_unique<Adam<float>>(state.parameters, o.learning_rate, 0.9, 0.999, 1e-8,
                                         o.weight_decay);
  }
  return std::make_unique<Sgd<float>>(state.parameters, o.learning_rate, o.momentum,
                                      o.weight_decay);
}

}  // namespace

void add_training_options(CLI::App& command, TrainingOptions& o, const std::string& epoch) {
  command
      .add_option("--validation", o.validation,
                  "training images set aside for validation (default: an eighth, at most 5000)")
      ->check(rounds);
  std::vector<std::string> names;
  for (const auto& entry : augmentations()) names.push_back(entry.first);
  command
      .add_option(
          "--augment", o.augment,
          "random changes to each training image: shift by up to 2 pixels, flip left-right; "
          "erase a rectangle of up to a third; affine: shift, rotation by up to 15 degrees, scale "
          "and shear by up to 0.15")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  CLI::Option* epochs =
      command
          .add_option("--epochs", o.epochs, to_message(epoch, " (default: ", o.default_epochs, ")"))
          ->check(rounds);
  command.add_option("--minutes", o.minutes, "train for so long, instead of a number of epochs")
      ->check(number(1e-6, 1e7))
      ->excludes(epochs);
  command.add_option("--optimizer", o.optimizer)
      ->check(CLI::IsMember({"sgd", "adam"}))
      ->capture_default_str();
  command.add_option("--lr", o.learning_rate, "learning rate at the start")
      ->check(learning_rate)
      ->capture_default_str();
  command.add_option("--schedule", o.schedule, "of the learning rate")
      ->check(CLI::IsMember({"constant", "cosine"}))
      ->capture_default_str();
  command.add_option("--momentum", o.momentum, "of sgd")
      ->check(number(0, 0.999999))
      ->capture_default_str();
  command.add_option("--weight-decay", o.weight_decay)
      ->check(number(0, 1e38))
      ->capture_default_str();
  command.add_option("--seed", o.seed, "of everything random")
      ->check(any_seed)
      ->capture_default_str();
  command.add_option("--save", o.save, "write the trained network to this file (safetensors)")
      ->check(file_name);
  CLI::Option* out =
      command.add_option("--out", o.out, "folder for pictures, result.json and the checkpoint")
          ->check(file_name);
  command.add_flag("--resume", o.resume, "continue from the checkpoint in --out")->needs(out);
  command.add_flag("--profile", o.profile, "print time and bytes by operator at the end");
  command.add_flag("--json", o.json, "print the result as one JSON object, and nothing else");
}

void complete(TrainingOptions& o) {
  if (o.epochs == 0) o.epochs = o.minutes > 0 ? 1000000 : o.default_epochs;
}

void complete_validation(TrainingOptions& o, std::size_t images) {
  if (o.validation == 0) o.validation = std::clamp<std::size_t>(images / 8, 1, 5000);
}

void add_settings(const TrainingOptions& o, nlohmann::json& settings) {
  settings["validation"] = o.validation;
  settings["augment"] = o.augment;
  settings["epochs"] = o.epochs;
  settings["minutes"] = o.minutes;
  settings["optimizer"] = o.optimizer;
  settings["learning_rate"] = o.learning_rate;
  settings["schedule"] = o.schedule;
  settings["momentum"] = o.momentum;
  settings["weight_decay"] = o.weight_decay;
}

TrainingResult train(Task& task, const TrainingOptions& o, const nlohmann::json& settings) {
  const auto optimizer = make_optimizer(o, task.state());
  TrainerOptions options;
  options.epochs = o.epochs;
  options.minutes = o.minutes;
  options.learning_rate = o.learning_rate;
  options.schedule = o.schedule == "cosine" ? Schedule::cosine : Schedule::constant;
  options.seed = o.seed;
  if (!o.out.empty()) options.checkpoint = o.in_out(checkpoint_name);
  options.resume = o.resume;
  options.profile = o.profile;
  options.settings = settings;
  options.settings["seed"] = o.seed;
  const TrainingResult result = train(task, *optimizer, options);
  if (result.interrupted) {
    say(o, to_message("stopped by ", signal_name(result.interrupted), " after step ", result.steps,
                      o.out.empty() ? "; with --out DIR it could be resumed"
                                    : "; the same command with --resume goes on from there"));
  } else if (!o.save.empty()) {
    save_model(o.save, task.state());
  }
  return result;
}

void say(const TrainingOptions& o, const std::string& line) {
  std::FILE* const stream = o.json ? stderr : stdout;
  std::fprintf(stream, "%s\n", line.c_str());
  flush_output();
}

std::string augmented_by(const TrainingOptions& o) {
  return o.augment == "none" ? "" : ", augmented by " + o.augment;
}

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * fraction);
  return text;
}

nlohmann::json training_row(const std::string& task, const nlohmann::json& settings,
                            const TrainingOptions& o, const TrainingResult& result) {
  nlohmann::json row = result_row(task, settings, o.seed);
  if (result.epochs.empty()) return row;  // nothing was trained
  row["validation"] = result.best_validation;
  row["best_epoch"] = result.best_epoch;
  row["steps"] = result.steps;
  row["seconds"] = result.seconds;
  return row;
}

void finish(const TrainingOptions& o, const nlohmann::json& row, const TrainingResult& result,
            const std::string& title) {
  if (o.json) std::printf("%s\n", row.dump().c_str());
  if (o.out.empty()) return;
  write_result(o.in_out(result_name), row);
  if (!result.epochs.empty()) draw_curve(result, title, o.in_out(curve_name));
  say(o, "pictures and result: " + o.out);
}

}  // namespace tapesort
