#include "ops/sorting/soft_sort.hpp"

#include "ops/sorting/row_softmax.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// |d|^p, and its derivative p |d|^(p-1) sign(d).
template <class T>
T distance(T d, T p) {
  if (p == 1) return std::abs(d);
  if (p == 2) return d * d;
  return std::pow(std::abs(d), p);
}
template <class T>
T slope(T d, T p) {
  const T sign = T(d > 0) - T(d < 0);
  if (p == 1) return sign;
  if (p == 2) return 2 * d;
  return d == 0 ? T(0) : sign * p * std::pow(std::abs(d), p - 1);
}

}  // namespace

template <class T>
Var<T> soft_sort(const Var<T>& scores, double tau, double power, Direction direction) {
  const std::size_t n = checked_set_size("soft_sort", scores.value());
  check_positive("soft_sort", "tau", tau);
  check_positive("soft_sort", "power", power);
  const T scale = T(1 / tau), p = T(power);
  const std::size_t sets = n ? scores.size() / n : 0;

  Indices order = argsort(scores.value(), direction);
  Array<T> P_hat = uninitialized<T>(matrix_shape(scores.shape()));
  for_sets(sets, n * n, [&](std::size_t set) {
    const T* s = scores.value().data() + set * n;
    for (std::size_t i = 0; i < n; ++i) {
      T* row = P_hat.data() + (set * n + i) * n;
      const T anchor = s[order.data()[set * n + i]];
      for (std::size_t j = 0; j < n; ++j) row[j] = -distance(anchor - s[j], p) * scale;
      softmax_row(row, n, T(0));  // the largest logit is the anchor's own, 0
    }
  });

  return record(
      "soft_sort", {scores}, std::move(P_hat), [=, order = std::move(order)](Node<T>& P_hat) {
        const Var<T>& scores = P_hat.input(0);
        Array<T> sbar = zeros<T>(scores.shape());
        for_sets(sets, n * n, [&](std::size_t set) {
          const T* s = scores.value().data() + set * n;
          T* into = sbar.data() + set * n;
          for (std::size_t i = 0; i < n; ++i) {
            const std::size_t at = (set * n + i) * n;
            const T *row = P_hat.value().data() + at, *rowbar = P_hat.cotangent().data() + at;
            const std::size_t place = std::size_t(order.data()[set * n + i]);
            const T anchor = s[place], mean = dot(row, rowbar, n);
            T total = 0;
            for (std::size_t j = 0; j < n; ++j) {
              const T h = row[j] * (rowbar[j] - mean) * slope(anchor - s[j], p) * scale;
              into[j] += h;
              total += h;
            }
            into[place] -= total;
          }
        });
        accumulate(scores, std::move(sbar));
      });
}

#define INSTANTIATE(T) template Var<T> soft_sort(const Var<T>&, double, double, Direction);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
