// One line about a running training on stderr:
//
//   knn  epoch 3/20  step 120/550  loss -0.8731  validation 94.70 %  12,300 images/s  45 s left
//
// On a terminal it is rewritten in place, a few times a second. Elsewhere (a log file) a new line
// comes at intervals, after every validation and at the end.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

namespace tapesort {

class Progress {
 public:
  struct Output {
    std::ostream* stream;           // where to
    bool terminal;                  // rewrite in place
    double interval;                // seconds between lines
    std::function<double()> clock;  // seconds, from any start
    // stderr: every 0.1 s on a terminal, every 10 s elsewhere
    static Output standard_error();
  };

  // A training that is resumed tells how many steps it has done before.
  Progress(std::string task, std::size_t epochs, std::size_t steps_per_epoch,
           std::size_t steps_done = 0, Output output = Output::standard_error(),
           std::string unit = "images");
  ~Progress();  // ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // The training ends after so many seconds from its start, unless its epochs end before. The line
  // then counts down to that and does not tell the number of epochs.
  void stop_after(double seconds);

  // After every training step.
  void step(double loss, std::size_t images);
  // After a validation: an accuracy, an R2 or the like, shown in percent from now on.
  void validated(double validation);

  // Mean loss of the present epoch's steps, NaN before the first. After an epoch's last step it is
  // that epoch's, until the next step.
  double epoch_loss() const;
  // Since the start.
  double seconds() const;

  // What the line says now.
  std::string line() const;

 private:
  void show(bool now);

  std::string task_, unit_;
  std::size_t epochs_, steps_per_epoch_, first_step_, steps_, shown_steps_;
  Output output_;
  double start_, shown_;
  double loss_sum_ = 0;
  std::size_t loss_count_ = 0, images_ = 0;
  std::optional<double> validation_;  // none yet
  double budget_ = 0;                 // seconds; 0: none
  bool line_open_ = false;
};

// "2 min 10 s", "1 h 5 min", "45 s".
std::string duration_text(double seconds);

}  // namespace tapesort
