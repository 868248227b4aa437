// Small programs for a tape, as one types them into the page:
//
//     a = 2;
//     b = a * a;
//     exp(b) + b
//
//   program     statements, separated by semicolons; # begins a comment
//   statement   name = expression, or an expression alone
//   expression  + - * / and @ (matmul), unary minus, ^ (pow), parentheses, names, functions, numbers,
//               and arrays of numbers: [1, 2, 3], [[1, 2], [3, 4]]
//
// A name for a number or an array alone is a leaf; constant(..) around it makes it none. Numbers and
// arrays within an expression are constants. Operators are recorded in reading order: operands from
// left to right, each before what uses it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/tape.hpp"

namespace tapesort {

struct Evaluated {
  Var<double> result;  // of the last statement
  std::vector<std::pair<Var<double>, std::string>> names;
};

// std::invalid_argument "line 1, column 5: what is wrong and what was expected", of the operators, too.
Evaluated evaluate(const std::string& program, Tape<double>& tape);

// How the functions are called, "softmax(x)", in alphabetical order.
std::vector<std::string> function_signatures();

}  // namespace tapesort
