// How an operator is written in a formula, and numbers in a text.
#pragma once

#include <string>
#include <vector>

namespace tapesort::detail {

// As few digits as tell the number from its neighbours in float (`single`) or double.
std::string digits(double number, bool single);

struct Formula {
  std::string text;  // "a * b", "2 - a", "clip(a, 0, 1)"
  // By input: dy/dx of an operator that acts element by element, "b" for a in a * b. Empty for others.
  std::vector<std::string> derivatives;
};
// Of an operator with these inputs, and of the numbers that its Op holds, as text; y is its label.
Formula formula_of(const std::string& op, const std::vector<std::string>& inputs,
                   const std::string& left, const std::string& right, const std::string& y);

}  // namespace tapesort::detail
