// The one hook by which the tapes of a thread can be watched (profile.hpp, trap.hpp).
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

// Told of every event from its construction on, on its thread, until it is destroyed; the last one
// made is destroyed first. What it throws, the operator or backward() throws.
class Observer {
 public:
  using Event = detail::Event;

  Observer() : before_(std::exchange(latest(), this)) {}
  virtual ~Observer() { latest() = before_; }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  virtual void see(Event event, const Node<float>& node) = 0;
  virtual void see(Event event, const Node<double>& node) = 0;

  // Tells all that live.
  template <class T> static void tell(Event event, const Node<T>& node) {
    for (Observer* o = latest(); o != nullptr; o = o->before_) o->see(event, node);
  }

 private:
  friend class Unobserved;
  static Observer*& latest() {
    thread_local Observer* observer = nullptr;
    return observer;
  }
  Observer* before_;
};

// While one lives, the observers made before it are told nothing.
class Unobserved {
 public:
  Unobserved() : before_(std::exchange(Observer::latest(), nullptr)) {}
  ~Unobserved() { Observer::latest() = before_; }
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;

 private:
  Observer* before_;
};

namespace detail {
// For messages: the shapes of its inputs, or its own where it has none.
template <class T> std::string shapes_of(const Node<T>& node);
}  // namespace detail

}  // namespace tapesort
