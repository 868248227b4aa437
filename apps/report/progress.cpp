#include "apps/report/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

#include "apps/bench/measure.hpp"
#include "apps/report/printed.hpp"
#include "engine/check.hpp"

namespace tapesort {
namespace {

std::string with_commas(double count) {
  std::string digits = printed("%.0f", count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

// A line longer than the terminal is wide would wrap, and could not be rewritten.
std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(std::max(0.0, seconds)));
  const auto part = [](long long count, const char* unit) {
    return std::to_string(count) + " " + unit;
  };
  if (whole >= 3600) return part(whole / 3600, "h ") + part(whole / 60 % 60, "min");
  if (whole >= 60) return part(whole / 60, "min ") + part(whole % 60, "s");
  return part(whole, "s");
}

Progress::Output Progress::Output::standard_error() {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  return {&std::cerr, terminal, terminal ? 0.1 : 10.0, tapesort::seconds};
}

Progress::Progress(std::string task, std::size_t epochs, std::size_t steps_per_epoch,
                   std::size_t steps_done, Output output, std::string unit)
    : task_(std::move(task)),
      unit_(std::move(unit)),
      epochs_(epochs),
      steps_per_epoch_(steps_per_epoch),
      first_step_(steps_done),
      steps_(steps_done),
      shown_steps_(steps_done),
      output_(std::move(output)),
      start_(output_.clock()),
      shown_(start_) {
  require(steps_per_epoch >= 1, "Progress: need steps_per_epoch >= 1, got 0");
}

Progress::~Progress() {
  if (steps_ != shown_steps_) show(true);
  if (line_open_) *output_.stream << '\n' << std::flush;
}

void Progress::step(double loss, std::size_t images) {
  if (steps_ % steps_per_epoch_ == 0) loss_sum_ = 0, loss_count_ = 0;
  ++steps_;
  ++loss_count_;
  loss_sum_ += loss;
  images_ += images;
  show(false);
}

void Progress::validated(double validation) {
  validation_ = validation;
  show(true);
}

double Progress::epoch_loss() const {
  if (loss_count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  return loss_sum_ / double(loss_count_);
}

void Progress::stop_after(double seconds) { budget_ = seconds; }

double Progress::seconds() const { return output_.clock() - start_; }

std::string Progress::line() const {
  // The step that was just done belongs to its epoch, also when it is that epoch's last.
  const std::size_t last = steps_ == 0 ? 0 : steps_ - 1;
  const std::string of_epochs = budget_ > 0 ? "" : "/" + std::to_string(epochs_);
  std::string text =
      to_message(task_, "  epoch ", last / steps_per_epoch_ + 1, of_epochs, "  step ",
                 steps_ == 0 ? 0 : last % steps_per_epoch_ + 1, "/", steps_per_epoch_);
  if (loss_count_ > 0) text += "  loss " + printed("%.4g", epoch_loss());
  if (validation_) text += "  validation " + percent(*validation_);
  const std::size_t done = steps_ - first_step_, all = epochs_ * steps_per_epoch_;
  if (done > 0) {
    text += "  " + with_commas(double(images_) / std::max(1e-9, seconds())) + " " + unit_ + "/s";
    double left = all > steps_ ? seconds() / double(done) * double(all - steps_) : 0;
    if (budget_ > 0) left = std::min(left, budget_ - seconds());
    text += "  " + duration_text(left) + " left";
  }
  return text;
}

void Progress::show(bool now) {
  const double time = output_.clock();
  if (!now && time - shown_ < output_.interval) return;
  shown_ = time;
  shown_steps_ = steps_;
  if (output_.terminal) {
    // return to the line's start, write, clear what is left of the line before
    *output_.stream << '\r' << line().substr(0, terminal_width() - 1) << "\x1b[K" << std::flush;
    line_open_ = true;
  } else {
    *output_.stream << line() << '\n' << std::flush;
  }
}

}  // namespace tapesort
