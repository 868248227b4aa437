#include "ops/norm.hpp"

#include <cmath>
#include <type_traits>

#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "ops/lanes.hpp"

namespace tapesort {
namespace {

// x seen as rows of channels. Work is shared out by rows and goes on in blocks of rows, which stay
// in the first-level cache while strips of channels, as wide as a vector register, pass down them.
struct Rows {
  std::size_t rows, channels;
  static constexpr std::size_t block = 128;

  std::size_t grain() const { return 1 + (std::size_t{1} << 15) / channels; }
  std::size_t parts() const { return parallel_parts(rows, grain()); }

  // f(begin, end, part) for every block of rows begin .. end - 1; a part's blocks in order.
  template <class F>
  void for_blocks(const F& f) const {
    parallel_for(rows, grain(), [&](std::size_t begin, std::size_t end, std::size_t part) {
      for (std::size_t from = begin; from < end; from += block) {
        f(from, std::min(end, from + block), part);
      }
    });
  }

  // f(first channel, zero) for every strip: a Lanes<T> of channels at a time, then single ones.
  template <class T, class F>
  void for_strips(const F& f) const {
    std::size_t c = 0;
    for (; c + Lanes<T>::size <= channels; c += Lanes<T>::size) f(c, Lanes<T>(T(0)));
    for (; c < channels; ++c) f(c, T(0));
  }
};

template <class V, class T>
V load(const T* from) {
  if constexpr (std::is_same_v<V, T>) {
    return *from;
  } else {
    return V::load_unaligned(from);
  }
}
template <class T>
void store(T* to, T value) {
  *to = value;
}
template <class T>
void store(T* to, const Lanes<T>& value) {
  value.store_unaligned(to);
}

// Each channel's mean and sum of squared distances from it, (2, C). One pass over memory: blocks
// are combined by the formula of Chan, Golub and LeVeque 1979, which loses no accuracy when the
// mean is large beside the deviation.
template <class T>
Array<T> moments(const Rows& size, const T* x) {
  const std::size_t channels = size.channels, parts = size.parts();
  Array<T> mean = zeros<T>({parts, channels}), squares = zeros<T>({parts, channels});
  std::vector<T> counts(parts, T(0));
  const auto combine = [](T count, auto& mean, auto& squares, T count2, auto mean2, auto squares2) {
    using V = std::decay_t<decltype(mean2)>;
    const V step = mean2 - mean;
    mean = mean + step * V(count2 / (count + count2));
    squares = squares + squares2 + step * step * V(count * count2 / (count + count2));
  };
  size.for_blocks([&](std::size_t begin, std::size_t end, std::size_t part) {
    const T count = T(end - begin);
    size.for_strips<T>([&](std::size_t c, auto zero) {
      using V = decltype(zero);
      V sum = zero, block_squares = zero;
      for (std::size_t r = begin; r < end; ++r) sum = sum + load<V>(x + r * channels + c);
      const V block_mean = sum * V(1 / count);
      for (std::size_t r = begin; r < end; ++r) {
        const V centred = load<V>(x + r * channels + c) - block_mean;
        block_squares = block_squares + centred * centred;
      }
      T *m = mean.data() + part * channels + c, *s = squares.data() + part * channels + c;
      V part_mean = load<V>(m), part_squares = load<V>(s);
      combine(counts[part], part_mean, part_squares, count, block_mean, block_squares);
      store(m, part_mean);
      store(s, part_squares);
    });
    counts[part] += count;
  });
  Array<T> both = zeros<T>({2, channels});
  T count = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    for (std::size_t c = 0; c < channels; ++c) {
      combine(count, both.data()[c], both.data()[channels + c], counts[part],
              mean.data()[part * channels + c], squares.data()[part * channels + c]);
    }
    count += counts[part];
  }
  return both;
}

// What relu sees. The pullback computes it once more, which is faster than reading it.
template <class V>
V normalised(const V& x, const V& mean, const V& factor, const V& beta) {
  return multiply_add(x - mean, factor, beta);
}

}  // namespace

template <class T>
Var<T> batch_norm(const Var<T>& x, const Var<T>& gamma, const Var<T>& beta,
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
  require(options.eps > 0, "batch_norm: eps must be > 0, got ", options.eps);
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
      const V m = load<V>(mean.data() + c), b = load<V>(beta.value().data() + c);
      const V factor = load<V>(scale.data() + c) * load<V>(gamma.value().data() + c);
      const T* from = x.value().data() + c;
      T* to = y.data() + c;
      for (std::size_t r = begin; r < end; ++r) {
        const V value = normalised(load<V>(from + r * channels), m, factor, b);
        store(to + r * channels, relu ? positive_part(value) : value);
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
                  const auto arriving = [=](std::size_t at, const auto& x, const auto& m,
                                            const auto& factor, const auto& b) {
                    const auto ybar = load<std::decay_t<decltype(m)>>(ybars + at);
                    return relu ? where_positive(normalised(x, m, factor, b), ybar) : ybar;
                  };
                  // For each part and channel, sum ybar and sum ybar xhat.
                  Array<T> sums = zeros<T>({size.parts(), 2, channels});
                  size.for_blocks([&](std::size_t begin, std::size_t end, std::size_t part) {
                    size.for_strips<T>([&](std::size_t c, auto zero) {
                      using V = decltype(zero);
                      const V m = load<V>(mean.data() + c), s = load<V>(scale.data() + c);
                      const V b = load<V>(betas + c), factor = s * load<V>(gammas + c);
                      V sum = zero, product = zero;
                      for (std::size_t r = begin; r < end; ++r) {
                        const V x = load<V>(xs + r * channels + c);
                        const V ybar = arriving(r * channels + c, x, m, factor, b);
                        sum = sum + ybar;
                        product = product + ybar * (x - m);
                      }
                      T* to = sums.data() + part * 2 * channels + c;
                      store(to, load<V>(to) + sum);
                      store(to + channels, load<V>(to + channels) + product * s);
                    });
                  });
                  Array<T> betabar = zeros<T>({channels}), gammabar = zeros<T>({channels});
                  for (std::size_t part = 0; part < size.parts(); ++part) {
                    for (std::size_t c = 0; c < channels; ++c) {
                      betabar.data()[c] += sums.data()[part * 2 * channels + c];
                      gammabar.data()[c] += sums.data()[(part * 2 + 1) * channels + c];
                    }
                  }
                  if (y.input(0).needs_grad()) {
                    const T share = training ? 1 / T(size.rows) : T(0);
                    Array<T> xbar = uninitialized<T>(y.value().shape());
                    size.for_blocks([&](std::size_t begin, std::size_t end, std::size_t) {
                      size.for_strips<T>([&](std::size_t c, auto zero) {
                        using V = decltype(zero);
                        const V m = load<V>(mean.data() + c), s = load<V>(scale.data() + c);
                        const V b = load<V>(betas + c), factor = s * load<V>(gammas + c);
                        const V mean_ybar = load<V>(betabar.data() + c) * V(share);
                        const V slope = load<V>(gammabar.data() + c) * V(share) * s;
                        for (std::size_t r = begin; r < end; ++r) {
                          const std::size_t at = r * channels + c;
                          const V x = load<V>(xs + at);
                          const V ybar = arriving(at, x, m, factor, b);
                          store(xbar.data() + at, factor * (ybar - mean_ybar - (x - m) * slope));
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
Var<T> dropout(const Var<T>& x, double p, Generator& random, bool training) {
  require(p >= 0 && p < 1, "dropout: need 0 <= p < 1, got ", p);
  if (!training || p == 0) return x;
  Array<T> factor = random.uniform<T>(x.shape());
  Array<T> y = uninitialized<T>(x.shape());
  const T kept = T(1 / (1 - p));
  for (std::size_t i = 0; i < y.size(); ++i) {
    T& f = factor.data()[i];
    f = f < T(p) ? T(0) : kept;
    y.data()[i] = f * x.value().data()[i];
  }
  return record("dropout", {x}, std::move(y), [factor = std::move(factor)](Node<T>& y) {
    accumulate(y.input(0), y.cotangent() * factor);
  });
}

#define INSTANTIATE(T)                                                                         \
  template Var<T> batch_norm(const Var<T>&, const Var<T>&, const Var<T>&, BatchStatistics<T>&, \
                             const BatchNormOptions&);                                         \
  template Var<T> dropout(const Var<T>&, double, Generator&, bool);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
