// A run of a training command, around the loop itself (trainer.hpp): the options that all of them
// understand, the folder that it writes to, and what it says and draws at the end.
#pragma once

#include "apps/program/options.hpp"
#include "apps/report/html_report.hpp"
#include "apps/report/printed.hpp"
#include "apps/training/trainer.hpp"
#include "engine/check.hpp"

namespace tapesort {

// A command changes the defaults that it wants otherwise before it declares the options.
struct TrainingOptions : TrainerOptions {
  TrainingOptions() {
    epochs = 0;  // default_epochs, or no limit with a budget of minutes
    seed = 1;    // no setting: a result row has a place for it
    schedule = "cosine";
  }
  std::size_t default_epochs = 60;
  std::size_t validation = 0;  // images; 0: an eighth of the training images, at most 5000
  std::string optimizer = "adam", augment = "none";
  double momentum = 0.9, weight_decay = 0;
  std::string save, out;  // empty: none
  bool json = false;
  Command command;  // its settings decide the outcome

  std::string in_out(const std::string& file) const { return out + "/" + file; }
};

// --validation --augment (of images) --epochs --minutes --optimizer --lr --schedule --momentum --weight-decay --seed --save --out
// --resume --profile --json. `epoch` says what an epoch is, and `examples` what is learned from and
// set aside for validation. `options` must outlive the parsing.
void add_training_options(Command command, TrainingOptions& options, const std::string& epoch,
                          const std::string& examples = "images");

// Fills in `epochs` and `validation`, of so many training images; before everything below.
void complete(TrainingOptions& options, std::size_t images);

// In a run's folder: its trainer's checkpoint, its lock, its result,
constexpr const char *checkpoint_name = "checkpoint.safetensors", *lock_name = ".lock",
                     *result_name = "result.json", *curve_name = "learning_curve.png",
                     *neighbours_name = "neighbours.png", *history_name = "history.csv",
                     *report_name = "report.html";
// and so all that runs write there.
constexpr const char* run_files[] = {checkpoint_name, lock_name,    result_name, curve_name,
                                     neighbours_name, history_name, report_name};

// Checks before a run begins, as it may take hours, that its results can be written. While it lives,
// no other run can have the same folder: two would overwrite each other's checkpoints.
class RunFolder {
 public:
  // --out, a folder, is made if need be; only rank 0 (ranks.hpp) writes there, or to --save.
  // std::runtime_error when either cannot be written, --save is one of run_files in --out, another
  // run has the folder or it cannot be locked, or a run has left a checkpoint there and this one is
  // not to resume it.
  explicit RunFolder(const TrainingOptions& o);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  int lock_ = -1;  // descriptor of an open file; its lock ends with it, also by a crash
};

// Trains as the options say, and writes the trained model where --save wants it. When a signal
// interrupts it, says how to go on and ends the command. A run can be resumed with the same
// settings and seed only, but for more epochs where the schedule is constant.
TrainingResult train(Task& task, const TrainingOptions& options);

// A line for people: on stdout, or on stderr when stdout is for JSON.
void say_line(const TrainingOptions& options, const std::string& line);
template <class... Parts> void say(const TrainingOptions& options, const Parts&... parts) {
  say_line(options, to_message(parts...));
}
// "trained .. steps in ..; best `validation` after epoch ..".
std::string trained_text(const TrainingResult& result, const std::string& validation);
// ", augmented by shift", or nothing: for a line that tells a result.
std::string augmented_by(const TrainingOptions& options);

// The result row (report/result_row.hpp) of what was trained, if anything was, and tested: printed
// with --json, and written to --out, with the learning curve, history.csv, a line an epoch,
// and report.html, which has all of it, and the matrices.
using Figures = std::vector<std::pair<const char*, double>>;
void finish(const TrainingOptions& options, const std::string& task, const std::string& title,
            const TrainingResult& result, const Figures& figures,
            const std::vector<MatrixPlot>& matrices = {});

}  // namespace tapesort
