// What a wrong Jacobian looks like: the usual mistakes of those who write pullbacks.
#pragma once

#include "gradcheck/gradcheck.hpp"

namespace tapesort::detail {

// An element of the Jacobian: the derivative of output i by the input's element j.
struct Element {
  std::size_t i, j;
  double analytic, numeric;
  bool wrong;
};

// The Jacobian with respect to one input, by columns: for each element of the input, all outputs.
struct Jacobians {
  const GradcheckInput& input;
  const std::vector<std::size_t>& output_shape;
  std::size_t outputs;
  std::vector<Element> elements;
};

// A sentence, or "".
std::string diagnosis(const Jacobians& both);

std::string number(double x, const char* format = "%.4g");
std::string shape_text(const std::vector<std::size_t>& shape);  // "(2, 3)"
// Where the element at this place in row-major order stands: "(1, 2)".
std::string position_text(std::size_t place, const std::vector<std::size_t>& shape);

}  // namespace tapesort::detail
