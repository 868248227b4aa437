#include "ops/norm.hpp"

#include <cmath>
#include <type_traits>

#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
#include "engine/simd.hpp"
#include "engine/simd_sums.hpp"
#include "ops/map.hpp"

namespace tapesort {
namespace {

// x seen as rows of channels, in blocks of rows, which stay in the first-level cache while strips of
// channels, as wide as a vector register, pass down them. Blocks are shared out to threads, and what
// is summed is summed by block, so that a result does not depend on the number of threads.
struct Rows {
  std::size_t rows, channels;
  static constexpr std::size_t block = 128;

  std::size_t blocks() const { return (rows + block - 1) / block; }
  std::size_t block_size(std::size_t b) const { return std::min(block, rows - b * block); }

  // f(begin, end, block) for every block of rows begin .. end - 1.
  template <class F> void for_blocks(const F& f) const {
    const std::size_t grain = 1 + (std::size_t{1} << 15) / (block * channels);
    parallel_each(blocks(), grain,
                  [&](std::size_t b) { f(b * block, b * block + block_size(b), b); });
  }

  // f(first channel, zero) for every strip: a Lanes<T> of channels at a time, the last of which may
  // overlap the one before, or single channels when there are fewer. f writes what it computes and
  // adds nothing to memory, so that it does not matter when it is called twice for a channel.
  template <class T, class F> void for_strips(const F& f) const {
    constexpr std::size_t lanes = Lanes<T>::size;
    for (std::size_t c = 0; channels < lanes && c < channels; ++c) f(c, T(0));
    for (std::size_t c = 0; channels >= lanes && c < channels; c += lanes) {
      f(std::min(c, channels - lanes), Lanes<T>(T(0)));
    }
  }
};

// Each channel's mean and sum of squared distances from it, (2, C). One pass over memory: each
// block's first, which are then combined in double.
template <class T> Array<T> moments(const Rows& size, const T* x) {
  const std::size_t channels = size.channels;
  Array<T> means = uninitialized<T>({size.blocks(), channels}), squares = means;
  size.for_blocks([&](std::size_t begin, std::size_t end, std::size_t block) {
    const T count = T(end - begin);
    size.for_strips<T>([&](std::size_t c, auto zero) {
      using V = decltype(zero);
      const auto over_rows = [&](const auto& add) {  // add(sum, x) for every row's x
        V sum = zero;
        for (std::size_t r = begin; r < end; ++r) {
          sum = add(sum, simd::load_as<V>(x + r * channels + c));
        }
        return sum;
      };
      // The mean is rounded; the mean of what it leaves makes good for that.
      V mean = over_rows([](const V& sum, const V& v) { return sum + v; }) / V(count);
      mean += over_rows([&](const V& sum, const V& v) { return sum + (v - mean); }) / V(count);
      simd::store(means.data() + block * channels + c, mean);
      simd::store(squares.data() + block * channels + c, over_rows([&](const V& sum, const V& v) {
                    return simd::multiply_add(V(v - mean), V(v - mean), sum);
                  }));
    });
  });
  Array<T> both = uninitialized<T>({2, channels});
  for (std::size_t c = 0; c < channels; ++c) {
    const double origin = double(means.data()[c]);  // near the mean: differences are exact or small
    double mean = 0, total = 0;
    for (std::size_t b = 0; b < size.blocks(); ++b) {
      mean += double(size.block_size(b)) * (double(means.data()[b * channels + c]) - origin);
    }
    mean = origin + mean / double(size.rows);
    for (std::size_t b = 0; b < size.blocks(); ++b) {
      const double step = double(means.data()[b * channels + c]) - mean;
      total += double(squares.data()[b * channels + c]) + double(size.block_size(b)) * step * step;
    }
    both.data()[c] = T(mean);
    both.data()[channels + c] = T(total);
  }
  return both;
}

// What one strip of channels is normalised by; V is one number or a register of them.
template <class V> struct Normaliser {
  V mean, scale, factor, beta;  // scale = 1 / sqrt(v + eps), factor = scale gamma

  template <class T>
  Normaliser(std::size_t c, const T* means, const T* scales, const T* gammas, const T* betas)
      : mean(simd::load_as<V>(means + c)),
        scale(simd::load_as<V>(scales + c)),
        factor(scale * simd::load_as<V>(gammas + c)),
        beta(simd::load_as<V>(betas + c)) {}
  // The pre-activation. Recomputed in the pullback, which is cheaper than storing it.
  V operator()(const V& x) const { return simd::multiply_add(V(x - mean), factor, beta); }
};

}  // namespace

template <class T>
FirstOrder<T> batch_norm(const Var<T>& x, const Var<T>& gamma, const Var<T>& beta,
                         BatchStatistics<T>& statistics, const BatchNormOptions& options) {
  require(x.dimension() >= 2, "batch_norm: x must be (..., C) with at least 2 axes, its shape is ",
          x.shape());
  const std::size_t channels = x.shape().back();
  const Shape expected{channels};
  require(channels >= 1, "batch_norm: x has no channels, its shape is ", x.shape());
  const auto require_channels = [&](const char* name, const Shape& shape) {
    require(shape == expected, "batch_norm: ", name, " is ", shape, ", x is ", x.shape(), "; need ",
            expected);
  };
  require_channels("gamma", gamma.shape());
  require_channels("beta", beta.shape());
  require_channels("statistics.mean", statistics.mean.shape());
  require_channels("statistics.variance", statistics.variance.shape());
  require(T(options.eps) > 0, "batch_norm: eps must be > 0 in the type of x, got ", options.eps);
  require(options.momentum >= 0 && options.momentum <= 1,
          "batch_norm: need 0 <= momentum <= 1, got ", options.momentum);
  const Rows size{x.size() / channels, channels};

  Array<T> mean = statistics.mean, scale = statistics.variance;
  if (options.training) {
    require(size.rows >= 2, "batch_norm: training needs at least 2 elements a channel, x is ",
            x.shape());
    const Array<T> both = moments(size, x.value().data());
    const T momentum = T(options.momentum), n = T(size.rows);
    for (std::size_t c = 0; c < channels; ++c) {
      const T squares = both.data()[channels + c];
      mean.data()[c] = both.data()[c];
      scale.data()[c] = squares / n;
      T &m = statistics.mean.data()[c], &v = statistics.variance.data()[c];
      m += momentum * (mean.data()[c] - m);
      v += momentum * (squares / (n - 1) - v);
    }
  }
  for (T& s : scale) s = 1 / std::sqrt(s + T(options.eps));

  Array<T> y = uninitialized<T>(x.shape());
  size.for_blocks([&, relu = options.relu](std::size_t begin, std::size_t end, std::size_t) {
    size.for_strips<T>([&](std::size_t c, auto zero) {
      using V = decltype(zero);
      const Normaliser<V> normalised(c, mean.data(), scale.data(), gamma.value().data(),
                                     beta.value().data());
      const T* from = x.value().data() + c;
      T* to = y.data() + c;
      for (std::size_t r = begin; r < end; ++r) {
        const V value = normalised(simd::load_as<V>(from + r * channels));
        simd::store(to + r * channels, relu ? simd::positive_part(value) : value);
      }
    });
  });

  return record("batch_norm", {x, gamma, beta}, std::move(y),
                [mean = std::move(mean), scale = std::move(scale), size, relu = options.relu,
                 training = options.training](Node<T>& y) {
                  const std::size_t channels = size.channels;
                  const T* xs = y.input(0).value().data();
                  const T *gammas = y.input(1).value().data(), *betas = y.input(2).value().data();
                  const T* ybars = y.cotangent().data();
                  // What arrives at xhat gamma + beta: nothing through the zeros of relu.
                  const auto arriving = [=](std::size_t at, const auto& x, const auto& normalised) {
                    using V = std::decay_t<decltype(x)>;
                    const V ybar = simd::load_as<V>(ybars + at);
                    if (!relu) return ybar;
                    return simd::select(normalised(x) <= V(0), V(0), ybar);
                  };
                  // For each block and channel, sum ybar xhat and sum ybar.
                  Array<T> sums = uninitialized<T>({size.blocks(), 2, channels});
                  size.for_blocks([&](std::size_t begin, std::size_t end, std::size_t block) {
                    size.for_strips<T>([&](std::size_t c, auto zero) {
                      using V = decltype(zero);
                      const Normaliser<V> normalised(c, mean.data(), scale.data(), gammas, betas);
                      V sum = zero, product = zero;
                      for (std::size_t r = begin; r < end; ++r) {
                        const V x = simd::load_as<V>(xs + r * channels + c);
                        const V ybar = arriving(r * channels + c, x, normalised);
                        sum = sum + ybar;
                        product = simd::multiply_add(ybar, V(x - normalised.mean), product);
                      }
                      T* to = sums.data() + block * 2 * channels + c;
                      simd::store(to, product * normalised.scale);
                      simd::store(to + channels, sum);
                    });
                  });
                  const Array<T> both = sum_to_shape(sums, {2, channels});
                  Array<T> gammabar = uninitialized<T>({channels}), betabar = gammabar;
                  std::copy_n(both.data(), channels, gammabar.data());
                  std::copy_n(both.data() + channels, channels, betabar.data());
                  if (y.input(0).needs_grad()) {
                    const T share = training ? 1 / T(size.rows) : T(0);
                    Array<T> xbar = uninitialized<T>(y.value().shape());
                    size.for_blocks([&](std::size_t begin, std::size_t end, std::size_t) {
                      size.for_strips<T>([&](std::size_t c, auto zero) {
                        using V = decltype(zero);
                        const Normaliser<V> normalised(c, mean.data(), scale.data(), gammas, betas);
                        const V mean_ybar = simd::load_as<V>(betabar.data() + c) * V(share);
                        const V slope =
                            simd::load_as<V>(gammabar.data() + c) * V(share) * normalised.scale;
                        for (std::size_t r = begin; r < end; ++r) {
                          const std::size_t at = r * channels + c;
                          const V x = simd::load_as<V>(xs + at);
                          const V ybar = arriving(at, x, normalised);
                          const V centred = simd::multiply_add(V(normalised.mean - x), slope,
                                                               V(ybar - mean_ybar));
                          simd::store(xbar.data() + at, V(normalised.factor * centred));
                        }
                      });
                    });
                    accumulate(y.input(0), std::move(xbar));
                  }
                  accumulate(y.input(1), std::move(gammabar));
                  accumulate(y.input(2), std::move(betabar));
                });
}

template <class T>
FirstOrder<T> dropout(const Var<T>& x, double p, Generator& random, bool training) {
  require(p >= 0 && T(p) < 1, "dropout: need 0 <= p < 1 in the type of x, got ", p);
  if (!training || p == 0) return x;
  const T lost = T(p), kept = T(1 / (1 - p));
  Array<T> factor =
      map(random.uniform<T>(x.shape()), [=](auto u) { return simd::select(u < lost, T(0), kept); });
  const auto scaled = [](auto x, auto factor) { return x * factor; };
  Array<T> y = map(x.value(), factor, scaled);
  return record("dropout", {x}, std::move(y), [scaled, factor = std::move(factor)](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), factor, scaled));
  });
}

INSTANTIATE(batch_norm)
INSTANTIATE(dropout)

}  // namespace tapesort
