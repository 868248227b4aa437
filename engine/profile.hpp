// Where the time of a training goes: seconds and bytes by operator, forward and backward.
//
// A stopwatch runs from mark to mark. Recording an operator is a mark, and the time since the last
// one was that operator's, since an operator records itself when its work is done; making a leaf
// or a constant is a mark, too, so that preparing data is not booked on the operator that follows.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>

namespace tapesort {

class Profile {
 public:
  struct Row {
    std::size_t calls = 0;
    double forward = 0, backward = 0;  // seconds
    std::size_t bytes = 0;             // of the values made forward
  };

  // The profile of this thread that counts at present, null by default.
  static Profile*& active() {
    thread_local Profile* profile = nullptr;
    return profile;
  }

  void forward(const char* op, std::size_t bytes);
  void backward(const char* op);
  // The time since the last mark belongs to no operator but to `what`.
  void other(const char* what);

  const std::map<std::string, Row>& operators() const { return operators_; }
  const std::map<std::string, double>& others() const { return others_; }
  // Both as a table, the most expensive first, with shares of the whole.
  std::string text() const;

 private:
  using Clock = std::chrono::steady_clock;
  double lap();

  std::map<std::string, Row> operators_;
  std::map<std::string, double> others_;
  Clock::time_point mark_ = Clock::now();
};

// Makes a profile count for the scope's duration.
class Profiling {
 public:
  explicit Profiling(Profile& profile) : before_(std::exchange(Profile::active(), &profile)) {
    profile.other("before");
  }
  ~Profiling() { Profile::active() = before_; }
  Profiling(const Profiling&) = delete;
  Profiling& operator=(const Profiling&) = delete;

 private:
  Profile* before_;
};

}  // namespace tapesort
