// Stage 4: checking gradients, and finding wrong ones.
#pragma once

#include <algorithm>
#include <cmath>

#include "../task.hpp"
#include "vectors.hpp"

constexpr double h = 1e-5;  // for x and f near 1

// J v, nearly: how y = f(x) changes when x moves in the direction v.
inline Vector along(const Map& f, const Vector& x, const Vector& v) {
  check_direction(x, v);
  //[4.1] the central difference of a function of vectors, in a direction
  Vector up = x, down = x;
  for (std::size_t j = 0; j < x.size(); ++j) {
    up[j] += h * v[j];
    down[j] -= h * v[j];
  }
  Vector y = f(up);
  const Vector below = f(down);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = (y[i] - below[i]) / (2 * h);
  return y;
  //[end]
}

// How far the pullback is from the differences, for one pair of directions: |<J^T u, v> - <u, J v>|.
inline double mismatch(const Map& f, const Vjp& vjp, const Vector& x, const Vector& u,
                       const Vector& v) {
  //[4.2] one pair of directions: two numbers that have to agree
  return std::abs(dot(vjp(x, u), v) - dot(u, along(f, x, v)));
  //[end]
}

// dy_i / dx_j, by the pullback and by differences.
struct Element {
  std::size_t i = 0, j = 0;
  double analytic = 0, numeric = 0;
};

// That element of the Jacobian in which |analytic - numeric| is largest.
inline Element worst_element(const Map& f, const Vjp& vjp, const Vector& x) {
  //[4.3] the whole Jacobian both ways, and its worst element
  const std::size_t m = f(x).size(), n = x.size();
  std::vector<Vector> columns;
  for (std::size_t j = 0; j < n; ++j) columns.push_back(along(f, x, unit(n, j)));
  Element worst;
  for (std::size_t i = 0; i < m; ++i) {
    const Vector row = vjp(x, unit(m, i));
    for (std::size_t j = 0; j < n; ++j) {
      if (std::abs(row[j] - columns[j][i]) >= std::abs(worst.analytic - worst.numeric)) {
        worst = {i, j, row[j], columns[j][i]};
      }
    }
  }
  return worst;
  //[end]
}

// Whether `slope` is a derivative of f at x. At a kink, where the slopes of both sides differ, any
// number between them is.
inline bool is_slope(const std::function<double(double)>& f, double x, double slope) {
  //[4.4] optional: a slope at a kink, give or take 1e-4
  const double left = (f(x) - f(x - h)) / h, right = (f(x + h) - f(x)) / h;
  const double tolerance = 1e-4 * (1 + std::abs(left) + std::abs(right));
  return std::min(left, right) - tolerance <= slope && slope <= std::max(left, right) + tolerance;
  //[end]
}

// What is wrong with each of the pullbacks A to H, in this order: "right", "factor", "sign",
// "missing sum", "transposed", "forgotten use", "wrong branch" or "zero".
inline std::vector<std::string> diagnoses() {
  //[4.5] eight pullbacks and what is wrong with them (begin with: return {};)
  return {"transposed",  "right",  "forgotten use", "zero",
          "missing sum", "factor", "wrong branch",  "sign"};
  //[end]
}
