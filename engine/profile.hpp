// Where the time of a training goes: seconds and bytes by operator, forward and backward.
//
// A stopwatch runs from mark to mark. Recording an operator is a mark, and the time since the last
// one was that operator's, since an operator records itself when its work is done; making a leaf
// or a constant is a mark, too, so that preparing data is not booked on the operator that follows.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "engine/observe.hpp"

namespace tapesort {

class Profile {
 public:
  struct Row {
    std::size_t calls = 0;
    double forward = 0, backward = 0;  // seconds
    std::size_t bytes = 0;             // of the values made forward
  };

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

// While one lives, on its thread, a profile counts.
class Profiling : public Observer {
 public:
  explicit Profiling(Profile& profile) : profile_(profile) { profile.other("before"); }

 private:
  void see(Event event, const Node<float>& node) override { book(event, node); }
  void see(Event event, const Node<double>& node) override { book(event, node); }
  template <class T> void book(Event event, const Node<T>& node) {
    if (event == Event::computed) {
      profile_.forward(node.op(), node.value().size() * sizeof(T));
    } else if (event == Event::passed_on) {
      profile_.backward(node.op());
    } else {
      profile_.other("between operators");
    }
  }

  Profile& profile_;
};

}  // namespace tapesort
