// Finds where a NaN or an infinity began.
#pragma once

#include <stdexcept>

#include "engine/observe.hpp"

namespace tapesort {

struct NonFiniteError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// While one lives, on its thread, the first operator whose value, or whose contribution to a
// cotangent, holds a NaN or an infinity throws NonFiniteError, which names it and the shapes of its
// inputs (of its value where nothing was recorded). It costs one look at every number.
class NonFiniteTrap : public Observer {
 public:
  void see(Event event, const Node<float>& node) override;
  void see(Event event, const Node<double>& node) override;
};

}  // namespace tapesort
