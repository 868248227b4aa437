// Where the time of a training goes: seconds and bytes by operator, forward and backward. And what a tape
// holds: the values that it keeps for the pullbacks, and the cotangents that wait to be passed on. (What
// pullbacks have captured is not seen.)
//
// A stopwatch runs from mark to mark. Recording an operator is a mark, and the time since the last
// one was that operator's, since an operator records itself when its work is done; making a leaf
// or a constant is a mark, too, so that preparing data is not booked on the operator that follows.
#pragma once

#include <chrono>
#include <map>
#include <set>
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
  // Bytes; the most at one time is kept.
  void holds(std::size_t values, std::size_t cotangents);
  std::size_t most_values() const { return most_values_; }
  std::size_t most_cotangents() const { return most_cotangents_; }
  // All as a table, the most expensive first, with shares of the whole.
  std::string text() const;

 private:
  using Clock = std::chrono::steady_clock;
  double lap();

  std::map<std::string, Row> operators_;
  std::map<std::string, double> others_;
  std::size_t most_values_ = 0, most_cotangents_ = 0;
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
      pass_on(node);
    } else {
      profile_.other("between operators");
      if (event == Event::begun) begin(node);
    }
  }

  template <class T> static std::size_t bytes_of(const Node<T>& node) {
    return node.value().size() * sizeof(T);
  }
  template <class T> void begin(const Node<T>& result) {
    std::size_t values = 0;
    for (std::size_t i = 0; i < result.tape()->size(); ++i) {
      const Node<T>& node = result.tape()->node(i);
      if (node.name().empty()) values += bytes_of(node);  // a Parameter's is borrowed
    }
    waiting_ = {&result};
    cotangents_ = bytes_of(result);
    profile_.holds(values, cotangents_);
  }
  // Only inputs of the node can have got a cotangent since the last one.
  template <class T> void pass_on(const Node<T>& node) {
    const auto gone = [&] {
      if (waiting_.erase(&node) > 0) cotangents_ -= bytes_of(node);
    };
    if (!node.has_cotangent()) gone();  // handed over
    for (const Var<T>& input : node.inputs()) {
      const bool waits = input.needs_grad() && input.node()->has_cotangent();
      if (waits && waiting_.insert(input.node()).second) cotangents_ += bytes_of(*input.node());
    }
    profile_.holds(0, cotangents_);
    gone();
  }

  Profile& profile_;
  std::set<const void*> waiting_;  // the nodes
  std::size_t cotangents_ = 0;     // the bytes of theirs
};

}  // namespace tapesort
