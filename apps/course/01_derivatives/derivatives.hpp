// Stage 1: numbers with a derivative.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "../task.hpp"

// --- Differences: the judge

using Function = std::function<double(double)>;

// f'(x), nearly, from two values of f.
inline double central_difference(const Function& f, double x, double h) {
  //[1.1] the central difference: the slope of f between x - h and x + h
  return (f(x + h) - f(x - h)) / (2 * h);
  //[end]
}

// The h at which the difference has most right digits, when f changes at the scale of max(1, |x|).
inline double good_step(double x) {
  //[1.2] optional: where the error of the formula and that of rounding are equally large
  return std::cbrt(2.2e-16) * std::max(1.0, std::abs(x));
  //[end]
}

// --- Forward mode: numbers that carry their derivative

// A number and its derivative with respect to one input of the program.
struct Dual {
  double value = 0;
  double derivative = 0;
};

inline Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.derivative + b.derivative}; }
inline Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.derivative - b.derivative}; }

inline Dual operator*(Dual a, Dual b) {
  //[1.3] the product rule
  return {a.value * b.value, a.derivative * b.value + a.value * b.derivative};
  //[end]
}

inline Dual operator/(Dual a, Dual b) {
  //[1.4] optional: the quotient rule
  const double quotient = a.value / b.value;
  return {quotient, (a.derivative - quotient * b.derivative) / b.value};
  //[end]
}

inline Dual exp(Dual a) {
  const double y = std::exp(a.value);
  return {y, y * a.derivative};
}

inline Dual sin(Dual a) {
  //[1.5] a function of one number, by the chain rule
  return {std::sin(a.value), std::cos(a.value) * a.derivative};
  //[end]
}

// The gradient of f, a function of Duals, at x: df/dx_i for each i.
inline std::vector<double> gradient(const std::function<Dual(const std::vector<Dual>&)>& f,
                                    const std::vector<double>& x) {
  //[1.6] a gradient by forward mode: one evaluation of f for each input
  std::vector<double> result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<Dual> inputs;
    for (std::size_t j = 0; j < x.size(); ++j) inputs.push_back({x[j], i == j ? 1.0 : 0.0});
    result.push_back(f(inputs).derivative);
  }
  return result;
  //[end]
}
