// The matrices of Winograd's convolution; written out in section 2 of README.md.
#pragma once

#include <array>

#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"

namespace tapesort::detail {

template <class V, std::size_t N> using WinogradLine = std::array<V, N>;

// B', G and A' along one axis, for K weights and M = 7 - K outputs, and two of their transposes. They
// have a row or column for each of the points 0, p, -p, q, -q and infinity, in this order; pairs of points
// share what is even in them.
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
  template <std::size_t K> static WinogradLine<V, 6> weight_sums(const WinogradLine<V, K>& w) {
    return values(w, at_p, at_q);  // G w
  }
  template <std::size_t K> static WinogradLine<V, K> weight_sums_back(const WinogradLine<V, 6>& v) {
    return values_back<K>(v, at_p, at_q);  // G' v
  }
  template <std::size_t M> static WinogradLine<V, M> outputs(const WinogradLine<V, 6>& m) {
    return values_back<M>(m, 1, 1);  // A' m
  }
  template <std::size_t M> static WinogradLine<V, 6> outputs_back(const WinogradLine<V, M>& y) {
    return values(y, 1, 1);  // A y
  }

 private:
  // The values at the points of the polynomial with coefficients a, those at +-p divided by over_p.
  template <std::size_t K>
  static WinogradLine<V, 6> values(const WinogradLine<V, K>& a, T over_p, T over_q) {
    const V even_p = V(1 / over_p) * every_other(a, 0, pp);
    const V odd_p = V(p / over_p) * every_other(a, 1, pp);
    const V even_q = V(1 / over_q) * every_other(a, 0, qq);
    const V odd_q = V(q / over_q) * every_other(a, 1, qq);
    return {a[0], even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, a[K - 1]};
  }
  // a_k + a_(k+2) square + a_(k+4) square^2 + ..
  template <std::size_t K>
  static V every_other(const WinogradLine<V, K>& a, std::size_t k, T square) {
    std::size_t last = K - 1 - (K - 1 - k) % 2;
    V sum = a[last];
    for (; last > k; last -= 2) sum = fma(square, sum, a[last - 2]);
    return sum;
  }
  // The transpose.
  template <std::size_t K>
  static WinogradLine<V, K> values_back(const WinogradLine<V, 6>& v, T over_p, T over_q) {
    const V even_p = V(1 / over_p) * (v[1] + v[2]), odd_p = V(p / over_p) * (v[1] - v[2]);
    const V even_q = V(1 / over_q) * (v[3] + v[4]), odd_q = V(q / over_q) * (v[3] - v[4]);
    WinogradLine<V, K> a{v[0] + even_p + even_q, odd_p + odd_q};
    T power_p = pp, power_q = qq;
    for (std::size_t k = 2; k < K; ++k) {
      const V &of_p = k % 2 == 0 ? even_p : odd_p, of_q = k % 2 == 0 ? even_q : odd_q;
      const V rest = k + 1 < K ? V(power_q) * of_q : fma(power_q, of_q, v[5]);
      a[k] = fma(power_p, of_p, rest);
      if (k % 2 == 1) power_p *= pp, power_q *= qq;
    }
    if (K == 2) a[1] += v[5];
    return a;
  }
};

}  // namespace tapesort::detail
