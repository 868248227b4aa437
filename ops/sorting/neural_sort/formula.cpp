#include "ops/sorting/neural_sort/formula.hpp"

#include <cmath>

#include "engine/instantiate.hpp"
#include "ops/sorting/row_softmax.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

using std::abs, std::isfinite;

// One set of n scores.
template <class T> struct Set {
  const T* s;
  std::size_t n;
  T tau;
  Direction direction;

  // n + 1 - 2 i for the row `row` = i - 1.
  T weight(std::size_t row) const {
    const T w = T(n) - 1 - 2 * T(row);
    return direction == Direction::descending ? w : -w;
  }

  void forward(T* P) const {
    std::vector<T> A(n);
    for (std::size_t j = 0; j < n; ++j) {
      T total = 0;
      for (std::size_t k = 0; k < n; ++k) total += abs(s[j] - s[k]);
      A[j] = total;
    }
    for (std::size_t i = 0; i < n; ++i) {
      T* p = P + i * n;
      const T w = weight(i);
      T largest = -std::numeric_limits<T>::infinity();
      for (std::size_t j = 0; j < n; ++j) p[j] = (w * s[j] - A[j]) / tau;
      for (std::size_t j = 0; j < n; ++j) {
        require(isfinite(p[j]), "neural_sort_formula: the logit in row ", i, ", column ", j,
                " overflows; neural_sort takes such scores");
        largest = std::max(largest, p[j]);
      }
      softmax_row(p, n, largest);
    }
  }

  void backward(const T* P, const T* Pbar, T* sbar) const {
    std::vector<T> B(n, T(0));
    std::fill_n(sbar, n, T(0));
    for (std::size_t i = 0; i < n; ++i) {
      const T *p = P + i * n, *pbar = Pbar + i * n;
      const T w = weight(i);
      const T likeliest = pbar[std::max_element(p, p + n) - p];
      const T mean = dot_relative(p, pbar, likeliest, n);
      for (std::size_t j = 0; j < n; ++j) {
        const T g = p[j] * ((pbar[j] - likeliest) - mean) / tau;
        B[j] += g;
        sbar[j] += w * g;
      }
    }
    for (std::size_t j = 0; j < n; ++j) {
      T total = 0;
      for (std::size_t k = 0; k < n; ++k) {
        const T sign = T(s[j] > s[k]) - T(s[j] < s[k]);
        total += sign * (B[j] + B[k]);
      }
      sbar[j] -= total;
    }
  }
};

}  // namespace

template <class T>
Var<T> neural_sort_formula(const Var<T>& scores, double tau, Direction direction) {
  const std::size_t n = checked_set_size("neural_sort_formula", scores.value());
  check_scale<T>("neural_sort_formula", "tau", tau);
  const std::size_t sets = count_sets(scores.value(), n);
  Array<T> P = uninitialized<T>(matrix_shape(scores.shape()));
  const auto set_of = [=](const Array<T>& s, std::size_t set) {
    return Set<T>{s.data() + set * n, n, T(tau), direction};
  };
  for_sets(sets, n * n,
           [&](std::size_t set) { set_of(scores.value(), set).forward(P.data() + set * n * n); });
  return record(Op("neural_sort_formula", tau), {scores}, std::move(P), [=](Node<T>& P) {
    const Array<T>& s = P.input(0).value();
    Array<T> sbar = uninitialized<T>(s.shape());
    for_sets(sets, n * n, [&](std::size_t set) {
      const std::size_t start = set * n * n;
      set_of(s, set).backward(P.value().data() + start, P.cotangent().data() + start,
                              sbar.data() + set * n);
    });
    accumulate(P.input(0), std::move(sbar));
  });
}

INSTANTIATE_TWICE(neural_sort_formula)

}  // namespace tapesort
