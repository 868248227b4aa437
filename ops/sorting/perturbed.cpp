#include "ops/sorting/perturbed.hpp"

#include "engine/instantiate.hpp"
#include "ops/noise.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

// The draws, and f of each.
template <class T> struct Draws {
  Draws(const char* op, const Array<T>& scores, const OfOrder<T>& f, const Perturbation& p,
        Generator& random)
      : n(checked_set_size(op, scores)), sets(count_sets(scores, n)), samples(p.samples) {
    check_scale<T>(op, "sigma", p.sigma);
    require(samples >= 2, op, ": need at least 2 samples, got ", samples);
    Shape shape = scores.shape();
    shape.insert(shape.begin(), samples);
    Z = p.noise == Noise::normal ? random.normal<T>(shape) : gumbel_noise<T>(shape, random);
    perturbed = uninitialized<T>(shape);
    for (std::size_t i = 0; i < Z.size(); ++i) {
      perturbed.data()[i] = scores.data()[i % scores.size()] + T(p.sigma) * Z.data()[i];
    }
    y = f(perturbed);
  }

  // Of all draws: (.., rest..).
  Array<T> mean() const {
    Array<T> mean = uninitialized<T>(Shape(y.shape().begin() + 1, y.shape().end()));
    for (std::size_t i = 0; i < mean.size(); ++i) {
      double total = 0;
      for (std::size_t m = 0; m < samples; ++m) total += double(y.data()[m * mean.size() + i]);
      mean.data()[i] = T(total / double(samples));
    }
    return mean;
  }

  std::size_t n, sets, samples;
  Array<T> Z, perturbed, y;
};

// <a, b> of two rows.
template <class T> double inner(const T* a, const T* b, std::size_t size) {
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += double(a[i]) * double(b[i]);
  return sum;
}

}  // namespace

template <class T>
FirstOrder<T> perturbed(const Var<T>& scores, const Converted<OfOrder<T>>& f, const Perturbation& p,
                        Generator& random) {
  const Draws<T> draws("perturbed", scores.value(), f, p, random);
  check_finite("perturbed", "a result of f", draws.y);
  const Shape of_samples = shape_of_sets(draws.perturbed.shape()), given = draws.y.shape();
  require(given.size() >= of_samples.size() &&
              std::equal(of_samples.begin(), of_samples.end(), given.begin()),
          "perturbed: f gave ", given, " for ", draws.perturbed.shape(), "; need one of shape ",
          of_samples, ", which may have more axes behind");
  return record(Op("perturbed", p.sigma), {scores}, draws.mean(), [draws, p](Node<T>& node) {
    const std::size_t n = draws.n, M = draws.samples;
    Array<T> sbar = uninitialized<T>(node.input(0).shape());
    const std::size_t size = draws.sets ? node.value().size() / draws.sets : 0;
    for_sets(draws.sets, M * (n + size), [&](std::size_t set) {
      std::vector<double> a(M), total(n, 0);
      double mean = 0;
      for (std::size_t m = 0; m < M; ++m) {
        a[m] = inner(draws.y.data() + (m * draws.sets + set) * size,
                     node.cotangent().data() + set * size, size);
        mean += a[m] / double(M);
      }
      for (std::size_t m = 0; m < M; ++m) {
        const T* Z = draws.Z.data() + (m * draws.sets + set) * n;
        for (std::size_t j = 0; j < n; ++j) {
          const double z = double(Z[j]), g = p.noise == Noise::normal ? z : 1 - std::exp(-z);
          total[j] += (a[m] - mean) * g;
        }
      }
      for (std::size_t j = 0; j < n; ++j) {
        sbar.data()[set * n + j] = T(total[j] / (p.sigma * double(M - 1)));
      }
    });
    accumulate(node.input(0), std::move(sbar));
  });
}

template <class T>
FirstOrder<T> perturbed_rank(const Var<T>& scores, const Perturbation& p, Generator& random,
                             Direction direction) {
  const auto ranks = [=](const Array<T>& s) { return ranks_of<T>(argsort(s, direction)); };
  return perturbed(scores, ranks, p, random);
}

template <class T>
FirstOrder<T> perturbed_top_k(const Var<T>& scores, std::size_t k, const Perturbation& p,
                              Generator& random, Direction direction) {
  const auto first = [=](const Array<T>& s) { return first_of<T>(argsort(s, direction), k); };
  return perturbed(scores, first, p, random);
}

template <class T>
FirstOrder<T> perturbed_sort(const Var<T>& scores, const Perturbation& p, Generator& random,
                             Direction direction) {
  const auto P = [=](const Array<T>& s) { return permutation_matrix<T>(argsort(s, direction)); };
  return perturbed(scores, P, p, random);
}

template <class T>
FirstOrder<T> fenchel_young_loss(const Var<T>& scores, const Array<T>& target,
                                 const Converted<OfOrder<T>>& f, const Perturbation& p,
                                 Generator& random) {
  require_same_shape("fenchel_young_loss", "scores", scores.shape(), "target", target.shape());
  const Draws<T> draws("fenchel_young_loss", scores.value(), f, p, random);
  require(draws.y.shape() == draws.perturbed.shape(), "fenchel_young_loss: f gave ",
          draws.y.shape(), "; need ", draws.perturbed.shape());
  check_finite("fenchel_young_loss", "the target", target);
  check_finite("fenchel_young_loss", "a result of f", draws.y);
  const std::size_t n = draws.n;
  Array<T> gradient = draws.mean();
  Array<T> loss = uninitialized<T>(shape_of_sets(target.shape()));
  for (std::size_t set = 0; set < draws.sets; ++set) {
    double best = 0;
    for (std::size_t m = 0; m < draws.samples; ++m) {
      const std::size_t start = (m * draws.sets + set) * n;
      best += inner(draws.y.data() + start, draws.perturbed.data() + start, n);
    }
    const double at_target = inner(target.data() + set * n, scores.value().data() + set * n, n);
    loss.data()[set] = T(best / double(draws.samples) - at_target);
  }
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient.data()[i] -= target.data()[i];
  return record("fenchel_young_loss", {scores}, std::move(loss),
                [gradient = std::move(gradient), n](Node<T>& y) {
                  Array<T> sbar = gradient;
                  for (std::size_t i = 0; i < sbar.size(); ++i) {
                    sbar.data()[i] *= y.cotangent().data()[i / n];
                  }
                  accumulate(y.input(0), std::move(sbar));
                });
}

INSTANTIATE(perturbed)
INSTANTIATE(perturbed_rank)
INSTANTIATE(perturbed_top_k)
INSTANTIATE(perturbed_sort)
INSTANTIATE(fenchel_young_loss)

}  // namespace tapesort
