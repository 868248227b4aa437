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

// A group of matrices (n, n) that are worked on at once: one in each lane of a Pack, element by
// element, so that rows and columns cost the same and a set of 9 wastes no lane. A Pack of one
// number is one matrix.
template <class T, class Pack> class Group {
 public:
  static constexpr std::size_t width = sizeof(Pack) / sizeof(T);

  Group(std::size_t n, std::size_t halves_kept)
      : n_(n),
        size_(n * n * width),
        X_(uninitialized<T>({size_})),
        P_(uninitialized<T>({size_ * halves_kept})) {}

  T* X() { return X_.data(); }
  std::size_t halves() const { return halves_; }

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
      const T* P = P_.data() + half * size_;
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

  // The largest |row sum - 1| of P_hat; for single matrices.
  double row_error() {
    double error = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      double total = -1;
      for (std::size_t j = 0; j < n_; ++j) total += double(P_hat()[i * n_ + j]);
      error = std::max(error, std::abs(total));
    }
    return error;
  }

 private:
  T* place(std::size_t half) { return P_.data() + (half * size_) % P_.size(); }

  std::size_t n_, size_, halves_ = 0;
  Array<T> X_, P_;
};

// matrices first .. first + width - 1 of a batch <-> one interleaved group. Lanes beyond the end of
// the batch repeat its last matrix.
template <std::size_t width, class T>
void interleave(const Array<T>& batch, std::size_t first, std::size_t size, T* group) {
  const std::size_t last = batch.size() / size - 1;
  for (std::size_t lane = 0; lane < width; ++lane) {
    const T* matrix = batch.data() + std::min(first + lane, last) * size;
    for (std::size_t e = 0; e < size; ++e) group[e * width + lane] = matrix[e];
  }
}
template <std::size_t width, class T>
void separate(const T* group, std::size_t first, std::size_t size, Array<T>& batch) {
  const std::size_t matrices = batch.size() / size;
  for (std::size_t lane = 0; lane < width && first + lane < matrices; ++lane) {
    T* matrix = batch.data() + (first + lane) * size;
    for (std::size_t e = 0; e < size; ++e) matrix[e] = group[e * width + lane];
  }
}

// Each row's largest entry, n times. The first half-step takes out what a row has in common; done
// before anything is added or divided, it costs the differences no digits.
template <class T> Array<T> largest_of_rows(const Array<T>& log_alpha, std::size_t n) {
  Array<T> largest = log_alpha;
  for (T* row = largest.data(); row != largest.data() + largest.size(); row += n) {
    std::fill_n(row, n, *std::max_element(row, row + n));
  }
  return largest;
}

template <class Pack, class T>
Var<T> run(const char* op, bool exponentiate, const Var<T>& log_alpha, T tau, std::size_t n,
           const SinkhornOptions& options) {
  using PackGroup = Group<T, Pack>;
  using Groups = std::vector<std::unique_ptr<PackGroup>>;
  constexpr std::size_t width = PackGroup::width;
  const std::size_t size = n * n, matrices = log_alpha.size() / size;
  const std::size_t count = (matrices + width - 1) / width;
  const std::size_t halves = 2 * std::size_t(options.iterations), cost = 2 * size * halves;
  const bool keep = log_alpha.needs_grad();

  // Bounded, so that a column of nothing but forbidden places has a largest entry, too.
  constexpr T lowest = std::numeric_limits<T>::lowest() / 4;
  Array<T> start = log_alpha.value() - largest_of_rows(log_alpha.value(), n);
  for (T& x : start) x = std::max(x / tau, lowest);
  auto groups = std::make_shared<Groups>(count);
  Array<T> value = uninitialized<T>(log_alpha.shape());
  for_sets(count, cost, [&](std::size_t g) {
    const std::size_t first = g * width;
    auto group = std::make_unique<PackGroup>(n, keep ? halves : 1);
    interleave<width>(start, first, size, group->X());
    for (int i = 0; i < options.iterations; ++i) {
      group->iterate();
      if (width == 1 && options.tolerance > 0 && group->row_error() <= options.tolerance) break;
    }
    separate<width>(exponentiate ? group->P_hat() : group->X(), first, size, value);
    if (keep) (*groups)[g] = std::move(group);
  });

  return record(Op(op, double(tau)), {log_alpha}, std::move(value), [=](Node<T>& y) {
    Array<T> ybar = y.cotangent(), abar = uninitialized<T>(ybar.shape());
    if (exponentiate) {
      for (std::size_t i = 0; i < ybar.size(); ++i) ybar.data()[i] *= y.value().data()[i];
    }
    for_sets(count, cost / 2, [&](std::size_t g) {
      Array<T> Xbar = uninitialized<T>({size * width});
      interleave<width>(ybar, g * width, size, Xbar.data());
      (*groups)[g]->backward(Xbar.data());
      for (T& x : Xbar) x /= tau;
      separate<width>(Xbar.data(), g * width, size, abar);
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
  // Matrices that stop at different times, or that are alone, cannot share an instruction.
  if (options.tolerance > 0 || log_alpha.size() == n * n) {
    return run<T>(op, exponentiate, log_alpha, T(tau), n, options);
  }
  return run<Lanes<T>>(op, exponentiate, log_alpha, T(tau), n, options);
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
