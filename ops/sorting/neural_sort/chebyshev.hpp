// Interpolation of a smooth function of the row by its values at a few nodes (section 8 of README.md).
// A stretch of one place has one value, that of its middle.
//
// A stretch of `length` whole places is z in [-1, 1] with half a place to spare on either side:
// z_i = (2 i + 1) / length - 1. The nodes 1 > z_0 > z_1 > .. > -1 are near the Chebyshev nodes
// cos(pi (t + 1/2) / nodes), but the steps from one to the next have only three sizes: what a row's
// weights e^logit are multiplied by from node to node is computed once for each size. With
// A_tk = T_k(z_t), T_0 = 1, T_1 = z, T_(k+1) = 2 z T_k - T_(k-1), and the values f_t at the nodes,
//
//     c = A^-1 f,   f(z) ~ sum_k c_k T_k(z).
//
// All of it is linear in f; `spread` is the transpose, which the backward pass needs.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "engine/simd_sums.hpp"

namespace tapesort::band {

// From the first node on: counts[0] steps of the relative size sizes[0], then counts[1] of sizes[1],
// counts[2] of sizes[2], across the middle, and counts[1] and counts[0] again.
struct NodeSteps {
  int sizes[3], counts[3];
};
template <int nodes> constexpr NodeSteps node_steps{};
template <> inline constexpr NodeSteps node_steps<24>{{1, 3, 6}, {2, 4, 11}};
template <> inline constexpr NodeSteps node_steps<48>{{1, 4, 8}, {4, 8, 23}};

template <int nodes> class Chebyshev {
 public:
  using Values = std::array<double, nodes>;

  static int count(std::size_t length) { return length == 1 ? 1 : nodes; }
  static double node(int t) { return table().z[t]; }
  // z_t - z_(t+1) is step(step_at(t)).
  static double step(int size) { return table().step[size]; }
  static constexpr int step_at(int t) { return steps[std::size_t(t)]; }

  // y_i = f(z_i), i < length, each handed to put(i, y_i).
  template <class Put> static void evaluate(const Values& f, std::size_t length, const Put& put) {
    if (length == 1) return put(std::size_t(0), f[0]);
    const Values c = combine(f, table().inverse_transposed);
    for (std::size_t start = 0; start < length; start += tile) {
      L z[2], b1[2]{L(0.0), L(0.0)}, b2[2]{L(0.0), L(0.0)};
      places(start, length, z);
      for (int k = nodes - 1; k >= 1; --k) {  // Clenshaw
        for (int r : {0, 1}) {
          const L b = (z[r] + z[r]) * b1[r] + (L(c[k]) - b2[r]);
          b2[r] = b1[r];
          b1[r] = b;
        }
      }
      double y[tile];
      for (int r : {0, 1}) simd::store(y + r * L::size, z[r] * b1[r] + (L(c[0]) - b2[r]));
      for (std::size_t w = 0; w < std::min(tile, length - start); ++w) put(start + w, y[w]);
    }
  }

  // fbar_t = sum_i d y_i / d f_t a(i).
  template <class Get> static Values spread(std::size_t length, const Get& a) {
    if (length == 1) return {double(a(0))};
    L sums[nodes];
    std::fill_n(sums, nodes, L(0.0));
    for (std::size_t start = 0; start < length; start += tile) {
      double values[tile] = {};
      for (std::size_t w = 0; w < std::min(tile, length - start); ++w)
        values[w] = double(a(start + w));
      L z[2], t0[2], t1[2];
      places(start, length, z);
      for (int r : {0, 1}) {
        t0[r] = simd::load(values + r * L::size);
        t1[r] = z[r] * t0[r];
      }
      for (int k = 0; k < nodes; ++k) {
        sums[k] += t0[0] + t0[1];
        for (int r : {0, 1}) {
          const L t = (z[r] + z[r]) * t1[r] - t0[r];
          t0[r] = t1[r];
          t1[r] = t;
        }
      }
    }
    Values c;
    for (int k = 0; k < nodes; ++k) c[k] = simd::sum(sums[k]);
    return combine(c, table().inverse);
  }

 private:
  using L = Lanes<double>;
  static constexpr std::size_t tile = 2 * L::size;

  static constexpr auto steps = [] {
    std::array<int, nodes - 1> at{};
    std::size_t t = 0;
    for (int size : {0, 1, 2, 1, 0}) {
      for (int k = 0; k < node_steps<nodes>.counts[size]; ++k) at[t++] = size;
    }
    return at;
  }();

  static void places(std::size_t start, std::size_t length, L* z) {
    for (int r : {0, 1}) {
      const L i = simd::ramp<double>() + L(double(start + std::size_t(r) * L::size));
      z[r] = (i + i + L(1.0)) / L(double(length)) - L(1.0);
    }
  }

  using Matrix = std::array<Values, nodes>;
  // sum_i weights_i rows_i
  static Values combine(const Values& weights, const Matrix& rows) {
    static_assert(nodes % L::size == 0);
    Values sum;
    for (int k = 0; k < nodes; k += int(L::size)) {
      L part(0.0);
      for (int i = 0; i < nodes; ++i) part += L(weights[i]) * simd::load(&rows[i][k]);
      simd::store(&sum[k], part);
    }
    return sum;
  }

  struct Table {
    Values z;
    double step[3];
    Matrix inverse, inverse_transposed;  // of A

    Table() {
      const double pi = std::acos(-1.0), outermost = std::cos(pi / (2 * nodes));
      const auto& sizes = node_steps<nodes>.sizes;
      double across = 0;
      for (int size : steps) across += sizes[size];
      for (int size = 0; size < 3; ++size) step[size] = 2 * outermost * sizes[size] / across;
      z[0] = outermost;
      for (int t = 0; t + 1 < nodes; ++t) z[t + 1] = z[t] - step[step_at(t)];
      // At the Chebyshev nodes the inverse would be (2 / nodes) A^T, but for a half at k = 0. Newton's
      // iteration X <- X (2 - A X) leads from there to the inverse.
      Matrix A;
      for (int t = 0; t < nodes; ++t) {
        for (int k = 0; k < nodes; ++k) {
          A[t][k] = std::cos(k * std::acos(z[t]));
          inverse[k][t] = (k == 0 ? 1.0 : 2.0) / nodes * A[t][k];
        }
      }
      for (int round = 0; round < 12; ++round) {
        Matrix residual = product(A, inverse);
        for (int k = 0; k < nodes; ++k) {
          for (double& x : residual[k]) x = -x;
          residual[k][k] += 2;
        }
        inverse = product(inverse, residual);
      }
      for (int t = 0; t < nodes; ++t) {
        for (int k = 0; k < nodes; ++k) inverse_transposed[t][k] = inverse[k][t];
      }
    }
    static Matrix product(const Matrix& a, const Matrix& b) {
      Matrix c;
      for (int i = 0; i < nodes; ++i) c[i] = combine(a[i], b);
      return c;
    }
  };
  static const Table& table() {
    static const Table known;
    return known;
  }
};

}  // namespace tapesort::band
