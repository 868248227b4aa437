#include "ops/sorting/sorting_network.hpp"

#include <memory>
#include <mutex>

#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

constexpr double pi = 3.14159265358979323846;

// alpha, and its derivative in d. In double for float, too: glibc's atanf takes four times as long
// as atan.
struct Softened {
  double alpha, slope;
};

Softened logistic(double z, double dz) {
  const double e = std::exp(-std::abs(z)), small = e / (1 + e);
  return {z < 0 ? small : 1 - small, dz * small / (1 + e)};
}

Softened softened(double d, const NetworkOptions& options) {
  const double beta = options.steepness, z = beta * d;
  switch (options.swap) {
    case Swap::logistic:
      return logistic(z, beta);
    case Swap::logistic_phi: {
      const double lambda = options.art_lambda, size = std::abs(d) + 1e-10;
      const double factor = std::pow(size, -lambda);
      return logistic(z * factor, beta * factor * (1 - lambda * std::abs(d) / size));
    }
    case Swap::gaussian:
      return {std::erfc(-z * std::sqrt(0.5)) / 2,
              beta * std::sqrt(0.5 / pi) * std::exp(-z * z / 2)};
    case Swap::reciprocal: {
      const double r = 1 / (2 + std::abs(z));
      return {0.5 + z * r / 2, beta * r * r};
    }
    case Swap::cauchy:
      return {0.5 + std::atan(z) / pi, beta / pi / (1 + z * z)};
    case Swap::optimal:
      if (std::abs(z) <= 0.25) return {0.5 + z, beta};
      return {z > 0 ? 1 - 1 / (16 * z) : -1 / (16 * z), beta / (16 * z * z)};
  }
  return {};
}

// A comparator, and where the rows of P_hat on its wires can differ from 0 after it: columns
// begin .. end - 1. Its D has end - begin elements, from `kept` on.
struct Step {
  std::uint32_t low, high, begin, end;
  std::size_t kept;
};

struct Schedule {
  std::vector<Step> steps;
  std::size_t kept = 0;  // elements of all D together

  Schedule(Network network, std::size_t n) {
    std::vector<std::uint32_t> begin(n), end(n);
    for (std::size_t i = 0; i < n; ++i) end[i] = (begin[i] = std::uint32_t(i)) + 1;
    for (const auto& layer : network_layers(network, n)) {
      for (const auto [low, high] : layer) {
        begin[low] = begin[high] = std::min(begin[low], begin[high]);
        end[low] = end[high] = std::max(end[low], end[high]);
        steps.push_back({std::uint32_t(low), std::uint32_t(high), begin[low], end[low], kept});
        kept += end[low] - begin[low];
      }
    }
  }
};

// Making a schedule costs as much as a run of it, and a training uses one and the same: each
// network's latest one is kept.
std::shared_ptr<const Schedule> schedule_of(Network network, std::size_t n) {
  struct Latest {
    std::size_t n = 0;
    std::shared_ptr<const Schedule> schedule;
  };
  static std::mutex mutex;
  static Latest latest[2];
  std::lock_guard<std::mutex> lock(mutex);
  Latest& entry = latest[std::size_t(network)];
  if (!entry.schedule || entry.n != n) entry = {n, std::make_shared<Schedule>(network, n)};
  return entry.schedule;
}

// One set through the network: the values x (n), whose differences are kept, and the rows X of
// P_hat, or none.
template <class T>
struct Run {
  const Schedule& schedule;
  const NetworkOptions& options;
  std::size_t n;

  // d: each step's difference of values; D: each step's differences of rows.
  void forward(T* x, T* d, T* X, T* D) const {
    for (std::size_t s = 0; s < schedule.steps.size(); ++s) {
      const Step& step = schedule.steps[s];
      d[s] = x[step.high] - x[step.low];
      const T alpha = T(softened(d[s], options).alpha);
      const T high = x[step.high];
      x[step.high] = x[step.low] + alpha * d[s];
      x[step.low] = high - alpha * d[s];
      if (X == nullptr) continue;
      T* __restrict low_row = X + step.low * n + step.begin;
      T* __restrict high_row = X + step.high * n + step.begin;
      T* __restrict differences = D + step.kept;
      for (std::size_t j = 0; j < step.end - step.begin; ++j) {
        const T low = low_row[j], high = high_row[j], difference = high - low;
        differences[j] = difference;
        low_row[j] = high - alpha * difference;
        high_row[j] = low + alpha * difference;
      }
    }
  }

  // xbar and Xbar come in as the result's cotangents; xbar leaves as the scores'.
  void backward(T* xbar, const T* d, T* Xbar, const T* D) const {
    for (std::size_t s = schedule.steps.size(); s-- > 0;) {
      const Step& step = schedule.steps[s];
      const Softened soft = softened(d[s], options);
      const T alpha = T(soft.alpha);
      const T change = xbar[step.high] - xbar[step.low];
      T alphabar = change * d[s];
      if (Xbar != nullptr) {
        alphabar += unmix(Xbar + step.low * n + step.begin, Xbar + step.high * n + step.begin,
                          D + step.kept, alpha, step.end - step.begin);
      }
      const T dbar = alphabar * T(soft.slope), low = xbar[step.low];
      xbar[step.low] = xbar[step.high] - alpha * change - dbar;
      xbar[step.high] = low + alpha * change + dbar;
    }
  }

 private:
  // Mixes the cotangents of two rows back; returns <D, Xbar_high - Xbar_low>. Sixteen running sums,
  // as in contiguous_sum.
  static T unmix(T* __restrict low, T* __restrict high, const T* __restrict D, T alpha,
                 std::size_t n) {
    constexpr std::size_t lanes = 16;
    T partial[lanes] = {}, total = 0;
    const auto mix = [=](std::size_t j) {
      const T l = low[j], h = high[j], change = h - l;
      low[j] = h - alpha * change;
      high[j] = l + alpha * change;
      return change * D[j];
    };
    std::size_t j = 0;
    for (; j + lanes <= n; j += lanes) {
      for (std::size_t lane = 0; lane < lanes; ++lane) partial[lane] += mix(j + lane);
    }
    for (T p : partial) total += p;
    for (; j < n; ++j) total += mix(j);
    return total;
  }
};

template <class T>
Var<T> run(const char* op, const Var<T>& scores, const NetworkOptions& options, bool matrix) {
  const std::size_t n = checked_set_size(op, scores.value());
  check_positive(op, "steepness", options.steepness);
  require(options.art_lambda >= 0 && options.art_lambda < 1, op,
          ": art_lambda must be in [0, 1), got ", options.art_lambda);
  const std::shared_ptr<const Schedule> schedule = schedule_of(options.network, n);
  const std::size_t sets = n ? scores.size() / n : 0, steps = schedule->steps.size();
  const std::size_t width = matrix ? n : 1;  // of what stands on one wire
  const std::size_t kept = matrix ? schedule->kept : 0, cost = 20 * steps + kept / 2;
  const bool up = options.direction == Direction::ascending;
  const auto place = [n, up](std::size_t wire) { return up ? wire : n - 1 - wire; };

  Array<T> value = uninitialized<T>(matrix ? matrix_shape(scores.shape()) : scores.shape());
  Array<T> d = uninitialized<T>({sets * steps}), D = uninitialized<T>({sets * kept});
  for_sets(sets, cost, [&](std::size_t set) {
    Array<T> x = uninitialized<T>({n}), X = zeros<T>({matrix ? n * n : 0});
    std::copy_n(scores.value().data() + set * n, n, x.data());
    for (std::size_t i = 0; i < X.size(); i += n + 1) X.data()[i] = 1;
    Run<T>{*schedule, options, n}.forward(x.data(), d.data() + set * steps,
                                          matrix ? X.data() : nullptr, D.data() + set * kept);
    const T* from = matrix ? X.data() : x.data();
    for (std::size_t i = 0; i < n; ++i) {
      std::copy_n(from + i * width, width, value.data() + (set * n + place(i)) * width);
    }
  });

  return record(
      op, {scores}, std::move(value), [=, d = std::move(d), D = std::move(D)](Node<T>& y) {
        Array<T> sbar = zeros<T>(y.input(0).shape());
        for_sets(sets, cost, [&](std::size_t set) {
          T* xbar = sbar.data() + set * n;
          Array<T> Xbar = uninitialized<T>({matrix ? n * n : 0});
          T* to = matrix ? Xbar.data() : xbar;
          for (std::size_t i = 0; i < n; ++i) {
            std::copy_n(y.cotangent().data() + (set * n + place(i)) * width, width, to + i * width);
          }
          Run<T>{*schedule, options, n}.backward(
              xbar, d.data() + set * steps, matrix ? Xbar.data() : nullptr, D.data() + set * kept);
        });
        accumulate(y.input(0), std::move(sbar));
      });
}

}  // namespace

std::vector<std::vector<Comparator>> network_layers(Network network, std::size_t n) {
  std::vector<std::vector<Comparator>> layers;
  if (network == Network::odd_even) {
    for (std::size_t layer = 0; layer < n; ++layer) {
      layers.emplace_back();
      for (std::size_t i = layer % 2; i + 1 < n; i += 2) layers.back().push_back({i, i + 1});
    }
    return layers;
  }
  // Blocks of two, four, ... are sorted: each from its two sorted halves, of which the upper one is
  // read backwards (so that both together rise and fall: bitonic), then by halving the distance.
  for (std::size_t block = 2; block < 2 * n; block *= 2) {
    for (std::size_t distance = block / 2; distance > 0; distance /= 2) {
      layers.emplace_back();
      for (std::size_t i = 0; i < n; ++i) {
        if (i & distance) continue;
        const bool first = distance == block / 2;
        const std::size_t partner = first ? i ^ (block - 1) : i + distance;
        if (partner < n) layers.back().push_back({i, partner});
      }
    }
  }
  return layers;
}

template <class T>
Var<T> sorting_network(const Var<T>& scores, const NetworkOptions& options) {
  return run("sorting_network", scores, options, true);
}

template <class T>
Var<T> sorting_network_values(const Var<T>& scores, const NetworkOptions& options) {
  return run("sorting_network_values", scores, options, false);
}

#define INSTANTIATE(T)                                                   \
  template Var<T> sorting_network(const Var<T>&, const NetworkOptions&); \
  template Var<T> sorting_network_values(const Var<T>&, const NetworkOptions&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
