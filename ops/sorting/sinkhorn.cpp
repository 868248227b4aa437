#include "ops/sorting/sinkhorn.hpp"

#include <limits>
#include <memory>

#include "engine/instantiate.hpp"
#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"
#include "ops/elementwise.hpp"
#include "ops/noise.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// Matrices (n, n) that are worked on at once: one in each lane of a register, element by element, so
// that rows and columns cost the same and a set of 9 wastes no lane.
template <class T> class Group {
 public:
  using Pack = Lanes<T>;
  static constexpr std::size_t width = Pack::size;
  static std::size_t size(std::size_t n) { return n * n * width; }

  // Matrices first .. first + width - 1 of a batch <-> one group. Lanes beyond the end of the batch
  // repeat its last matrix.
  static void read(const Array<T>& batch, std::size_t first, std::size_t n, T* group) {
    const std::size_t size = n * n, last = batch.size() / size - 1;
    for (std::size_t lane = 0; lane < width; ++lane) {
      const T* matrix = batch.data() + std::min(first + lane, last) * size;
      for (std::size_t e = 0; e < size; ++e) group[e * width + lane] = matrix[e];
    }
  }
  static void write(const T* group, std::size_t first, std::size_t n, Array<T>& batch) {
    const std::size_t size = n * n, matrices = batch.size() / size;
    for (std::size_t lane = 0; lane < width && first + lane < matrices; ++lane) {
      T* matrix = batch.data() + (first + lane) * size;
      for (std::size_t e = 0; e < size; ++e) matrix[e] = group[e * width + lane];
    }
  }

  Group(std::size_t n, std::size_t halves_kept)
      : n_(n), X_(uninitialized<T>({size(n)})), P_(uninitialized<T>({size(n) * halves_kept})) {}

  T* X() { return X_.data(); }

  // Normalises X along one axis; exp of the result goes to the half-step's place in P, or to its
  // only place when P is not kept.
  void half_step(std::size_t line_stride, std::size_t stride) {
    T* P = place(halves_++);
    for (std::size_t line = 0; line < n_; ++line) {
      T *x = X() + line * line_stride * width, *p = P + line * line_stride * width;
      const std::size_t step = stride * width;
      Pack largest = simd::load_as<Pack>(x);
      for (std::size_t k = 1; k < n_; ++k) {
        const Pack next = simd::load_as<Pack>(x + k * step);
        largest = simd::select(next > largest, next, largest);
      }
      Pack total(T(0));
      for (std::size_t k = 0; k < n_; ++k) {
        const Pack e = simd::exp(simd::load_as<Pack>(x + k * step) - largest);
        simd::store(p + k * step, e);
        total = total + e;
      }
      const Pack shift = largest + simd::log(total), scale = Pack(T(1)) / total;
      for (std::size_t k = 0; k < n_; ++k) {
        simd::store(x + k * step, simd::load_as<Pack>(x + k * step) - shift);
        simd::store(p + k * step, simd::load_as<Pack>(p + k * step) * scale);
      }
    }
  }
  void iterate() {
    half_step(n_, 1);
    half_step(1, n_);
  }

  // Undoes all half-steps on the cotangent Xbar.
  void backward(T* Xbar) const {
    for (std::size_t half = halves_; half-- > 0;) {
      const bool rows = half % 2 == 0;
      const T* P = P_.data() + half * X_.size();
      const std::size_t step = (rows ? 1 : n_) * width;
      for (std::size_t line = 0; line < n_; ++line) {
        const std::size_t start = line * (rows ? n_ : 1) * width;
        T* xbar = Xbar + start;
        // Twice: where one p is near 1, the first time leaves its xbar with the rounding error of
        // a difference of large numbers, which is what the line then sums to.
        for (int turn = 0; turn < 2; ++turn) {
          Pack total(T(0));
          for (std::size_t k = 0; k < n_; ++k) total = total + simd::load_as<Pack>(xbar + k * step);
          for (std::size_t k = 0; k < n_; ++k) {
            const Pack p = simd::load_as<Pack>(P + start + k * step);
            simd::store(xbar + k * step, simd::load_as<Pack>(xbar + k * step) - p * total);
          }
        }
      }
    }
  }

  // exp(X) after the last half-step.
  const T* P_hat() { return place(halves_ - 1); }

 private:
  T* place(std::size_t half) { return P_.data() + (half * X_.size()) % P_.size(); }

  std::size_t n_, halves_ = 0;
  Array<T> X_, P_;
};

// One matrix, each row filled up to whole registers: X with -infinity and P with 0, which count
// nothing in a row and are never written by a column. Large ones are shared out to threads.
template <class T> class Matrix {
 public:
  using Pack = Lanes<T>;
  static constexpr std::size_t width = 1, lanes = Pack::size;
  static std::size_t size(std::size_t n) { return n * whole_lanes<T>(n); }

  static void read(const Array<T>& batch, std::size_t which, std::size_t n, T* X) {
    const T* from = batch.data() + which * n * n;
    for (std::size_t i = 0; i < n; ++i) std::copy_n(from + i * n, n, X + i * whole_lanes<T>(n));
  }
  static void write(const T* X, std::size_t which, std::size_t n, Array<T>& batch) {
    T* to = batch.data() + which * n * n;
    for (std::size_t i = 0; i < n; ++i) std::copy_n(X + i * whole_lanes<T>(n), n, to + i * n);
  }

  Matrix(std::size_t n, std::size_t halves_kept)
      : n_(n),
        row_(whole_lanes<T>(n)),
        X_(full<T>({size(n)}, -std::numeric_limits<T>::infinity())),
        P_(uninitialized<T>({size(n) * halves_kept})) {}

  T* X() { return X_.data(); }

  void iterate() {
    T* P = place(halves_++);
    shared(n_, [&](std::size_t i) { normalise_row(X() + i * row_, P + i * row_); });
    P = place(halves_++);
    shared(row_ / lanes, [&](std::size_t b) {
      const std::size_t j = b * lanes;
      normalise_columns(X() + j, P + j, std::min(lanes, n_ - j));
    });
  }

  void backward(T* Xbar) const {
    for (std::size_t half = halves_; half-- > 0;) {
      const T* P = P_.data() + half * X_.size();
      const bool rows = half % 2 == 0;
      shared(rows ? n_ : row_ / lanes, [&](std::size_t line) {
        const std::size_t start = line * (rows ? row_ : lanes), step = rows ? lanes : row_;
        const std::size_t count = rows ? row_ / lanes : n_;
        for (int turn = 0; turn < 2; ++turn) {  // as in Group
          Pack total(T(0));
          for (std::size_t k = 0; k < count; ++k) total += simd::load(Xbar + start + k * step);
          if (rows) total = Pack(simd::sum(total));
          for (std::size_t k = 0; k < count; ++k) {
            T* xbar = Xbar + start + k * step;
            simd::store(xbar, simd::load(xbar) - simd::load(P + start + k * step) * total);
          }
        }
      });
    }
  }

  const T* P_hat() { return place(halves_ - 1); }

  // The largest |row sum - 1| of P_hat.
  double row_error() {
    double error = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      double total = -1;
      for (std::size_t j = 0; j < n_; ++j) total += double(P_hat()[i * row_ + j]);
      error = std::max(error, std::abs(total));
    }
    return error;
  }

 private:
  // Calls work(line) for each of so many, on several threads where they have enough numbers.
  template <class Work> void shared(std::size_t lines, const Work& work) const {
    const std::size_t grain = 1 + 100000 * lines / X_.size();
    parallel_for(lines, grain, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t line = begin; line < end; ++line) work(line);
    });
  }

  void normalise_row(T* x, T* p) const {
    Pack largest = simd::load(x), total(T(0));
    for (std::size_t k = lanes; k < row_; k += lanes) {
      largest = xsimd::max(largest, simd::load(x + k));
    }
    T all[lanes];
    simd::store(all, largest);
    const T most = *std::max_element(all, all + lanes);
    for (std::size_t k = 0; k < row_; k += lanes) {
      const Pack e = simd::exp(simd::load(x + k) - most);
      simd::store(p + k, e);
      total += e;
    }
    const T sum = simd::sum(total), shift = most + simd::log(sum), scale = 1 / sum;
    for (std::size_t k = 0; k < row_; k += lanes) {
      simd::store(x + k, simd::load(x + k) - shift);
      simd::store(p + k, simd::load(p + k) * scale);
    }
  }

  // `count` columns side by side.
  void normalise_columns(T* x, T* p, std::size_t count) const {
    const auto put = [count](T* to, const Pack& numbers) {
      if (count == lanes) return simd::store(to, numbers);
      simd::store_part(to, numbers, count);
    };
    Pack largest = simd::load(x), total(T(0));
    for (std::size_t i = 1; i < n_; ++i) largest = xsimd::max(largest, simd::load(x + i * row_));
    for (std::size_t i = 0; i < n_; ++i) {
      const Pack e = simd::exp(simd::load(x + i * row_) - largest);
      simd::store(p + i * row_, e);
      total += e;
    }
    const Pack shift = largest + simd::log(total), scale = Pack(T(1)) / total;
    for (std::size_t i = 0; i < n_; ++i) {
      put(x + i * row_, simd::load(x + i * row_) - shift);
      put(p + i * row_, simd::load(p + i * row_) * scale);
      std::fill(p + i * row_ + count, p + i * row_ + lanes, T(0));
    }
  }

  T* place(std::size_t half) { return P_.data() + (half * X_.size()) % P_.size(); }

  std::size_t n_, row_, halves_ = 0;
  Array<T> X_, P_;
};

// Each row's largest entry, n times. The first half-step takes out what a row has in common; done
// before anything is added or divided, it costs the differences no digits.
template <class T> Array<T> largest_of_rows(const Array<T>& log_alpha, std::size_t n) {
  Array<T> largest = log_alpha;
  for (T* row = largest.data(); row != largest.data() + largest.size(); row += n) {
    std::fill_n(row, n, *std::max_element(row, row + n));
  }
  return largest;
}

// Worked on as `Part`s of the batch: Groups, or Matrix by Matrix.
template <class Part, class T>
Var<T> run(const char* op, bool exponentiate, const Var<T>& log_alpha, T tau, std::size_t n,
           const SinkhornOptions& options) {
  constexpr std::size_t width = Part::width;
  const std::size_t matrices = log_alpha.size() / (n * n), count = (matrices + width - 1) / width;
  const std::size_t halves = 2 * std::size_t(options.iterations), cost = 2 * n * n * halves;
  const bool keep = log_alpha.needs_grad();

  // Bounded, so that a column of nothing but forbidden places has a largest entry, too.
  constexpr T lowest = std::numeric_limits<T>::lowest() / 4;
  Array<T> start = log_alpha.value() - largest_of_rows(log_alpha.value(), n);
  for (T& x : start) x = std::max(x / tau, lowest);
  auto parts = std::make_shared<std::vector<std::unique_ptr<Part>>>(count);
  Array<T> value = uninitialized<T>(log_alpha.shape());
  for_sets(count, cost, [&](std::size_t p) {
    auto part = std::make_unique<Part>(n, keep ? halves : 1);
    Part::read(start, p * width, n, part->X());
    for (int i = 0; i < options.iterations; ++i) {
      part->iterate();
      if constexpr (width == 1) {
        if (options.tolerance > 0 && part->row_error() <= options.tolerance) break;
      }
    }
    Part::write(exponentiate ? part->P_hat() : part->X(), p * width, n, value);
    if (keep) (*parts)[p] = std::move(part);
  });

  return record(Op(op, double(tau)), {log_alpha}, std::move(value), [=](Node<T>& y) {
    Array<T> ybar = y.cotangent(), abar = uninitialized<T>(ybar.shape());
    if (exponentiate) {
      for (std::size_t i = 0; i < ybar.size(); ++i) ybar.data()[i] *= y.value().data()[i];
    }
    for_sets(count, cost / 2, [&](std::size_t p) {
      Array<T> Xbar = zeros<T>({Part::size(n)});
      Part::read(ybar, p * width, n, Xbar.data());
      (*parts)[p]->backward(Xbar.data());
      for (T& x : Xbar) x /= tau;
      Part::write(Xbar.data(), p * width, n, abar);
    });
    accumulate(y.input(0), std::move(abar));
  });
}

template <class T>
Var<T> normalised(const char* op, bool exponentiate, const Var<T>& log_alpha, double tau,
                  const SinkhornOptions& options) {
  const std::size_t n = checked_finite_matrix(op, "log_alpha", log_alpha.value(),
                                              " (a large negative number forbids a place)");
  check_scale<T>(op, "tau", tau);
  require(options.iterations >= 1, op, ": iterations must be >= 1, got ", options.iterations);
  require(options.tolerance >= 0, op, ": tolerance must be >= 0, got ", options.tolerance);
  if (log_alpha.size() == 0) return log_alpha;
  // Matrices that stop at different times, or that are alone, cannot share an instruction; a group of
  // large ones leaves the caches (of 64 x 64 it would take three times as long as one by one).
  if (options.tolerance > 0 || log_alpha.size() == n * n || n > 2 * Lanes<T>::size) {
    return run<Matrix<T>>(op, exponentiate, log_alpha, T(tau), n, options);
  }
  return run<Group<T>>(op, exponentiate, log_alpha, T(tau), n, options);
}

}  // namespace

template <class T>
FirstOrder<T> sinkhorn(const Var<T>& log_alpha, double tau, const SinkhornOptions& options) {
  return normalised("sinkhorn", true, log_alpha, tau, options);
}

template <class T>
FirstOrder<T> log_sinkhorn(const Var<T>& log_alpha, double tau, const SinkhornOptions& options) {
  return normalised("log_sinkhorn", false, log_alpha, tau, options);
}

template <class T>
FirstOrder<T> gumbel_sinkhorn(const Var<T>& log_alpha, double tau, Generator& random,
                              double noise_scale, const SinkhornOptions& options) {
  const std::size_t n = checked_matrix_size("gumbel_sinkhorn", "log_alpha", log_alpha.shape());
  require(noise_scale >= 0 && std::isfinite(noise_scale),
          "gumbel_sinkhorn: noise_scale must be >= 0 and finite, got ", noise_scale);
  Array<T> noise = gumbel_noise<T>(log_alpha.shape(), random);
  for (T& g : noise) g *= T(noise_scale);
  const Var<T> from_largest = log_alpha - constant(largest_of_rows(log_alpha.value(), n));
  return sinkhorn(from_largest + constant<T>(std::move(noise)), tau, options);
}

INSTANTIATE(sinkhorn)
INSTANTIATE(log_sinkhorn)
INSTANTIATE(gumbel_sinkhorn)

}  // namespace tapesort
