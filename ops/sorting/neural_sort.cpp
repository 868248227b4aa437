#include "ops/sorting/neural_sort.hpp"

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

// One set of n scores, and the first `rows` rows of its P_hat.
template <class T>
struct Rows {
  const T* s;
  std::size_t n, rows;
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
    for (std::size_t i = 0; i < rows; ++i) {
      T* p = P + i * n;
      const T w = weight(i);
      T largest = -std::numeric_limits<T>::infinity();
      for (std::size_t j = 0; j < n; ++j) p[j] = (w * s[j] - A[j]) / tau;
      for (std::size_t j = 0; j < n; ++j) largest = std::max(largest, p[j]);
      const T scale = 1 / exp_and_sum(p, n, largest);
      for (std::size_t j = 0; j < n; ++j) p[j] *= scale;
    }
  }

  // Pbar's row i begins at Pbar + i * stride; sbar is overwritten.
  void backward(const T* P, const T* Pbar, std::size_t stride, T* sbar) const {
    std::vector<T> B(n, T(0));
    std::fill_n(sbar, n, T(0));
    for (std::size_t i = 0; i < rows; ++i) {
      const T *p = P + i * n, *pbar = Pbar + i * stride;
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
template <class Set>
void for_sets(std::size_t sets, std::size_t n, std::size_t rows, const Set& work) {
  const FlushDenormals flush;
  const std::size_t cost = std::max<std::size_t>(1, n * (rows + n / 4));
  parallel_for(sets, 1 + 32768 / cost, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t set = begin; set < end; ++set) work(set);
  });
}

}  // namespace

template <class T>
Var<T> neural_sort(const Var<T>& scores, double tau, Direction direction) {
  check_scores("neural_sort", scores.value(), tau);
  Shape shape = scores.shape();
  const std::size_t n = shape.back(), sets = n == 0 ? 0 : scores.size() / n;
  shape.push_back(n);
  Array<T> P = uninitialized<T>(shape);
  const auto rows_of = [=](const Array<T>& s, std::size_t set) {
    return Rows<T>{s.data() + set * n, n, n, T(tau), direction};
  };
  for_sets(sets, n, n,
           [&](std::size_t set) { rows_of(scores.value(), set).forward(P.data() + set * n * n); });
  return record("neural_sort", {scores}, std::move(P), [=](Node<T>& P) {
    const Array<T>& s = P.input(0).value();
    Array<T> sbar = uninitialized<T>(s.shape());
    for_sets(sets, n, n, [&](std::size_t set) {
      const std::size_t start = set * n * n;
      rows_of(s, set).backward(P.value().data() + start, P.cotangent().data() + start, n,
                               sbar.data() + set * n);
    });
    accumulate(P.input(0), std::move(sbar));
  });
}

template <class T>
Var<T> neural_sort_hard(const Var<T>& scores, double tau, Direction direction) {
  const Var<T> soft = neural_sort(scores, tau, direction);
  return straight_through(permutation_matrix<T>(argsort(scores.value(), direction)), soft);
}

template <class T>
Var<T> top_k_mass(const Var<T>& scores, std::size_t k, double tau, Direction direction) {
  check_scores("top_k_mass", scores.value(), tau);
  const std::size_t n = scores.shape().back(), sets = n == 0 ? 0 : scores.size() / n;
  require(1 <= k && k <= n, "top_k_mass: k = ", k, " is out of range for scores ", scores.shape(),
          "; need 1 <= k <= ", n);
  Array<T> P = uninitialized<T>({sets, k, n}), mass = zeros<T>(scores.shape());
  const auto rows_of = [=](const Array<T>& s, std::size_t set) {
    return Rows<T>{s.data() + set * n, n, k, T(tau), direction};
  };
  for_sets(sets, n, k, [&](std::size_t set) {
    T *p = P.data() + set * k * n, *m = mass.data() + set * n;
    rows_of(scores.value(), set).forward(p);
    for (std::size_t i = 0; i < k; ++i, p += n) {
      for (std::size_t j = 0; j < n; ++j) m[j] += p[j];
    }
  });
  return record("top_k_mass", {scores}, std::move(mass), [=, P = std::move(P)](Node<T>& mass) {
    const Array<T>& s = mass.input(0).value();
    Array<T> sbar = uninitialized<T>(s.shape());
    for_sets(sets, n, k, [&](std::size_t set) {
      // Every one of the k rows has the mass's cotangent.
      rows_of(s, set).backward(P.data() + set * k * n, mass.cotangent().data() + set * n, 0,
                               sbar.data() + set * n);
    });
    accumulate(mass.input(0), std::move(sbar));
  });
}

#define INSTANTIATE(T)                                                \
  template Var<T> neural_sort(const Var<T>&, double, Direction);      \
  template Var<T> neural_sort_hard(const Var<T>&, double, Direction); \
  template Var<T> top_k_mass(const Var<T>&, std::size_t, double, Direction);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
