// The matrices of Winograd's convolution; written out in section 2 of README.md.
#pragma once

#include <array>

#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"

namespace tapesort::detail {

template <class V, std::size_t N> using WinogradLine = std::array<V, N>;

// B', G and A' along one axis, and two of their transposes. They have a row or column for each of
// the points 0, p, -p, q, -q and infinity, in this order; pairs of points share what is even in them.
template <class T> struct WinogradMaps {
  using V = Lanes<T>;
  static constexpr T p = T(2) / T(3), q = T(3) / T(2), pp = p * p, qq = q * q;
  // The products of a point's differences from all others: p (p + p) (p^2 - q^2), and q's.
  static constexpr T at_p = 2 * pp * (pp - qq), at_q = 2 * qq * (qq - pp);

  // x y + z
  static V fma(T x, const V& y, const V& z) { return simd::multiply_add(V(x), y, z); }

  static WinogradLine<V, 6> image_sums(const WinogradLine<V, 6>& x) {  // B' x
    const V even_p = fma(-qq, x[2], x[4]), odd_p = V(p) * fma(-qq, x[1], x[3]);
    const V even_q = fma(-pp, x[2], x[4]), odd_q = V(q) * fma(-pp, x[1], x[3]);
    return {fma(-pp - qq, x[2], x[0] + x[4]),
            even_p + odd_p,
            even_p - odd_p,
            even_q + odd_q,
            even_q - odd_q,
            fma(-pp - qq, x[3], x[1] + x[5])};
  }
  static WinogradLine<V, 6> weight_sums(const WinogradLine<V, 3>& w) {  // G w
    const V even_p = V(1 / at_p) * fma(pp, w[2], w[0]), odd_p = V(p / at_p) * w[1];
    const V even_q = V(1 / at_q) * fma(qq, w[2], w[0]), odd_q = V(q / at_q) * w[1];
    return {w[0], even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, w[2]};
  }
  static WinogradLine<V, 3> weight_sums_back(const WinogradLine<V, 6>& v) {  // G' v
    const V even_p = V(1 / at_p) * (v[1] + v[2]), odd_p = V(p / at_p) * (v[1] - v[2]);
    const V even_q = V(1 / at_q) * (v[3] + v[4]), odd_q = V(q / at_q) * (v[3] - v[4]);
    return {v[0] + even_p + even_q, odd_p + odd_q, fma(pp, even_p, fma(qq, even_q, v[5]))};
  }
  static WinogradLine<V, 4> outputs(const WinogradLine<V, 6>& m) {  // A' m
    const V even_p = m[1] + m[2], odd_p = V(p) * (m[1] - m[2]);
    const V even_q = m[3] + m[4], odd_q = V(q) * (m[3] - m[4]);
    return {m[0] + even_p + even_q, odd_p + odd_q, fma(pp, even_p, V(qq) * even_q),
            fma(pp, odd_p, fma(qq, odd_q, m[5]))};
  }
  static WinogradLine<V, 6> outputs_back(const WinogradLine<V, 4>& y) {  // A y
    const V even_p = fma(pp, y[2], y[0]), odd_p = V(p) * fma(pp, y[3], y[1]);
    const V even_q = fma(qq, y[2], y[0]), odd_q = V(q) * fma(qq, y[3], y[1]);
    return {y[0], even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, y[3]};
  }
};

}  // namespace tapesort::detail
