#include "gradcheck/slope.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>

namespace tapesort {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// What f gave at one step, for one of its numbers.
struct Level {
  double h, above, below, size;  // the slopes of both sides, and the larger |f|
  double central() const { return (above + below) / 2; }  // slopes of the sides, averaged
  double gap() const { return above - below; }
};

double richardson(const Level& coarse, const Level& fine) {
  const double ratio = coarse.h / fine.h;
  return fine.central() + (fine.central() - coarse.central()) / (ratio * ratio - 1);
}

// Rounding in a difference of two numbers of this size, over a step.
double noise(double size, double epsilon, double h) { return epsilon * size / h; }

Slope best_slope(const std::vector<Level>& levels, double size, double epsilon) {
  Slope slope;
  slope.error = infinity;
  std::size_t best = 0;
  for (std::size_t k = 2; k + 1 < levels.size(); ++k) {
    const double before = richardson(levels[k - 2], levels[k - 1]);
    const double here = richardson(levels[k - 1], levels[k]);
    const double after = richardson(levels[k], levels[k + 1]);
    const double error = std::max({std::abs(here - before), std::abs(after - here),
                                   noise(levels[k].size, epsilon, levels[k].h)});
    if (error < slope.error) {
      slope.value = here, slope.error = error, best = k;
      slope.rounding = noise(levels[k].size, epsilon, levels[k].h);
    }
  }
  for (const Level& level : levels) {
    const double change = level.h * std::max(std::abs(level.above), std::abs(level.below));
    slope.size = std::max(slope.size, size + change);
  }
  if (best == 0) return slope;
  // A kink: the sides differ by the same amount at three steps, where a smooth f's sides come
  // together as the step does.
  for (std::size_t k = best; k < levels.size(); ++k) {
    const Level &coarsest = levels[k - 2], &coarse = levels[k - 1], &fine = levels[k];
    const double side_error =
        std::max({std::abs(fine.above - coarse.above), std::abs(fine.below - coarse.below),
                  std::abs(coarse.above - coarsest.above) * (fine.h / coarse.h),
                  std::abs(coarse.below - coarsest.below) * (fine.h / coarse.h),
                  4 * noise(fine.size, epsilon, fine.h)});
    if (std::abs(fine.gap()) > 4 * side_error && (!slope.kink || side_error < slope.side_error)) {
      slope.kink = true;
      slope.above = fine.above, slope.below = fine.below, slope.side_error = side_error;
    }
  }
  return slope;
}

bool settled(const Slope& slope, double size, const SlopeScan& scan) {
  return slope.error <= std::max(std::sqrt(scan.epsilon) / 64 * std::abs(slope.value),
                                 noise(size, scan.epsilon, scan.largest_step));
}

}  // namespace

std::vector<Slope> slopes(const Line& f, const std::vector<double>& at_zero,
                          const SlopeScan& scan) {
  const std::size_t count = at_zero.size();
  std::vector<std::vector<Level>> levels(count);
  std::vector<Slope> result(count);
  std::exception_ptr error;
  bool any = false;
  for (double h = scan.largest_step; h >= scan.smallest_step; h /= scan.ratio) {
    try {
      const std::vector<double> above = f(h), below = f(-h);
      any = true;
      for (std::size_t i = 0; i < count; ++i) {
        const Level level{
            h, (above[i] - at_zero[i]) / h, (at_zero[i] - below[i]) / h,
            std::max({std::abs(at_zero[i]), std::abs(above[i]), std::abs(below[i]), scan.rounded})};
        if (std::isfinite(level.above) && std::isfinite(level.below)) levels[i].push_back(level);
      }
    } catch (const std::exception&) {
      error = std::current_exception();
      continue;
    }
    bool all = true;
    for (std::size_t i = 0; i < count; ++i) {
      const double size = std::max(std::abs(at_zero[i]), scan.rounded);
      result[i] = best_slope(levels[i], size, scan.epsilon);
      all = all && settled(result[i], size, scan);
    }
    if (all && h < scan.largest_step / 4000) break;
  }
  if (!any && error) std::rethrow_exception(error);
  return result;
}

}  // namespace tapesort
