#include "replay/formula.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tapesort::detail {
namespace {

// dy/dA and dy/dB of y = A op B, or y = op(A, B), element by element.
struct Elementwise {
  const char *op, *sign, *by_a, *by_b;
};
constexpr Elementwise table[] = {
    {"add", "+", "1", "1"},
    {"sub", "-", "1", "-1"},
    {"mul", "*", "B", "A"},
    {"div", "/", "1 / B", "-Y / B"},
    {"neg", "-", "-1", ""},
    {"exp", "", "Y", ""},
    {"log", "", "1 / A", ""},
    {"sqrt", "", "1 / (2 Y)", ""},
    {"square", "", "2 A", ""},
    {"abs", "", "sign(A)", ""},
    {"relu", "", "1 where A > 0", ""},
    {"tanh", "", "1 - Y^2", ""},
    {"sigmoid", "", "Y (1 - Y)", ""},
    {"softplus", "", "sigmoid(A)", ""},
    {"pow", "", "B A^(B - 1)", "Y log(A)"},
    {"maximum", "", "1 where A > B", "1 where B > A"},
    {"minimum", "", "1 where A < B", "1 where B < A"},
    {"where", "", "1 where taken", "1 where taken"},
};

std::string in_brackets(const std::string& operand) {
  return operand[0] == '-' ? "(" + operand + ")" : operand;
}

std::string with_operands(const char* pattern, const std::vector<std::string>& operands,
                          const std::string& y) {
  if (pattern == std::string("A")) return operands[0];
  if (pattern == std::string("B")) return operands[1];
  std::string text;
  for (; *pattern != 0; ++pattern) {
    text += *pattern == 'A'   ? in_brackets(operands[0])
            : *pattern == 'B' ? in_brackets(operands[1])
            : *pattern == 'Y' ? y
                              : std::string(1, *pattern);
  }
  return text;
}

}  // namespace

// As std::to_chars writes it, which libc++ 14 does not have for them: with the fewest digits that read back
// as the number, and without an exponent unless that is shorter.
std::string digits(double number, bool single) {
  char scientific[32], fixed[400];
  int count = 1;
  for (;; ++count) {
    std::snprintf(scientific, sizeof scientific, "%.*e", count - 1, number);
    const bool same = single ? std::strtof(scientific, nullptr) == float(number)
                             : std::strtod(scientific, nullptr) == number;
    if (same || count == 17) break;
  }
  if (!std::isfinite(number)) return scientific;
  const int exponent = std::atoi(std::strchr(scientific, 'e') + 1);
  std::snprintf(fixed, sizeof fixed, "%.*f", std::max(0, count - 1 - exponent), number);
  return std::strlen(fixed) <= std::strlen(scientific) ? fixed : scientific;
}

Formula formula_of(const std::string& op, const std::vector<std::string>& inputs,
                   const std::string& left, const std::string& right, const std::string& y) {
  const Elementwise* row = std::find_if(std::begin(table), std::end(table),
                                        [&](const Elementwise& row) { return op == row.op; });
  const bool infix = row != std::end(table) && *row->sign != 0;
  const std::size_t first = infix && !left.empty() ? 1 : 0;  // the place of input 0
  std::vector<std::string> operands = inputs;
  if (!left.empty()) operands.insert(first == 1 ? operands.begin() : operands.end(), left);
  if (!right.empty()) operands.push_back(right);

  const bool known = row != std::end(table) && operands.size() == (*row->by_b == 0 ? 1 : 2);
  Formula formula;
  if (known && infix) {
    const std::string last = in_brackets(operands.back());
    formula.text = operands.size() == 1 ? row->sign + last
                                        : in_brackets(operands[0]) + " " + row->sign + " " + last;
  } else {
    for (const std::string& operand : operands) {
      formula.text += (formula.text.empty() ? "" : ", ") + operand;
    }
    formula.text = op + "(" + formula.text + ")";
  }
  for (std::size_t i = 0; known && i < inputs.size(); ++i) {
    formula.derivatives.push_back(
        with_operands(first + i == 0 ? row->by_a : row->by_b, operands, y));
  }
  return formula;
}

}  // namespace tapesort::detail
