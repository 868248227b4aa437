#include "ops/norm.hpp"

#include <cmath>

#include "engine/check.hpp"
#include "engine/parallel.hpp"

namespace tapesort {
namespace {

// Sums over the rows of a (rows, channels) array: add(row, sum) adds row number `row` into the
// `width` running sums, each channel's. Rows are summed in blocks, blocks in parts, parts in order,
// so rounding errors grow with the block's length and not with the batch's.
template <class T, class Add>
std::vector<T> sum_rows(std::size_t rows, std::size_t width, const Add& add) {
  constexpr std::size_t block = 128;
  const std::size_t grain = 1 + (std::size_t{1} << 15) / width;
  std::vector<std::vector<T>> parts(parallel_parts(rows, grain));
  parallel_for(rows, grain, [&](std::size_t begin, std::size_t end, std::size_t part) {
    std::vector<T> total(width, T(0)), partial(width);
    for (std::size_t from = begin; from < end; from += block) {
      std::fill(partial.begin(), partial.end(), T(0));
      for (std::size_t row = from; row < std::min(end, from + block); ++row)
        add(row, partial.data());
      for (std::size_t i = 0; i < width; ++i) total[i] += partial[i];
    }
    parts[part] = std::move(total);
  });
  for (std::size_t p = 1; p < parts.size(); ++p) {
    for (std::size_t i = 0; i < width; ++i) parts[0][i] += parts[p].empty() ? T(0) : parts[p][i];
  }
  if (parts[0].empty()) parts[0].assign(width, T(0));
  return parts[0];
}

// Calls f(row) for each row, in parallel.
template <class F>
void for_rows(std::size_t rows, std::size_t width, const F& f) {
  parallel_for(rows, 1 + (std::size_t{1} << 15) / width,
               [&](std::size_t begin, std::size_t end, std::size_t) {
                 for (std::size_t row = begin; row < end; ++row) f(row);
               });
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
  const std::size_t rows = x.size() / channels;
  const T* xs = x.value().data();

  std::vector<T> mean(statistics.mean.begin(), statistics.mean.end());
  std::vector<T> scale(statistics.variance.begin(), statistics.variance.end());
  if (options.training) {
    require(rows >= 2, "batch_norm: training needs at least 2 elements a channel, x is ",
            x.shape());
    mean = sum_rows<T>(rows, channels, [&](std::size_t row, T* sum) {
      for (std::size_t c = 0; c < channels; ++c) sum[c] += xs[row * channels + c];
    });
    for (T& m : mean) m /= T(rows);
    scale = sum_rows<T>(rows, channels, [&](std::size_t row, T* sum) {
      for (std::size_t c = 0; c < channels; ++c) {
        const T centred = xs[row * channels + c] - mean[c];
        sum[c] += centred * centred;
      }
    });
    const T momentum = T(options.momentum);
    for (std::size_t c = 0; c < channels; ++c) {
      T &m = statistics.mean.data()[c], &v = statistics.variance.data()[c];
      m += momentum * (mean[c] - m);
      v += momentum * (scale[c] / T(rows - 1) - v);
      scale[c] /= T(rows);
    }
  }
  for (T& s : scale) s = 1 / std::sqrt(s + T(options.eps));

  Array<T> y = uninitialized<T>(x.shape());
  for_rows(rows, channels,
           [&, ys = y.data(), g = gamma.value().data(), b = beta.value().data()](std::size_t row) {
             for (std::size_t c = 0; c < channels; ++c) {
               const std::size_t i = row * channels + c;
               ys[i] = g[c] * ((xs[i] - mean[c]) * scale[c]) + b[c];
             }
           });

  return record(
      "batch_norm", {x, gamma, beta}, std::move(y),
      [mean = std::move(mean), scale = std::move(scale), rows, channels,
       training = options.training](Node<T>& y) {
        const T *xs = y.input(0).value().data(), *ybar = y.cotangent().data();
        // sum ybar and sum ybar xhat, side by side
        const std::vector<T> sums = sum_rows<T>(rows, 2 * channels, [&](std::size_t row, T* sum) {
          for (std::size_t c = 0; c < channels; ++c) {
            const std::size_t i = row * channels + c;
            sum[c] += ybar[i];
            sum[channels + c] += ybar[i] * ((xs[i] - mean[c]) * scale[c]);
          }
        });
        if (y.input(0).needs_grad()) {
          const T* g = y.input(1).value().data();
          const T share = training ? T(1) / T(rows) : T(0);
          Array<T> xbar = uninitialized<T>(y.value().shape());
          for_rows(rows, channels, [&, xbars = xbar.data()](std::size_t row) {
            for (std::size_t c = 0; c < channels; ++c) {
              const std::size_t i = row * channels + c;
              const T xhat = (xs[i] - mean[c]) * scale[c];
              xbars[i] =
                  g[c] * scale[c] * (ybar[i] - share * (sums[c] + xhat * sums[channels + c]));
            }
          });
          accumulate(y.input(0), std::move(xbar));
        }
        Array<T> betabar = uninitialized<T>({channels}), gammabar = uninitialized<T>({channels});
        std::copy_n(sums.data(), channels, betabar.data());
        std::copy_n(sums.data() + channels, channels, gammabar.data());
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
