#include "apps/training/run.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/data/augment.hpp"
#include "apps/program/processes.hpp"
#include "apps/program/program.hpp"
#include "apps/report/plot.hpp"
#include "apps/report/progress.hpp"
#include "apps/report/result_row.hpp"
#include "apps/training/ranks.hpp"
#include "engine/check.hpp"
#include "models/checkpoint.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

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

void add_training_options(Command command, TrainingOptions& o, const std::string& epoch,
                          const std::string& examples) {
  o.command = command;
  std::vector<std::string> augmented;
  for (const auto& entry : augmentations()) augmented.push_back(entry.first);
  command.setting(
      "--validation", o.validation,
      "training " + examples + " set aside for validation (default: an eighth, at most 5000)",
      rounds);
  if (examples == "images") {
    command.setting(
        "--augment", o.augment,
        "random changes to each training image: shift by up to 2 pixels, flip left-right; "
        "erase a rectangle of up to a third; affine: shift, rotation by up to 15 degrees, scale "
        "and shear by up to 0.15",
        one_of(augmented));
  }
  const Option epochs = command.setting(
      "--epochs", o.epochs, to_message(epoch, " (default: ", o.default_epochs, ")"), rounds);
  command
      .setting("--minutes", o.minutes, "train for so long, instead of a number of epochs",
               number(1e-6, 1e7))
      .excludes(epochs);
  command.setting("--optimizer", o.optimizer, "", one_of({"sgd", "adam"}));
  command.setting("--lr", o.learning_rate, "learning rate at the start", learning_rate,
                  "learning_rate");
  command.setting("--schedule", o.schedule, "of the learning rate", one_of({"constant", "cosine"}));
  command.setting("--average", o.average,
                  "keep the mean of the weights over the last part of the steps, this fraction of "
                  "them, instead of the weights of the best validation; 0: do not",
                  number(0, 0.999));
  command.setting("--momentum", o.momentum, "of sgd", number(0, 0.999999));
  command.setting("--weight-decay", o.weight_decay, "", number(0, 1e38));
  command.add("--seed", o.seed, "of everything random", any_seed);
  command.add("--save", o.save, "write the trained network to this file (safetensors)", file_name);
  const Option out =
      command.add("--out", o.out, "folder for pictures, result.json and the checkpoint", file_name);
  command.add("--resume", o.resume, "continue from the checkpoint in --out").needs(out);
  command.add("--profile", o.profile, "print time and bytes by operator at the end");
  command.add("--json", o.json, "print the result as one JSON object, and nothing else");
}

void complete(TrainingOptions& o, std::size_t images) {
  if (o.epochs == 0) o.epochs = o.minutes > 0 ? 1000000 : o.default_epochs;
  if (o.validation == 0) o.validation = std::clamp<std::size_t>(images / 8, 1, 5000);
}

RunFolder::RunFolder(const TrainingOptions& o) {
  namespace fs = std::filesystem;
  if (own_rank() > 0) return;
  if (!o.out.empty()) {
    for (const char* name : run_files) {
      const std::string file = o.in_out(name);
      check_replaceable(file);
      if (!o.save.empty() && fs::weakly_canonical(o.save) == fs::weakly_canonical(file)) {
        fault(o.save, ": the run's own file; save the model under another name");
      }
    }
  }
  if (!o.save.empty()) check_replaceable(o.save);
  if (o.out.empty()) return;
  const std::string file = o.in_out(lock_name);
  lock_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  const int error = errno;
  const auto refuse = [&](const std::string& why) {
    if (lock_ >= 0) close(lock_);
    fault(o.out, ": ", why, ", or use another folder");
  };
  // Without the lock we cannot know whether another run is here.
  if (lock_ < 0)
    refuse(std::string("its ") + lock_name + " cannot be opened: " + std::strerror(error));
  // A file system without locks is used without.
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    refuse("another run is working here; wait for it");
  }
  if (!o.resume && fs::exists(o.in_out(checkpoint_name))) {
    refuse(std::string("a run has left its ") + checkpoint_name +
           " here; go on with it by --resume");
  }
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

TrainingResult train(Task& task, const TrainingOptions& o) {
  check_ranks();
  const auto optimizer = make_optimizer(o, task.state());
  nlohmann::json settings = o.command.settings();
  settings["seed"] = o.seed;
  TrainerOptions options = o;
  if (!o.out.empty()) options.checkpoint = o.in_out(checkpoint_name);
  options.settings = text_of(settings);
  const TrainingResult result = train(task, *optimizer, options);
  if (result.interrupted) {
    say(o, "stopped by ", signal_name(result.interrupted), " after step ", result.steps,
        o.out.empty() ? "; with --out DIR it could be resumed"
                      : "; the same command with --resume goes on from there");
    end_with(status_of_signal(result.interrupted));
  }
  if (!o.save.empty() && own_rank() == 0) save_model(o.save, task.state(), task.metadata());
  return result;
}

void say_line(const TrainingOptions& o, const std::string& line) {
  if (own_rank() > 0) return;
  std::fprintf(o.json ? stderr : stdout, "%s\n", line.c_str());
  flush_output();
}

std::string trained_text(const TrainingResult& result, const std::string& validation) {
  return to_message("trained ", result.steps, " steps in ", duration_text(result.seconds), "; ",
                    result.averaged ? "the mean's" : "best", " validation ", validation,
                    result.averaged ? "" : to_message(" after epoch ", result.best_epoch));
}

std::string augmented_by(const TrainingOptions& o) {
  return o.augment == "none" ? "" : ", augmented by " + o.augment;
}

void finish(const TrainingOptions& o, const std::string& task, const std::string& title,
            const TrainingResult& result, const Figures& figures,
            const std::vector<MatrixPlot>& matrices) {
  if (own_rank() > 0) return;
  nlohmann::json row = result_row(task, o.command.settings(), o.seed);
  const bool trained = !result.epochs.empty();
  if (trained) {
    row["validation"] = result.best_validation;
    row["best_epoch"] = result.best_epoch;
    row["steps"] = result.steps;
    row["seconds"] = result.seconds;
  }
  for (const auto& [key, value] : figures) row[key] = value;
  if (o.json) std::printf("%s\n", text_of(row).c_str());
  if (o.out.empty()) return;
  write_result(o.in_out(result_name), row);
  std::vector<Plot> curves;
  if (trained) {
    Series loss{"training", {}, {}, {}}, validation{"validation", {}, {}, {}};
    std::string history = "epoch,step,loss,validation,learning_rate,seconds\n";
    for (const TrainingResult::Epoch& e : result.epochs) {
      loss.x.push_back(double(loss.x.size() + 1));
      loss.y.push_back(e.loss);
      validation.y.push_back(100 * e.validation);
      history += to_message(loss.x.size(), ",", e.step, ",", e.loss, ",", e.validation, ",",
                            e.learning_rate, ",", e.seconds, "\n");
    }
    validation.x = loss.x;
    replace_file_content(o.in_out(history_name), {history});
    curves = {{title, "epoch", "loss", false, false, {loss}},
              {"", "epoch", "validation, %", false, false, {validation}}};
    draw(curves, o.in_out(curve_name));
  }
  replace_file_content(o.in_out(report_name), {html_report(task + ", " + title, row, curves,
                                                           matrices, {o.in_out(neighbours_name)})});
  say(o, "pictures and result: ", o.out);
}

}  // namespace tapesort
