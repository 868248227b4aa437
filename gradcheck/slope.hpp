// Derivatives of functions of one real number by differences, each with an estimate of its error.
//
// The central difference D(h) = (f(h) - f(-h)) / 2h is off by a multiple of h^2 and by f's rounding
// over h. No step suits every f, so we scan: h = H, H / r, H / r^2, ..; Richardson's combination
// R(h) = D(h) + (D(h) - D(rh)) / (r^2 - 1) cancels the h^2. Where steps are too large for f, neighbouring
// R differ by the truncation; where they are too small, by the rounding. We keep the R whose
// neighbours agree best, and how far they differ is the estimate of its error.
// (The scan: Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982.)
#pragma once

#include <functional>
#include <vector>

namespace tapesort {

struct Slope {
  double value = 0;
  double error = 0;  // infinite when no two steps agree, or f is never finite on both sides
  // At a kink the slopes of the two sides differ, however small the step: below, then above.
  bool kink = false;
  double below = 0, above = 0;
  double side_error = 0;  // of below and above
  double size = 0;        // the largest |f| met
  double rounding = 0;    // of value, by f's rounding alone
};

struct SlopeScan {
  double largest_step = 0.0625;
  double smallest_step = 1e-10;  // the scan ends there, or earlier when every slope has settled
  double epsilon = 2.220446049250313e-16;  // relative rounding error of f ..
  double rounded = 0;                      // .. and of what size, where that is more than |f(0)|
  double ratio = 8;                        // r: less for f in float, of which few steps suit
};

// f(t) for a step t: several numbers, always equally many. A step at which f throws or is not
// finite is passed over (it may leave f's domain); f(0) is `at_zero`, which is finite.
// When f throws at every step, the last exception is passed on.
using Line = std::function<std::vector<double>(double t)>;
std::vector<Slope> slopes(const Line& f, const std::vector<double>& at_zero, const SlopeScan& scan);

}  // namespace tapesort
