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
  enum Pullback { shared, alone };   // loops of the pullback are shared out to the threads, or not
  enum Digits { the_same, others };  // on any number of threads, or sums are made in another order

  std::string name;
  std::vector<Shape> inputs;
  Function f;
  Pullback pullback = shared;
  Digits digits = the_same;

  // Numbers in 0.1 .. 1 for the inputs, the same at each call.
  std::vector<Array<float>> operands() const;
};

// Sums, broadcasts and gradients that are scattered are not shared out: on one thread they already run at
// the memory's speed, or have an order to keep.
std::vector<OperatorRow> operator_rows();

}  // namespace tapesort
