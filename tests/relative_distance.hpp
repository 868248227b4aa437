// Errors element by element, for results whose small elements matter as much as the large ones.
#pragma once

#include <cmath>
#include <limits>

#include "engine/array.hpp"

namespace tapesort::testing {

// |a - b| / |b|. (doctest::Approx adds 1 to the scale, and so accepts anything beside 1e-8.)
inline double relative_error(double a, double b) { return std::abs(a - b) / std::abs(b); }

// The largest |a - b| / max(|b|, floor); infinite where the shapes differ, or a difference is NaN.
// Below `floor` the type has no digits left.
inline double relative_distance(const Array<double>& a, const Array<double>& b, double floor) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  if (a.shape() != b.shape()) return inf;
  double worst = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double x = a.data()[i], y = b.data()[i];
    if (x == y) continue;
    const double error = std::abs(x / 4 - y / 4) / std::max(std::abs(y) / 4, floor / 4);
    if (!(error < inf)) return inf;
    worst = std::max(worst, error);
  }
  return worst;
}

}  // namespace tapesort::testing
