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

// Part of a batch of matrices (n, n), in rows of whole registers.
//   in_lanes   as many matrices as a register has lanes, one in each, element by element, so that
//              rows and columns cost the same and a set of 9 wastes no lane
//   otherwise  one matrix, each row filled up: X with -infinity and P with 0, which count nothing
//              in a row and are never written by a column. Large ones are shared out to threads.
template <class T, bool in_lanes> class Part {
 public:
  using Pack = Lanes<T>;
  static constexpr std::size_t lanes = Pack::size, width = in_lanes ? lanes : 1;

  Part(std::size_t n, std::size_t halves_kept)
      : n_(n),
        row_(in_lanes ? n * lanes : whole_lanes<T>(n)),
        X_(full<T>({n * row_}, -std::numeric_limits<T>::infinity())),
        P_(uninitialized<T>({n * row_ * halves_kept})) {}

  std::size_t size() const { return X_.size(); }

  // Matrices first .. first + width - 1 of a batch <-> one part. Lanes beyond the end of the batch
  // repeat its last matrix.
  void read(const Array<T>& batch, std::size_t first, T* part) const {
    const std::size_t last = batch.size() / (n_ * n_) - 1;
    for (std::size_t lane = 0; lane < width; ++lane) {
      const T* matrix = batch.data() + std::min(first + lane, last) * n_ * n_;
      for (std::size_t i = 0; i < n_; ++i) {
        for (std::size_t j = 0; j < n_; ++j) part[i * row_ + j * width + lane] = matrix[i * n_ + j];
      }
    }
  }
  void write(const T* part, std::size_t first, Array<T>& batch) const {
    const std::size_t matrices = batch.size() / (n_ * n_);
    for (std::size_t lane = 0; lane < width && first + lane < matrices; ++lane) {
      T* matrix = batch.data() + (first + lane) * n_ * n_;
      for (std::size_t i = 0; i < n_; ++i) {
        for (std::size_t j = 0; j < n_; ++j) matrix[i * n_ + j] = part[i * row_ + j * width + lane];
      }
    }
  }

  T* X() { return X_.data(); }

  // Normalises rows, then columns; exp of the result goes to the half-step's place in P, or to its
  // only place when P is not kept.
  void iterate() {
    T* P = place(halves_++);
    shared(n_, [&](std::size_t i) {
      T *x = X() + i * row_, *p = P + i * row_;
      if constexpr (in_lanes) {
        normalise(x, p, n_, lanes, lanes);
      } else {
        normalise_row(x, p);
      }
    });
    P = place(halves_++);
    shared(row_ / lanes, [&](std::size_t b) {
      const std::size_t j = b * lanes;
      normalise(X() + j, P + j, n_, row_, in_lanes ? lanes : std::min(lanes, n_ - j));
    });
  }

  // Undoes all half-steps on the cotangent Xbar.
  void backward(T* Xbar) const {
    for (std::size_t half = halves_; half-- > 0;) {
      const T* P = P_.data() + half * X_.size();
      const bool rows = half % 2 == 0;
      shared(rows ? n_ : row_ / lanes, [&](std::size_t line) {
        const std::size_t start = line * (rows ? row_ : lanes), step = rows ? lanes : row_;
        const std::size_t count = rows ? row_ / lanes : n_;
        // Twice: where one p is near 1, the first time leaves its xbar with the rounding error of
        // a difference of large numbers, which is what the line then sums to.
        for (int turn = 0; turn < 2; ++turn) {
          Pack total(T(0));
          for (std::size_t k = 0; k < count; ++k) total += simd::load(Xbar + start + k * step);
          if (rows && !in_lanes) total = Pack(simd::sum(total));
          for (std::size_t k = 0; k < count; ++k) {
            T* xbar = Xbar + start + k * step;
            simd::store(xbar, simd::load(xbar) - simd::load(P + start + k * step) * total);
          }
        }
      });
    }
  }

  // exp(X) after the last half-step.
  const T* P_hat() { return place(halves_ - 1); }

  // The largest |row sum - 1| of P_hat, of a single matrix.
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

  // Lines side by side, one a lane, of `count` elements `step` apart; `used` lanes are in use.
  void normalise(T* x, T* p, std::size_t count, std::size_t step, std::size_t used) const {
    const auto put = [used](T* to, const Pack& numbers) {
      if (in_lanes || used == lanes) return simd::store(to, numbers);
      simd::store_part(to, numbers, used);
    };
    Pack largest = simd::load(x), total(T(0));
    for (std::size_t k = 1; k < count; ++k) largest = xsimd::max(largest, simd::load(x + k * step));
    for (std::size_t k = 0; k < count; ++k) {
      const Pack e = simd::exp(simd::load(x + k * step) - largest);
      simd::store(p + k * step, e);
      total += e;
    }
    const Pack shift = largest + simd::log(total), scale = Pack(T(1)) / total;
    for (std::size_t k = 0; k < count; ++k) {
      put(x + k * step, simd::load(x + k * step) - shift);
      put(p + k * step, simd::load(p + k * step) * scale);
      std::fill(p + k * step + used, p + k * step + lanes, T(0));
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

template <bool in_lanes, class T>
Var<T> run(const char* op, bool exponentiate, const Var<T>& log_alpha, T tau, std::size_t n,
           const SinkhornOptions& options) {
  using Part = Part<T, in_lanes>;
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
    part->read(start, p * width, part->X());
    for (int i = 0; i < options.iterations; ++i) {
      part->iterate();
      if (options.tolerance > 0 && part->row_error() <= options.tolerance) break;
    }
    part->write(exponentiate ? part->P_hat() : part->X(), p * width, value);
    if (keep) (*parts)[p] = std::move(part);
  });

  return record(Op(op, double(tau)), {log_alpha}, std::move(value), [=](Node<T>& y) {
    Array<T> ybar = y.cotangent(), abar = uninitialized<T>(ybar.shape());
    if (exponentiate) {
      for (std::size_t i = 0; i < ybar.size(); ++i) ybar.data()[i] *= y.value().data()[i];
    }
    for_sets(count, cost / 2, [&](std::size_t p) {
      const Part& part = *(*parts)[p];
      Array<T> Xbar = zeros<T>({part.size()});
      part.read(ybar, p * width, Xbar.data());
      part.backward(Xbar.data());
      for (T& x : Xbar) x /= tau;
      part.write(Xbar.data(), p * width, abar);
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
    return run<false>(op, exponentiate, log_alpha, T(tau), n, options);
  }
  return run<true>(op, exponentiate, log_alpha, T(tau), n, options);
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
