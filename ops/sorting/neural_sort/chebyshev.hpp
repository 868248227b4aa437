// Interpolation of a smooth function of the row by its values at Chebyshev nodes (section 8 of
// README.md). A stretch of one place has one value, that of its middle.
//
// A stretch of `length` whole places is z in [-1, 1] with half a place to spare on either side:
// z_i = (2 i + 1) / length - 1. From the values f_t at z_t = cos(pi (t + 1/2) / nodes),
//
//     c_k = (2 / nodes) sum_t f_t cos(pi k (t + 1/2) / nodes)  (c_0: half of it),
//     f(z) ~ sum_k c_k T_k(z),  T_0 = 1, T_1 = z, T_(k+1) = 2 z T_k - T_(k-1).
//
// All of it is linear in f; `spread` is the transpose, which the backward pass needs.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace tapesort::band {

template <int nodes> class Chebyshev {
 public:
  using Values = std::array<double, nodes>;

  static int count(std::size_t length) { return length == 1 ? 1 : nodes; }
  static double node(int t) { return table()[1][t]; }

  // y_i = f(z_i), i < length, each handed to put(i, y_i).
  template <class Put> static void evaluate(const Values& f, std::size_t length, const Put& put) {
    if (length == 1) return put(std::size_t(0), f[0]);
    Values c{};
    for (int k = 0; k < nodes; ++k) {
      for (int t = 0; t < nodes; ++t) c[k] += f[t] * table()[k][t];
      c[k] *= (k == 0 ? 1.0 : 2.0) / nodes;
    }
    for (std::size_t start = 0; start < length; start += tile) {
      double z[tile], b1[tile] = {}, b2[tile] = {};
      places(start, length, z);
      for (int k = nodes - 1; k >= 1; --k) {  // Clenshaw
        for (std::size_t w = 0; w < tile; ++w) {
          const double b = 2 * z[w] * b1[w] - b2[w] + c[k];
          b2[w] = b1[w];
          b1[w] = b;
        }
      }
      for (std::size_t w = 0; w < tile; ++w) b1[w] = z[w] * b1[w] - b2[w] + c[0];
      for (std::size_t w = 0; w < tile && start + w < length; ++w) put(start + w, b1[w]);
    }
  }

  // fbar_t = sum_i d y_i / d f_t a(i).
  template <class Get> static Values spread(std::size_t length, const Get& a) {
    if (length == 1) return {double(a(0))};
    double sums[nodes][tile] = {};
    for (std::size_t start = 0; start < length; start += tile) {
      double z[tile], t0[tile] = {}, t1[tile];
      places(start, length, z);
      for (std::size_t w = 0; w < tile && start + w < length; ++w) t0[w] = double(a(start + w));
      for (std::size_t w = 0; w < tile; ++w) t1[w] = z[w] * t0[w];
      for (int k = 0; k < nodes; ++k) {
        for (std::size_t w = 0; w < tile; ++w) {
          sums[k][w] += t0[w];
          const double t = 2 * z[w] * t1[w] - t0[w];
          t0[w] = t1[w];
          t1[w] = t;
        }
      }
    }
    Values fbar{};
    for (int k = 0; k < nodes; ++k) {
      double c = 0;
      for (double s : sums[k]) c += s;
      c *= (k == 0 ? 1.0 : 2.0) / nodes;
      for (int t = 0; t < nodes; ++t) fbar[t] += c * table()[k][t];
    }
    return fbar;
  }

 private:
  static constexpr std::size_t tile = 16;

  static void places(std::size_t start, std::size_t length, double* z) {
    for (std::size_t w = 0; w < tile; ++w) {
      z[w] = (2 * double(start + w) + 1) / double(length) - 1;
    }
  }

  // cos(pi k (t + 1/2) / nodes)
  static const std::array<Values, nodes>& table() {
    static const std::array<Values, nodes> cosines = [] {
      const double pi = std::acos(-1.0);
      std::array<Values, nodes> c;
      for (int k = 0; k < nodes; ++k) {
        for (int t = 0; t < nodes; ++t) c[k][t] = std::cos(pi * k * (t + 0.5) / nodes);
      }
      return c;
    }();
    return cosines;
  }
};

}  // namespace tapesort::band
