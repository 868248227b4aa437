#include "gradcheck/gradcheck.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <tuple>

#include "gradcheck/diagnosis.hpp"
#include "gradcheck/slope.hpp"

namespace tapesort {
namespace {

using Values = GradcheckProblem::Values;
using Verdict = GradcheckVerdict;

// Of all shapes that do not fit, and results that cannot be compared; becomes the report's failure.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A power of two near |x|, and at least 1: the unit in which an element is moved. Steps that are
// powers of two are added to most x without rounding.
double unit_of(double x) { return std::exp2(std::ceil(std::log2(std::max(1.0, std::abs(x))))); }

std::size_t product(const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  for (std::size_t extent : shape) count *= extent;
  return count;
}

class Checker {
 public:
  Checker(const GradcheckProblem& problem, const GradcheckOptions& options)
      : problem_(problem), random_(options.seed) {
    epsilon_ = problem.single ? std::exp2(-23) : std::exp2(-52);
    tolerance_ = options.tolerance > 0 ? options.tolerance : problem.single ? 1e-3 : 1e-7;
    for (const GradcheckInput& input : problem.inputs) {
      x_.push_back(input.values);
      n_ += input.values.size();
      report_.rows.push_back({input.name, input.shape, "", 0, 0, 0, 0, 0, "", {}, {}});
    }
    wrong_.resize(problem.inputs.size());
  }

  GradcheckReport run(GradcheckMode mode) {
    try {
      call_elsewhere();
      y_ = evaluate(x_);
      if (y_.empty()) throw Failure("f gives an empty result: there is nothing to check");
      const std::vector<double> again = evaluate(x_);
      if (y_ != again) {
        throw Failure(
            "f is not deterministic: two calls with the same inputs give different "
            "results; make every generator that it uses anew, from a fixed seed, inside f");
      }
      const std::vector<double> ones(y_.size(), 1.0);
      const Values g = pull(ones);
      if (g != pull(ones)) {
        throw Failure(
            "vjp is not deterministic: two calls with the same arguments give different results; "
            "is xbar zero before it is added to?");
      }
      check_scaled(ones, g, "where all of ybar is ");
      const std::vector<double> mixed = mixed_cotangent();
      check_scaled(mixed, pull(mixed), "where ybar is multiplied by ");
      shape_ = problem_.output_shape;
      if (shape_.empty() && y_.size() != 1) shape_ = {y_.size()};
      if (product(shape_) != y_.size()) {
        throw Failure("f gives " + std::to_string(y_.size()) + " numbers, and output_shape is " +
                      detail::shape_text(shape_));
      }
      const bool small = n_ + y_.size() <= 500;
      switch (mode) {
        case GradcheckMode::full:
          full();
          break;
        case GradcheckMode::automatic:
          small ? full() : directions(3, false);
          break;
        case GradcheckMode::fast:
          directions(3, false);
          break;
        case GradcheckMode::sparse:
          directions(20, true);
          break;
        case GradcheckMode::taylor:
          taylor();
          break;
      }
      if (!report_.ok() && computed_in_float()) {
        for (GradcheckRow& row : report_.rows) {
          row.looks_like =
              "f is computed in float: check it in float (gradcheck<float>, problem.single, or "
              "arrays of float32)";
        }
      }
    } catch (const Failure& failure) {
      report_.failure = failure.what();
    }
    return std::move(report_);
  }

 private:
  // --- Calls of f and vjp

  std::vector<double> evaluate(const Values& x) const {
    std::vector<double> y = problem_.f(x);
    if (!y_.empty() && y.size() != y_.size()) {
      throw Failure("f gives " + std::to_string(y_.size()) + " numbers at the inputs, and " +
                    std::to_string(y.size()) + " near them");
    }
    const auto wrong =
        std::find_if_not(y.begin(), y.end(), [](double v) { return std::isfinite(v); });
    if (y_.empty() && wrong != y.end()) {
      const std::string where = std::to_string(wrong - y.begin());
      not_finite(*wrong, "the result of f", "at position " + where + no_derivative);
    }
    return y;
  }

  Values pull(const std::vector<double>& u) const {
    Values g = problem_.vjp(x_, u);
    if (g.size() != x_.size()) {
      throw Failure("vjp gives " + std::to_string(g.size()) + " arrays for " +
                    std::to_string(x_.size()) + " inputs");
    }
    for (std::size_t k = 0; k < g.size(); ++k) {
      const GradcheckInput& input = problem_.inputs[k];
      if (g[k].size() != x_[k].size()) {
        throw Failure("vjp gives " + std::to_string(g[k].size()) + " numbers for input " +
                      input.name + " of shape " + detail::shape_text(input.shape) + ", which has " +
                      std::to_string(x_[k].size()));
      }
      for (std::size_t i = 0; i < g[k].size(); ++i) {
        if (std::isfinite(g[k][i])) continue;
        not_finite(g[k][i], "the gradient by vjp of input " + input.name,
                   "at element " + detail::position_text(i, input.shape) + by_differences(u, k, i));
      }
    }
    return g;
  }

  static constexpr const char* no_derivative = "; there is no derivative to check at these inputs";

  [[noreturn]] void not_finite(double value, std::string text, const std::string& where) const {
    text += std::string(" is ") + (std::isnan(value) ? "NaN " : "infinite ") + where;
    if (problem_.explain_not_finite) text += " (" + problem_.explain_not_finite() + ")";
    throw Failure(text);
  }

  // What stands there by differences: u^T y along element i of input k.
  std::string by_differences(const std::vector<double>& u, std::size_t k, std::size_t i) const {
    Values v = no_direction();
    const double unit = v[k][i] = unit_of(x_[k][i]);
    double below = 0, above = 0;
    const std::vector<Slope> column = slopes(line(v), y_, scan_along(v));
    for (std::size_t j = 0; j < column.size(); ++j) {
      const Slope& s = column[j];
      if (!s.kink && !std::isfinite(s.error)) return no_derivative;
      below += u[j] * (s.kink ? s.below : s.value) / unit;
      above += u[j] * (s.kink ? s.above : s.value) / unit;
    }
    if (below == above) return ", where differences give " + detail::number(below);
    return ", a kink: the slopes of its sides are " + detail::number(below) + " and " +
           detail::number(above) + ", and any between them is right";
  }

  // J^T ybar is linear in ybar; g is what u gives. A vjp that forgets ybar is right for ybar = 1, which
  // most losses get, one that clips it where it is small. Powers of two round nothing.
  void check_scaled(const std::vector<double>& u, const Values& g, const std::string& what) const {
    double largest = 0;
    for (const auto& of_input : g) {
      for (double value : of_input) largest = std::max(largest, std::abs(value));
    }
    for (const double factor : {-0.5, -1024.0}) {
      if (largest * std::abs(factor) > (problem_.single ? 1e35 : 1e300)) continue;
      std::vector<double> scaled = u;
      for (double& value : scaled) value *= factor;
      Values expected = g;
      for (auto& of_input : expected) {
        for (double& value : of_input) value *= factor;
      }
      require_linear(pull(scaled), expected, expected, 0, what + detail::number(factor));
    }
  }

  // Accepted is what rounding may leave: relative to `sizes`, and `floor`.
  void require_linear(const Values& got, const Values& expected, const Values& sizes, double floor,
                      const std::string& where) const {
    const double tolerance = problem_.single ? 1e-3 : 1e-6;
    for (std::size_t k = 0; k < got.size(); ++k) {
      for (std::size_t i = 0; i < got[k].size(); ++i) {
        const double difference = std::abs(got[k][i] - expected[k][i]);
        if (difference <= tolerance * std::abs(sizes[k][i]) + floor + 1e-37) continue;
        throw Failure("vjp is not linear in ybar: " + where + ", input " + problem_.inputs[k].name +
                      ", element " + detail::position_text(i, problem_.inputs[k].shape) + " gets " +
                      detail::number(got[k][i], "%.8g") + " instead of " +
                      detail::number(expected[k][i], "%.8g") +
                      "; is each term multiplied by ybar, once?");
      }
    }
  }

  // What f or vjp keep from their first call should not be what they are checked with.
  void call_elsewhere() const {
    Values near = x_;
    for (auto& values : near) {
      for (double& x : values) x = on_grid(x + unit_of(x) * 0x1p-12);
    }
    try {
      const std::size_t m = problem_.f(near).size();
      if (m > 0) problem_.vjp(near, std::vector<double>(m, 1.0));
    } catch (const std::exception&) {  // not of their domain
    }
  }

  // Whether every result near x is a number of float, and one of more than a few digits.
  bool computed_in_float() const {
    if (problem_.single) return false;
    bool digits = false;
    Values near = x_;
    for (int sample = 1; sample <= 3; ++sample) {
      for (std::size_t k = 0; k < near.size(); ++k) {
        for (std::size_t i = 0; i < near[k].size(); ++i) {
          near[k][i] = x_[k][i] + unit_of(x_[k][i]) * std::sin(sample + double(i)) * 1e-3;
        }
      }
      for (double y : problem_.f(near)) {
        if (!(double(float(y)) == y)) return false;
        int exponent;
        const double bits = std::ldexp(std::frexp(y, &exponent), 12);
        digits = digits || bits != std::floor(bits);
      }
    }
    return digits;
  }

  // f(x + t v), where v is measured in units of each element.
  Line line(const Values& v) const {
    return [this, &v](double t) {
      Values moved = x_;
      for (std::size_t k = 0; k < moved.size(); ++k) {
        for (std::size_t i = 0; i < moved[k].size(); ++i) {
          if (v[k][i] == 0) continue;
          moved[k][i] = on_grid(moved[k][i] + t * v[k][i]);
        }
      }
      return evaluate(moved);
    };
  }

  // Steps as fractions of each element's unit; smaller ones for elements that are tiny themselves,
  // as the argument of a logarithm may be.
  SlopeScan scan_along(const Values& v) const {
    double smallest = problem_.single ? std::exp2(-16) : std::exp2(-43), largest = 0;
    for (std::size_t k = 0; k < x_.size(); ++k) {
      for (std::size_t i = 0; i < x_[k].size(); ++i) {
        const double step = std::abs(v[k][i]), x = std::abs(x_[k][i]);
        if (step == 0) continue;
        largest = std::max(largest, step / unit_of(x));
        if (x > 0) smallest = std::min(smallest, std::exp2(-20) * x / step);
      }
    }
    largest = std::max(largest, 1.0);
    const double first = problem_.single ? 0.25 : 0.0625, ratio = problem_.single ? 4 : 8;
    return {first / largest, std::max(smallest / largest, 1e-290), epsilon_, 0, ratio};
  }

  // All outputs' slopes along v, in which one element moves. Where some output has a kink, all get
  // the range of slopes that f has at points close by, where ties are broken.
  std::vector<Slope> slopes_of_element(const Values& v) {
    std::vector<Slope> column = slopes(line(v), y_, scan_along(v));
    if (std::none_of(column.begin(), column.end(), [](const Slope& s) { return s.kink; })) {
      return column;
    }
    const double away = std::sqrt(epsilon_) * 16, h = away / 64;
    for (int sample = 0; sample < 64; ++sample) {
      Values above = x_, below;
      for (auto& x : above) {
        for (double& value : x) {
          value += away * unit_of(value) * (uniform() - 0.5);
        }
      }
      below = above;
      for (std::size_t k = 0; k < x_.size(); ++k) {
        for (std::size_t i = 0; i < x_[k].size(); ++i) {
          above[k][i] = on_grid(above[k][i] + h * v[k][i]);
          below[k][i] = on_grid(below[k][i] - h * v[k][i]);
        }
      }
      const std::vector<double> y_above = evaluate(above), y_below = evaluate(below);
      for (std::size_t i = 0; i < column.size(); ++i) {
        const double slope = (y_above[i] - y_below[i]) / (2 * h);
        if (!std::isfinite(slope)) continue;
        Slope& s = column[i];
        if (!s.kink) s.below = s.above = s.value;
        std::tie(s.below, s.above) = std::minmax({s.below, s.above, slope});
        s.side_error = std::max({s.side_error, s.error, 4 * epsilon_ * s.size / h});
        s.kink = s.kink || s.above - s.below > 4 * s.side_error;
      }
    }
    return column;
  }

  double on_grid(double x) const { return problem_.single ? double(float(x)) : x; }

  Values no_direction() const {
    Values v;
    for (const auto& x : x_) v.emplace_back(x.size(), 0.0);
    return v;
  }

  // --- One comparison

  GradcheckEntry compare(const std::string& where, double analytic, const Slope& slope,
                         double size) const {
    GradcheckEntry entry{where,       analytic,    slope.value,   slope.error,
                         slope.below, slope.above, Verdict::right};
    const double larger = std::max({std::abs(analytic), std::abs(slope.value), size});
    const double accepted = std::max(tolerance_ * larger, 4 * slope.error);
    const double within = std::max(tolerance_ * larger, 4 * slope.side_error);
    if (slope.kink && analytic >= std::min(slope.below, slope.above) - within &&
        analytic <= std::max(slope.below, slope.above) + within) {
      entry.verdict = Verdict::kink;
    } else if (slope.error > std::max(0.01 * larger, std::sqrt(epsilon_) * slope.size)) {
      entry.verdict = Verdict::unsettled;
    } else if (!(std::abs(analytic - slope.value) <= accepted)) {
      // Where all steps are too large for f, small slopes over them agree, but not in their digits.
      const bool digits =
          slope.error <= std::max(0.01 * std::abs(slope.value), 100 * slope.rounding);
      entry.verdict = digits ? Verdict::wrong : Verdict::unsettled;
    }
    return entry;
  }

  // From slopes along an element's unit to derivatives.
  static GradcheckEntry per_unit(GradcheckEntry entry, double unit) {
    for (double* value :
         {&entry.analytic, &entry.numeric, &entry.error, &entry.below, &entry.above}) {
      *value /= unit;
    }
    return entry;
  }

  void keep(GradcheckRow& row, GradcheckEntry entry) {
    row.compared += 1;
    row.wrong += entry.verdict == Verdict::wrong;
    row.kinks += entry.verdict == Verdict::kink;
    row.unsettled += entry.verdict == Verdict::unsettled;
    if (entry.verdict != Verdict::kink) row.worst = std::max(row.worst, relative_error(entry));
    for (const GradcheckEntry& other : row.entries) {
      if (other.where == entry.where) return;  // the same element, found by another direction
    }
    row.entries.push_back(std::move(entry));
  }

  // Of a number that is right only to its estimated error, as far as that allows.
  double relative_error(const GradcheckEntry& entry) const {
    const double difference = std::abs(entry.analytic - entry.numeric);
    double size = std::max(std::abs(entry.analytic), std::abs(entry.numeric));
    if (entry.verdict == Verdict::right) size = std::max(size, 4 * entry.error / tolerance_);
    return difference == 0 ? 0 : difference / size;
  }

  // Leaves the worst entries of the row, those that are not right first.
  static void sort_entries(GradcheckRow& row) {
    if (row.wrong + row.unsettled > 0) {
      row.entries.erase(std::remove_if(row.entries.begin(), row.entries.end(),
                                       [](const GradcheckEntry& e) {
                                         return e.verdict == Verdict::right ||
                                                e.verdict == Verdict::kink;
                                       }),
                        row.entries.end());
    }
    const auto badness = [](const GradcheckEntry& e) {
      const int rank = e.verdict == Verdict::wrong       ? 3
                       : e.verdict == Verdict::unsettled ? 2
                       : e.verdict == Verdict::kink      ? 1
                                                         : 0;
      return std::make_pair(rank, std::abs(e.analytic - e.numeric));
    };
    std::stable_sort(row.entries.begin(), row.entries.end(),
                     [&](const auto& a, const auto& b) { return badness(a) > badness(b); });
    const std::size_t most = row.wrong + row.unsettled > 0 ? 5 : 1;
    if (row.entries.size() > most) row.entries.resize(most);
  }

  // --- The full mode

  void full() {
    const std::size_t m = y_.size();
    std::vector<Values> rows;  // of J, by vjp
    for (std::size_t i = 0; i < m; ++i) {
      std::vector<double> u(m, 0.0);
      u[i] = 1;
      rows.push_back(pull(u));
    }
    const std::vector<double> all = mixed_cotangent();
    Values sum = no_direction(), sizes = sum;
    double largest_y = 0, largest_size = 0;
    for (double y : y_) largest_y = std::max(largest_y, std::abs(y));
    for (std::size_t k = 0; k < x_.size(); ++k) {
      for (std::size_t j = 0; j < x_[k].size(); ++j) {
        for (std::size_t i = 0; i < m; ++i) {
          sum[k][j] += all[i] * rows[i][k][j];
          sizes[k][j] += std::abs(all[i] * rows[i][k][j]);
        }
        largest_size = std::max(largest_size, sizes[k][j]);
      }
    }
    // Larger terms inside a vjp leave their rounding.
    const double floor = 1e4 * epsilon_ * (largest_y + largest_size);
    require_linear(pull(all), sum, sizes, floor, "where all of ybar's elements come together");
    Values v = no_direction();
    for (std::size_t k = 0; k < x_.size(); ++k) {
      GradcheckRow& row = report_.rows[k];
      row.unit = "elements of the Jacobian";
      detail::Jacobians both{problem_.inputs[k], shape_, m, {}, {}, {}};
      std::size_t at_kinks = 0;  // of the wrong ones
      double largest = 0;
      for (const Values& of_row : rows) {
        for (double a : of_row[k]) largest = std::max(largest, std::abs(a));
      }
      for (std::size_t j = 0; j < x_[k].size(); ++j) {
        const double unit = v[k][j] = unit_of(x_[k][j]);
        const std::vector<Slope> column = slopes_of_element(v);
        v[k][j] = 0;
        for (std::size_t i = 0; i < m; ++i) {
          const double a = rows[i][k][j] * unit;
          // Rounding of a sum of larger terms may leave what should be 0.
          const double rounding = 64 * epsilon_ * largest * unit / tolerance_;
          GradcheckEntry entry = compare("", a, column[i], rounding);
          both.analytic.push_back(a / unit);
          both.numeric.push_back(column[i].value / unit);
          both.wrong.push_back(entry.verdict == Verdict::wrong);
          at_kinks += entry.verdict == Verdict::wrong && column[i].kink;
          if (entry.verdict == Verdict::right && !row.entries.empty() &&
              relative_error(entry) <= row.worst) {
            row.compared += 1;
            continue;
          }
          entry.where = "output " + detail::position_text(i, shape_) + ", element " +
                        detail::position_text(j, problem_.inputs[k].shape);
          keep(row, per_unit(std::move(entry), unit));
        }
      }
      sort_entries(row);
      if (row.wrong > 0) {
        row.looks_like = at_kinks == row.wrong
                             ? "a kink, and no slope between those of its two sides"
                             : detail::diagnosis(both);
      }
    }
  }

  // --- The modes with directions

  double sign() { return random_() >> 63 ? 1.0 : -1.0; }
  double uniform() { return double(random_() >> 11) * std::exp2(-53); }  // [0, 1)

  // Of both signs, the same at each call: what vjp gives for it is compared with itself alone.
  std::vector<double> mixed_cotangent() const {
    std::vector<double> u(y_.size());
    for (std::size_t i = 0; i < u.size(); ++i) {
      u[i] =
          on_grid((1.5 + 0.5 * std::sin(double(i * i))) * (std::cos(1.7 * double(i)) < 0 ? -1 : 1));
    }
    return u;
  }

  std::vector<double> random_cotangent() {
    std::vector<double> u(y_.size());
    for (double& value : u) value = on_grid(sign() * (1 + uniform()));
    return u;
  }

  // <u, y - f(x)>: differences first, so that a large <u, f(x)> does not round.
  double change(const std::vector<double>& u, const std::vector<double>& y) const {
    double sum = 0;
    for (std::size_t i = 0; i < u.size(); ++i) sum += u[i] * (y[i] - y_[i]);
    return sum;
  }

  // Of <u, f(x + t v)>.
  Slope slope_along(const std::vector<double>& u, const Values& v) const {
    const Line f = line(v);
    const Line along_u = [&](double t) { return std::vector<double>{change(u, f(t))}; };
    double rounding = 0;  // of independent numbers
    for (std::size_t i = 0; i < u.size(); ++i) rounding += u[i] * y_[i] * u[i] * y_[i];
    SlopeScan scan = scan_along(v);
    scan.rounded = std::sqrt(rounding);
    return slopes(along_u, {0.0}, scan)[0];
  }

  GradcheckEntry compare_along(const std::string& where, const std::vector<double>& u,
                               const Values& g, const Values& v) const {
    double analytic = 0, squares = 0;
    for (std::size_t k = 0; k < v.size(); ++k) {
      for (std::size_t i = 0; i < v[k].size(); ++i) {
        analytic += g[k][i] * v[k][i];
        squares += g[k][i] * v[k][i] * g[k][i] * v[k][i];
      }
    }
    return compare(where, analytic, slope_along(u, v), std::sqrt(squares));
  }

  struct Place {
    std::size_t input, element;
  };

  // Halves a direction that disagrees until one element is left.
  std::vector<Place> locate(const std::vector<double>& u, const Values& g, const Values& v,
                            std::vector<Place> places) const {
    while (places.size() > 1) {
      const std::size_t half = places.size() / 2;
      bool found = false;
      for (const bool second : {false, true}) {
        const std::vector<Place> part(
            places.begin() + (second ? std::ptrdiff_t(half) : 0),
            second ? places.end() : places.begin() + std::ptrdiff_t(half));
        Values w = no_direction();
        for (const Place& p : part) w[p.input][p.element] = v[p.input][p.element];
        if (compare_along("", u, g, w).verdict == Verdict::right) continue;
        places = part;
        found = true;
        break;
      }
      if (!found) break;  // only together they are wrong by more than the tolerance
    }
    return places;
  }

  void directions(int count, bool scaled) {
    for (GradcheckRow& row : report_.rows) row.unit = "directions";
    std::vector<std::vector<bool>> left_out;  // kinks that were accepted
    for (const auto& x : x_) left_out.emplace_back(x.size(), false);
    for (int d = 0; d < count; ++d) {
      const std::vector<double> u = random_cotangent();
      const Values g = pull(u);
      for (std::size_t k = 0; k < x_.size(); ++k) {
        if (x_[k].empty()) continue;
        Values v = no_direction();
        double largest = 0;
        for (double value : g[k]) largest = std::max(largest, std::abs(value));
        std::vector<Place> places;
        for (std::size_t i = 0; i < x_[k].size(); ++i) {
          double step = sign() * unit_of(x_[k][i]);
          if (scaled && d % 2 == 1 && largest > 0) {
            const double small = std::abs(g[k][i]) / largest;
            step *= std::exp2(std::min(20.0, std::floor(-std::log2(std::max(small, 1e-9)))));
          }
          if (left_out[k][i]) continue;
          v[k][i] = step;
          places.push_back({k, i});
        }
        direction(d, k, u, g, v, places, left_out[k]);
      }
    }
    for (GradcheckRow& row : report_.rows) sort_entries(row);
  }

  // One direction of input k: accepts up to 64 kinks, leaving them out. To find an element costs hundreds
  // of calls: where those that are known explain a direction, or three are known, none is looked for.
  void direction(int d, std::size_t k, const std::vector<double>& u, const Values& g, Values& v,
                 std::vector<Place> places, std::vector<bool>& left_out) {
    GradcheckRow& row = report_.rows[k];
    const auto leave_out = [&](std::size_t j) {
      v[k][j] = 0;
      places.erase(std::remove_if(places.begin(), places.end(),
                                  [&](const Place& p) { return p.element == j; }),
                   places.end());
    };
    auto& known = wrong_[k];
    if (!known.empty() && compare_along("", u, g, v).verdict == Verdict::wrong) {
      for (const auto& [j, entry] : known) leave_out(j);
      if (known.size() == 3 || compare_along("", u, g, v).verdict == Verdict::right) {
        return keep(row, known.front().second);
      }
    }
    for (int kinks = 0;; ++kinks) {
      GradcheckEntry whole = compare_along("direction " + std::to_string(d), u, g, v);
      if (whole.verdict == Verdict::right || kinks == 64) {
        if (kinks == 64) whole.verdict = Verdict::unsettled;
        return keep(row, std::move(whole));
      }
      const std::vector<Place> found = locate(u, g, v, places);
      if (found.size() != 1) {
        if (whole.verdict == Verdict::kink) whole.verdict = Verdict::unsettled;
        return keep(row, std::move(whole));
      }
      const std::size_t j = found[0].element;
      GradcheckEntry one = compare_element(k, j, u, g);
      if (one.verdict == Verdict::wrong) known.emplace_back(j, one);
      if (one.verdict != Verdict::kink) return keep(row, std::move(one));
      row.kinks += 1;
      left_out[j] = true;
      leave_out(j);
    }
  }

  // One element, along a cotangent. Where some outputs have a kink, those are compared one by one.
  GradcheckEntry compare_element(std::size_t k, std::size_t j, const std::vector<double>& u,
                                 const Values& g) {
    Values v = no_direction();
    const double unit = v[k][j] = unit_of(x_[k][j]);
    const std::string where = "element " + detail::position_text(j, problem_.inputs[k].shape) +
                              ", along a random cotangent";
    GradcheckEntry entry = compare(where, g[k][j] * unit, slope_along(u, v), 0);
    if (entry.verdict != Verdict::right && entry.verdict != Verdict::kink) {
      const std::vector<Slope> column = slopes_of_element(v);
      double rest = g[k][j] * unit;  // of the outputs without a kink
      Slope smooth;
      bool all = true;
      int kinks = 0;
      for (std::size_t i = 0; i < column.size() && all; ++i) {
        if (!column[i].kink) {
          smooth.value += u[i] * column[i].value;
          smooth.error += std::abs(u[i]) * column[i].error;
          smooth.size += std::abs(u[i]) * column[i].size;
          continue;
        }
        std::vector<double> e(y_.size(), 0.0);
        e[i] = 1;
        const double a = ++kinks <= 64 ? pull(e)[k][j] * unit : NAN;
        all = compare("", a, column[i], 0).verdict == Verdict::kink;
        rest -= u[i] * a;
      }
      if (all && kinks > 0 && compare("", rest, smooth, 0).verdict == Verdict::right) {
        entry.verdict = Verdict::kink;
      }
    }
    return per_unit(std::move(entry), unit);
  }

  // --- The Taylor mode

  void taylor() {
    for (int d = 0; d < 3; ++d) {
      const std::vector<double> u = random_cotangent();
      const Values g = pull(u);
      for (std::size_t k = 0; k < x_.size(); ++k) {
        if (x_[k].empty()) continue;
        GradcheckRow& row = report_.rows[k];
        row.unit = "directions";
        Values v = no_direction();
        std::vector<Place> places;
        double analytic = 0, rounding = 0;
        for (std::size_t i = 0; i < x_[k].size(); ++i) {
          v[k][i] = sign() * unit_of(x_[k][i]);
          analytic += g[k][i] * v[k][i];
          places.push_back({k, i});
        }
        for (std::size_t i = 0; i < u.size(); ++i) rounding += std::abs(u[i] * y_[i]);
        rounding = 100 * epsilon_ * std::max(rounding, std::abs(analytic) / 16);
        std::vector<double> observed = orders(line(v), u, analytic, 0, rounding);
        const bool right = !observed.empty() && observed[1] > 1.5;
        if (right && problem_.second) second_order(d, k, u, v, analytic, rounding, observed);
        if (!observed.empty()) row.orders = observed;
        if (right) {
          row.compared += 1;
          continue;
        }
        // At a kink a remainder falls as h, and one that is soon lost in rounding has no order.
        std::vector<bool> left_out(x_[k].size(), false);
        direction(d, k, u, g, v, places, left_out);
      }
    }
  }

  // The third order, with v'Hv by problem.second. Where the remainder falls as h^2 still, that is wrong.
  void second_order(int d, std::size_t k, const std::vector<double>& u, const Values& v,
                    double analytic, double rounding, std::vector<double>& observed) {
    const std::vector<double> Hv = problem_.second(x_, u, v)[k];
    double curvature = 0;
    for (std::size_t i = 0; i < Hv.size(); ++i) curvature += Hv[i] * v[k][i];
    const std::vector<double> more = orders(line(v), u, analytic, curvature, rounding);
    if (more.empty()) return;  // soon lost in rounding
    observed.push_back(more[1]);
    if (more[1] > 2.5) return;
    const double h = std::exp2(-10);
    const double numeric = (change(u, line(v)(h)) - h * analytic) * 2 / (h * h);
    GradcheckRow& row = report_.rows[k];
    row.compared -= 1;  // keep() counts it
    keep(row, {"direction " + std::to_string(d) + ", second derivative", curvature, numeric, 0, 0,
               0, Verdict::wrong});
  }

  // The orders by which the change and the remainder fall, at the smallest three steps before
  // rounding takes over; empty when they do not settle.
  std::vector<double> orders(const Line& f, const std::vector<double>& u, double analytic,
                             double curvature, double rounding) const {
    std::vector<double> observed, changes, remainder;
    for (double h = 0.0625; h > 1e-12; h /= 2) {
      const double c = change(u, f(h));
      changes.push_back(std::abs(c));
      remainder.push_back(std::abs(c - h * analytic - h * h / 2 * curvature));
      const std::size_t k = changes.size() - 1;
      if (!(remainder[k] > rounding)) break;
      if (k < 2) continue;
      const double first = std::log2(remainder[k - 2] / remainder[k - 1]);
      const double second = std::log2(remainder[k - 1] / remainder[k]);
      if (std::abs(first - second) < 0.1 && second > 0.5) {
        observed = {std::log2(changes[k - 1] / changes[k]), second};
      }
    }
    return observed;
  }

  const GradcheckProblem& problem_;
  std::mt19937_64 random_;
  double epsilon_, tolerance_;
  Values x_;
  std::size_t n_ = 0;
  std::vector<double> y_;
  std::vector<std::size_t> shape_;  // of the result
  // Of each input, the elements that directions have shown to be wrong.
  std::vector<std::vector<std::pair<std::size_t, GradcheckEntry>>> wrong_;
  GradcheckReport report_;
};

}  // namespace

GradcheckReport gradcheck(const GradcheckProblem& problem, const GradcheckOptions& options) {
  if (problem.inputs.empty()) throw std::invalid_argument("gradcheck: there is no input");
  if (!(options.tolerance >= 0 && options.tolerance < 1)) {
    throw std::invalid_argument("gradcheck: tolerance must be between 0 and 1, got " +
                                std::to_string(options.tolerance));
  }
  if (!problem.f || !problem.vjp) {
    throw std::invalid_argument("gradcheck: the problem has no f, or no vjp");
  }
  for (const GradcheckInput& input : problem.inputs) {
    if (product(input.shape) == input.values.size()) continue;
    throw std::invalid_argument("gradcheck: input " + input.name + " of shape " +
                                detail::shape_text(input.shape) + " has " +
                                std::to_string(input.values.size()) + " values");
  }
  return Checker(problem, options).run(options.mode);
}

}  // namespace tapesort
