// What the tests of several stages compute with. Students get task.hpp alone. Include the stage's own
// header first.
#pragma once

#include <vector>

namespace course {

inline std::vector<double> numbers(double one) { return {one}; }
template <class Array> std::vector<double> numbers(const Array& array) { return array.numbers; }

// What the pullback of y adds to its inputs' cotangents, when y's is ybar: of the tapes of stages 2
// and 3. Called twice, it has to add twice as much.
template <class Var, class Cotangent> auto pull(Var y, const Cotangent& ybar) {
  check(static_cast<bool>(y.node().pullback),
        "The result has no pullback: return what record() gives.");
  y.node().cotangent = ybar;
  y.node().pullback(y.node());
  std::vector<decltype(y.node().cotangent)> once;
  for (const Var& x : y.node().inputs) once.push_back(x.node().cotangent);
  y.node().pullback(y.node());
  for (std::size_t i = 0; i < once.size(); ++i) {
    const std::vector<double> first = numbers(once[i]);
    check(near(first, std::vector<double>(first.size()), 0) ||
              !near(numbers(y.node().inputs[i].node().cotangent), first, 0),
          "The contribution of another use has been overwritten. Pass on by accumulate, which "
          "adds.");
  }
  return once;
}

// df / dx_j for each number in x, by central differences.
template <class F, class Numbers> std::vector<double> differences(const F& f, const Numbers& x) {
  std::vector<double> slopes;
  for (std::size_t j = 0; j < x.size(); ++j) {
    Numbers up = x, down = x;
    up.data()[j] += 1e-5;
    down.data()[j] -= 1e-5;
    slopes.push_back((f(up) - f(down)) / 2e-5);
  }
  return slopes;
}

}  // namespace course
