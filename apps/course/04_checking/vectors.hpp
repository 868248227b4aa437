// What checking.hpp is written with. Sizes that do not fit say so.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "../task.hpp"

using Vector = std::vector<double>;
using Map = std::function<Vector(const Vector& x)>;                      // y = f(x)
using Vjp = std::function<Vector(const Vector& x, const Vector& ybar)>;  // xbar = J^T ybar

// <a, b>, the sum of a_i b_i.
inline double dot(const Vector& a, const Vector& b) {
  course::check(a.size() == b.size(),
                "dot(a, b) was called with " + std::to_string(a.size()) + " and " +
                    std::to_string(b.size()) +
                    " elements. x, v and what vjp gives have one for each input; u, f(x) and what "
                    "along gives have one for each output.");
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// (0, .., 0, 1, 0, .., 0), with the 1 at place `at`.
inline Vector unit(std::size_t size, std::size_t at) {
  course::check(at < size, "unit(" + std::to_string(size) + ", " + std::to_string(at) +
                               ") was called: there is no such place. The size is f(x).size() "
                               "for an output i, x.size() for an input j.");
  Vector e(size);
  e[at] = 1;
  return e;
}

inline void check_direction(const Vector& x, const Vector& v) {
  course::check(v.size() == x.size(),
                "x was moved in a direction of " + std::to_string(v.size()) +
                    " elements, but f has " + std::to_string(x.size()) +
                    " inputs: v has an element for each input (unit(n, j), n = x.size()).");
}
