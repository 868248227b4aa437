// What the tests of several stages compute with. Students get task.hpp alone. Include the stage's own
// header first.
#pragma once

#include <vector>

namespace course {

// What the pullback of y adds to its inputs' cotangents, when y's is ybar: of the tapes of stages 2
// and 3.
template <class Var, class Cotangent> auto pull(Var y, const Cotangent& ybar) {
  check(static_cast<bool>(y.node().pullback),
        "The result has no pullback: return what record() gives.");
  y.node().cotangent = ybar;
  y.node().pullback(y.node());
  std::vector<decltype(y.node().cotangent)> cotangents;
  for (const Var& x : y.node().inputs) cotangents.push_back(x.node().cotangent);
  return cotangents;
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
