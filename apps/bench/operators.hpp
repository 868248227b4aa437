// Operators of all kinds at sizes that are worth several threads: what `tapesort bench operators` times, and
// what tests/threads_test.cpp counts the shared loops of.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/tape.hpp"

namespace tapesort {

struct OperatorRow {
  using Function = std::function<Var<float>(const std::vector<Var<float>>& x)>;
  std::string name;
  std::vector<Shape> inputs;
  Function f;

  // Numbers in 0.1 .. 1 for the inputs, the same at each call.
  std::vector<Array<float>> operands() const;
};

std::vector<OperatorRow> operator_rows();

}  // namespace tapesort
