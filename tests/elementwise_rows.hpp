// The elementwise operators, for tests that put them all through the same.
#pragma once

#include "op_table.hpp"
#include "ops/elementwise.hpp"

namespace tapesort::testing {

struct ElementwiseRow : InBothTypes<OfInputs> {
  template <class F>
  ElementwiseRow(std::string name, std::size_t inputs, F op)
      : InBothTypes(op), name(std::move(name)), inputs(inputs) {}

  std::string name;
  std::size_t inputs;
};

inline std::vector<ElementwiseRow> elementwise_rows() {
  return {
      {"a + b", 2, [](const auto& x) { return x[0] + x[1]; }},
      {"a - b", 2, [](const auto& x) { return x[0] - x[1]; }},
      {"a * b", 2, [](const auto& x) { return x[0] * x[1]; }},
      {"a / b", 2, [](const auto& x) { return x[0] / x[1]; }},
      {"x + 3", 1, [](const auto& x) { return x[0] + 3; }},
      {"x * 3", 1, [](const auto& x) { return x[0] * 3; }},
      {"x / 3", 1, [](const auto& x) { return x[0] / 3; }},
      {"3 - x", 1, [](const auto& x) { return 3 - x[0]; }},
      {"3 / x", 1, [](const auto& x) { return 3 / x[0]; }},
      {"-x", 1, [](const auto& x) { return -x[0]; }},
      {"exp", 1, [](const auto& x) { return exp(x[0]); }},
      {"log", 1, [](const auto& x) { return log(x[0]); }},
      {"sqrt", 1, [](const auto& x) { return sqrt(x[0]); }},
      {"square", 1, [](const auto& x) { return square(x[0]); }},
      {"abs", 1, [](const auto& x) { return abs(x[0]); }},
      {"pow, number", 1, [](const auto& x) { return pow(x[0], 2.5); }},
      {"pow", 2, [](const auto& x) { return pow(x[0], x[1]); }},
      {"tanh", 1, [](const auto& x) { return tanh(x[0]); }},
      {"sigmoid", 1, [](const auto& x) { return sigmoid(x[0]); }},
      {"relu", 1, [](const auto& x) { return relu(x[0]); }},
      {"softplus", 1, [](const auto& x) { return softplus(x[0]); }},
      {"maximum", 2, [](const auto& x) { return maximum(x[0], x[1]); }},
      {"minimum", 2, [](const auto& x) { return minimum(x[0], x[1]); }},
      {"clip", 1, [](const auto& x) { return clip(x[0], -1, 2); }},
      {"where", 3, [](const auto& x) { return where(x[0], x[1], x[2]); }},
      {"greater", 2, [](const auto& x) { return greater(x[0], x[1]); }},
  };
}

}  // namespace tapesort::testing
