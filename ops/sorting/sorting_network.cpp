#include "ops/sorting/sorting_network.hpp"

#include <limits>
#include <memory>
#include <mutex>

#include "engine/instantiate.hpp"
#include "engine/sums.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

constexpr double pi = 3.14159265358979323846;

// How far a comparator is from certain, at a difference d = x_high - x_low.
//   small   the smaller one of alpha and 1 - alpha, to full relative precision
//   moved   small |d|, by which the two values approach each other after they were put in order
//   slope   d alpha / dd
//   pulled  d slope
// The products are formed here because small and slope may underflow, and |d| overflow, where their
// products are ordinary numbers: heavy tails are c / |z|, and moved tends to c / steepness.
struct Softened {
  double small, moved, slope, pulled;
};

// With u = |z|, the distribution's tail beyond u and its density at u.
struct Tail {
  double small, density;
};

Tail tail(Swap swap, double u) {
  switch (swap) {
    case Swap::logistic:
    case Swap::logistic_phi: {
      const double e = std::exp(-u), small = e / (1 + e);
      return {small, small / (1 + e)};
    }
    case Swap::gaussian:
      return {std::erfc(u * std::sqrt(0.5)) / 2, std::sqrt(0.5 / pi) * std::exp(-u * u / 2)};
    case Swap::reciprocal: {
      const double r = 1 / (2 + u);
      return {r, r * r};
    }
    case Swap::cauchy:
      return {u <= 1 ? 0.5 - std::atan(u) / pi : std::atan(1 / u) / pi, 1 / pi / (1 + u * u)};
    case Swap::optimal:
      if (u <= 0.25) return {0.5 - u, 1};
      return {1 / (16 * u), 1 / (16 * u * u)};
  }
  return {};
}

// In double for float, too: glibc's atanf takes four times as long as atan. half is d / 2, which
// does not overflow where d does.
Softened softened(double half, const NetworkOptions& options) {
  constexpr double far = 1e150, largest = std::numeric_limits<double>::max();
  const double beta = options.steepness, h = std::abs(half), d = std::min(2 * h, largest);
  const double sign = half < 0 ? -1 : 1;
  double u = 2 * (beta * h), du = beta;  // |z| and its derivative in |d|
  if (options.swap == Swap::logistic_phi) {
    const double lambda = options.art_lambda, size = d + 1e-10;
    const double factor = std::pow(size, -lambda);
    u = 2 * (std::min(beta * h, largest / 2) * factor);
    du = std::min(beta * factor * (1 - lambda * d / size), largest);
  }
  if (u < far) {
    const auto [small, density] = tail(options.swap, u);
    return {small, 2 * small * h, density * du, sign * 2 * (density * h * du)};
  }
  // Every tail is its limit here, c / u or 0, so that small |d| = c / steepness.
  const double moved = tail(options.swap, far).small * far / beta, small = moved / d;
  return {small, moved, small / d, sign * small};
}

// A comparator, and where the rows of P_hat on its wires can differ from 0 after it: columns
// begin .. end - 1. Its D has end - begin elements, from `kept` on.
struct Step {
  std::uint32_t low, high, begin, end;
  std::size_t kept;
};

struct Schedule {
  std::size_t n, kept = 0;  // kept: elements of all D together
  std::vector<Step> steps;

  Schedule(Network network, std::size_t n) : n(n) {
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
  static std::mutex mutex;
  static std::shared_ptr<const Schedule> latest[2];
  std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<const Schedule>& schedule = latest[std::size_t(network)];
  if (!schedule || schedule->n != n) schedule = std::make_shared<Schedule>(network, n);
  return schedule;
}

// One set through the network: the values x (n), whose differences are kept, and the rows X of
// P_hat, or none. Every mixture is taken from the nearer of the two: what moves is the small share
// of their difference, so that a huge neighbour leaves no rounding error behind.
template <class T> struct Run {
  const Schedule& schedule;
  const NetworkOptions& options;
  std::size_t n;

  // half: each step's difference of values, halved; D: each step's differences of rows.
  void forward(T* x, T* half, T* X, T* D) const {
    for (std::size_t s = 0; s < schedule.steps.size(); ++s) {
      const Step& step = schedule.steps[s];
      const T low = x[step.low], high = x[step.high];
      half[s] = T(double(high) / 2 - double(low) / 2);
      const bool in_order = half[s] >= 0;
      const Softened soft = softened(half[s], options);
      x[step.low] = T(double(in_order ? low : high) + soft.moved);
      x[step.high] = T(double(in_order ? high : low) - soft.moved);
      if (X == nullptr) continue;
      const T small = T(soft.small);
      T* __restrict low_row = X + step.low * n + step.begin;
      T* __restrict high_row = X + step.high * n + step.begin;
      T* __restrict differences = D + step.kept;
      for (std::size_t j = 0; j < step.end - step.begin; ++j) {
        const T l = low_row[j], h = high_row[j], difference = h - l, moved = small * difference;
        differences[j] = difference;
        low_row[j] = in_order ? l + moved : h - moved;
        high_row[j] = in_order ? h - moved : l + moved;
      }
    }
  }

  // xbar and Xbar come in as the result's cotangents; xbar leaves as the scores'.
  void backward(T* xbar, const T* half, T* Xbar, const T* D) const {
    for (std::size_t s = schedule.steps.size(); s-- > 0;) {
      const Step& step = schedule.steps[s];
      const bool in_order = half[s] >= 0;
      if (Xbar != nullptr && s >= 2) {  // D from its end: the CPU does not see by itself what comes
        const Step& soon = schedule.steps[s - 2];
        constexpr std::size_t line = 64 / sizeof(T);
        for (std::size_t j = soon.begin; j < soon.end; j += line) {
          __builtin_prefetch(D + soon.kept + j - soon.begin);
        }
      }
      const Softened soft = softened(half[s], options);
      const double low = double(xbar[step.low]), high = double(xbar[step.high]);
      const double change = high - low, moved = soft.small * change;
      double dbar = change * soft.pulled;
      if (Xbar != nullptr) {
        dbar += soft.slope *
                double(unmix(Xbar + step.low * n + step.begin, Xbar + step.high * n + step.begin,
                             D + step.kept, T(soft.small), in_order, step.end - step.begin));
      }
      xbar[step.low] = T((in_order ? low + moved : high - moved) - dbar);
      xbar[step.high] = T((in_order ? high - moved : low + moved) + dbar);
    }
  }

 private:
  // Mixes the cotangents of two rows back; returns <D, Xbar_high - Xbar_low>.
  static T unmix(T* __restrict low, T* __restrict high, const T* __restrict D, T small,
                 bool in_order, std::size_t n) {
    return sum_of<T>(n, [=](std::size_t j) {
      const T l = low[j], h = high[j], change = h - l, moved = small * change;
      low[j] = in_order ? l + moved : h - moved;
      high[j] = in_order ? h - moved : l + moved;
      return change * D[j];
    });
  }
};

template <class T>
Var<T> run(const char* op, const Var<T>& scores, const NetworkOptions& options, bool matrix) {
  const std::size_t n = checked_set_size(op, scores.value());
  check_scale<double>(op, "steepness", options.steepness);
  require(options.art_lambda >= 0 && options.art_lambda < 1, op,
          ": art_lambda must be in [0, 1), got ", options.art_lambda);
  const std::shared_ptr<const Schedule> schedule = schedule_of(options.network, n);
  const std::size_t sets = count_sets(scores.value(), n), steps = schedule->steps.size();
  const std::size_t width = matrix ? n : 1;  // of what stands on one wire
  const std::size_t kept = matrix ? schedule->kept : 0, cost = 20 * steps + kept / 2;
  const bool up = options.direction == Direction::ascending;
  const auto place = [n, up](std::size_t wire) { return up ? wire : n - 1 - wire; };

  Array<T> value = uninitialized<T>(matrix ? matrix_shape(scores.shape()) : scores.shape());
  Array<T> half = uninitialized<T>({sets * steps}), D = uninitialized<T>({sets * kept});
  for_sets(sets, cost, [&](std::size_t set) {
    Array<T> x = uninitialized<T>({n}), X = zeros<T>({matrix ? n * n : 0});
    const T *own = scores.value().data() + set * n, offset = common_offset(own, n);
    for (std::size_t i = 0; i < n; ++i) x.data()[i] = own[i] - offset;
    for (std::size_t i = 0; i < X.size(); i += n + 1) X.data()[i] = 1;
    Run<T>{*schedule, options, n}.forward(x.data(), half.data() + set * steps,
                                          matrix ? X.data() : nullptr, D.data() + set * kept);
    const T* from = matrix ? X.data() : x.data();
    for (std::size_t i = 0; i < n; ++i) {
      std::copy_n(from + i * width, width, value.data() + (set * n + place(i)) * width);
      if (!matrix) value.data()[set * n + place(i)] += offset;
    }
  });

  return record(Op(op, options.steepness), {scores}, std::move(value),
                [=, half = std::move(half), D = std::move(D)](Node<T>& y) {
                  Array<T> sbar = zeros<T>(y.input(0).shape());
                  for_sets(sets, cost, [&](std::size_t set) {
                    T* xbar = sbar.data() + set * n;
                    Array<T> Xbar = uninitialized<T>({matrix ? n * n : 0});
                    T* to = matrix ? Xbar.data() : xbar;
                    for (std::size_t i = 0; i < n; ++i) {
                      std::copy_n(y.cotangent().data() + (set * n + place(i)) * width, width,
                                  to + i * width);
                    }
                    Run<T>{*schedule, options, n}.backward(xbar, half.data() + set * steps,
                                                           matrix ? Xbar.data() : nullptr,
                                                           D.data() + set * kept);
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
FirstOrder<T> sorting_network(const Var<T>& scores, const NetworkOptions& options) {
  return run("sorting_network", scores, options, true);
}

template <class T>
FirstOrder<T> sorting_network_values(const Var<T>& scores, const NetworkOptions& options) {
  return run("sorting_network_values", scores, options, false);
}

INSTANTIATE(sorting_network)
INSTANTIATE(sorting_network_values)

}  // namespace tapesort
