#include "ops/sorting/neural_sort_formula.hpp"

#include <cmath>
#ifdef XTENSOR_USE_XSIMD
#include <xsimd/xsimd.hpp>
#endif

#include "engine/check.hpp"
#include "engine/parallel.hpp"

namespace tapesort {
namespace {

template <class T>
void check_scores(const char* op, const Array<T>& scores, double tau) {
  require(scores.dimension() >= 1, op, ": scores are 0-d; need (..., n)");
  require(tau > 0 && std::isfinite(tau), op, ": tau must be > 0 and finite, got ", tau);
  const std::size_t n = scores.shape().back();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const T s = scores.data()[i];
    require(std::isfinite(s), op, ": score ", i % n, " of row ", i / n, " is ", s,
            "; need finite scores (a large negative number stands for minus infinity)");
  }
}

// row_j = e^(row_j - shift) for j < n; returns the sum.
template <class T>
T exp_and_sum(T* row, std::size_t n, T shift) {
  std::size_t j = 0;
  T total = 0;
#ifdef XTENSOR_USE_XSIMD
  using Lanes = xsimd::batch<T>;
  Lanes sums(T(0));
  for (; j + Lanes::size <= n; j += Lanes::size) {
    const Lanes e = xsimd::exp(Lanes::load_unaligned(row + j) - Lanes(shift));
    e.store_unaligned(row + j);
    sums += e;
  }
  total = xsimd::hadd(sums);
  if (j < n) {
    // The rest goes through the same exponential, padded with what becomes zero.
    T padded[Lanes::size];
    std::fill_n(std::copy(row + j, row + n, padded), Lanes::size - (n - j),
                -std::numeric_limits<T>::infinity());
    const Lanes e = xsimd::exp(Lanes::load_unaligned(padded) - Lanes(shift));
    total += xsimd::hadd(e);
    e.store_unaligned(padded);
    std::copy_n(padded, n - j, row + j);
  }
#else
  for (; j < n; ++j) total += row[j] = std::exp(row[j] - shift);
#endif
  return total;
}

// One set of n scores.
template <class T>
struct Set {
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
      for (std::size_t k = 0; k < n; ++k) total += std::abs(s[j] - s[k]);
      A[j] = total;
    }
    for (std::size_t i = 0; i < n; ++i) {
      T* p = P + i * n;
      const T w = weight(i);
      T largest = -std::numeric_limits<T>::infinity();
      for (std::size_t j = 0; j < n; ++j) p[j] = (w * s[j] - A[j]) / tau;
      for (std::size_t j = 0; j < n; ++j) largest = std::max(largest, p[j]);
      const T scale = 1 / exp_and_sum(p, n, largest);
      for (std::size_t j = 0; j < n; ++j) p[j] *= scale;
    }
  }

  void backward(const T* P, const T* Pbar, T* sbar) const {
    std::vector<T> B(n, T(0));
    std::fill_n(sbar, n, T(0));
    for (std::size_t i = 0; i < n; ++i) {
      const T *p = P + i * n, *pbar = Pbar + i * n;
      const T w = weight(i);
      T mean = 0;
      for (std::size_t j = 0; j < n; ++j) mean += p[j] * pbar[j];
      for (std::size_t j = 0; j < n; ++j) {
        const T g = p[j] * (pbar[j] - mean) / tau;
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

// Calls work(set) for each of `sets` sets, in parallel; a set costs about n^2 exponentials.
template <class Work>
void for_sets(std::size_t sets, std::size_t n, const Work& work) {
  const FlushDenormals flush;
  const std::size_t cost = std::max<std::size_t>(1, n * n);
  parallel_for(sets, 1 + 32768 / cost, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t set = begin; set < end; ++set) work(set);
  });
}

}  // namespace

template <class T>
Var<T> neural_sort_formula(const Var<T>& scores, double tau, Direction direction) {
  check_scores("neural_sort_formula", scores.value(), tau);
  Shape shape = scores.shape();
  const std::size_t n = shape.back(), sets = n == 0 ? 0 : scores.size() / n;
  shape.push_back(n);
  Array<T> P = uninitialized<T>(shape);
  const auto set_of = [=](const Array<T>& s, std::size_t set) {
    return Set<T>{s.data() + set * n, n, T(tau), direction};
  };
  for_sets(sets, n,
           [&](std::size_t set) { set_of(scores.value(), set).forward(P.data() + set * n * n); });
  return record("neural_sort_formula", {scores}, std::move(P), [=](Node<T>& P) {
    const Array<T>& s = P.input(0).value();
    Array<T> sbar = uninitialized<T>(s.shape());
    for_sets(sets, n, [&](std::size_t set) {
      const std::size_t start = set * n * n;
      set_of(s, set).backward(P.value().data() + start, P.cotangent().data() + start,
                              sbar.data() + set * n);
    });
    accumulate(P.input(0), std::move(sbar));
  });
}

template Var<float> neural_sort_formula(const Var<float>&, double, Direction);
template Var<double> neural_sort_formula(const Var<double>&, double, Direction);

}  // namespace tapesort
