#include "ops/sorting/soft_sort.hpp"

#include "engine/instantiate.hpp"
#include "ops/sorting/row_softmax.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

using std::abs, std::pow;

// The logit of a difference d is -u^p, u = |d| / scale with scale = tau^(1/p), so that no power
// overflows where the logit does not. d is made of halves, which cannot overflow.
template <class T> T power(T u, T p) {
  if (p == 1) return u;
  if (p == 2) return u * u;
  return pow(u, p);
}
// p u^(p-1), for u > 0.
template <class T> T slope(T u, T p) {
  if (p == 1) return T(1);
  if (p == 2) return 2 * u;
  return p * pow(u, p - 1);
}

}  // namespace

template <class T>
Var<T> soft_sort(const Var<T>& scores, double tau, double exponent, Direction direction) {
  const std::size_t n = checked_set_size("soft_sort", scores.value());
  check_positive("soft_sort", "tau", tau);
  check_positive("soft_sort", "power", exponent);
  check_scale<T>("soft_sort", "tau^(1/power)", std::pow(tau, 1 / exponent));
  const T scale = T(std::pow(tau, 1 / exponent)), p = T(exponent);
  const std::size_t sets = count_sets(scores.value(), n);

  Indices order = argsort(scores.value(), direction);
  Array<T> P_hat = uninitialized<T>(matrix_shape(scores.shape()));
  for_sets(sets, n * n, [&](std::size_t set) {
    const T* s = scores.value().data() + set * n;
    for (std::size_t i = 0; i < n; ++i) {
      T* row = P_hat.data() + (set * n + i) * n;
      const T anchor = s[order.data()[set * n + i]];
      for (std::size_t j = 0; j < n; ++j) {
        row[j] = -power(2 * (abs(anchor / 2 - s[j] / 2) / scale), p);
      }
      softmax_row(row, n, T(0));  // the largest logit is the anchor's own, 0
    }
  });

  return record(Op("soft_sort", tau), {scores}, std::move(P_hat),
                [=, order = std::move(order)](Node<T>& P_hat) {
                  const Var<T>& scores = P_hat.input(0);
                  Array<T> sbar = zeros<T>(scores.shape());
                  for_sets(sets, n * n, [&](std::size_t set) {
                    const T* s = scores.value().data() + set * n;
                    T* into = sbar.data() + set * n;
                    for (std::size_t i = 0; i < n; ++i) {
                      const std::size_t at = (set * n + i) * n;
                      const T *row = P_hat.value().data() + at,
                              *rowbar = P_hat.cotangent().data() + at;
                      const std::size_t place = std::size_t(order.data()[set * n + i]);
                      // The row is largest at its own item; relative to that one's cotangent, what is left of
                      // the mean is as small as the other probabilities.
                      const T anchor = s[place], own = rowbar[place];
                      const T mean = dot_relative(row, rowbar, own, n);
                      T total = 0;
                      for (std::size_t j = 0; j < n; ++j) {
                        const T d = anchor / 2 - s[j] / 2, g = row[j] * ((rowbar[j] - own) - mean);
                        // Where the row is 0 the slope may be infinite.
                        if (row[j] == 0 || d == 0) continue;
                        const T h = (d > 0 ? g : -g) * slope(2 * (abs(d) / scale), p) / scale;
                        into[j] += h;
                        total += h;
                      }
                      into[place] -= total;
                    }
                  });
                  accumulate(scores, std::move(sbar));
                });
}

INSTANTIATE_TWICE(soft_sort)

}  // namespace tapesort
