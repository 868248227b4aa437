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
using Numbers = std::vector<double>;
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

double largest_of(const Numbers& numbers, std::size_t begin, std::size_t end) {
  double largest = 0;
  for (std::size_t i = begin; i < end; ++i) largest = std::max(largest, std::abs(numbers[i]));
  return largest;
}

class Checker {
 public:
  Checker(const GradcheckProblem& problem, const GradcheckOptions& options)
      : problem_(problem), random_(options.seed) {
    epsilon_ = problem.single ? std::exp2(-23) : std::exp2(-52);
    tolerance_ = options.tolerance > 0 ? options.tolerance : problem.single ? 1e-3 : 1e-7;
    for (const GradcheckInput& input : problem.inputs) {
      begins_.push_back(x_.size());
      x_.insert(x_.end(), input.values.begin(), input.values.end());
      report_.rows.push_back({input.name, input.shape, "", 0, 0, 0, 0, 0, "", {}, {}});
    }
    begins_.push_back(x_.size());
    wrong_.resize(problem.inputs.size());
  }

  GradcheckReport run(GradcheckMode mode) {
    try {
      for (std::size_t e = 0; e < x_.size(); ++e) {
        if (std::isfinite(x_[e]) && std::isfinite(unit_of(x_[e]))) continue;
        throw Failure("input " + problem_.inputs[input_of(e)].name + " is " +
                      detail::number(x_[e]) + " at " + position(e) + no_derivative);
      }
      call_elsewhere();
      y_ = evaluate(x_);
      if (y_.empty()) throw Failure("f gives an empty result: there is nothing to check");
      const Numbers again = evaluate(x_);
      if (y_ != again) {
        throw Failure(
            "f is not deterministic: two calls with the same inputs give different "
            "results; make every generator that it uses anew, from a fixed seed, inside f");
      }
      const Numbers ones(y_.size(), 1.0), g = pull(ones);
      if (g != pull(ones)) {
        throw Failure(
            "vjp is not deterministic: two calls with the same arguments give different results; "
            "is xbar zero before it is added to?");
      }
      check_scaled(ones, g, "where all of ybar is ");
      const Numbers mixed = mixed_cotangent();
      check_scaled(mixed, pull(mixed), "where ybar is multiplied by ");
      shape_ = problem_.output_shape;
      if (shape_.empty() && y_.size() != 1) shape_ = {y_.size()};
      if (product(shape_) != y_.size()) {
        throw Failure("f gives " + std::to_string(y_.size()) + " numbers, and output_shape is " +
                      detail::shape_text(shape_));
      }
      const bool small = x_.size() + y_.size() <= 500;
      if (mode == GradcheckMode::full || (mode == GradcheckMode::automatic && small)) {
        full();
      } else if (mode == GradcheckMode::taylor) {
        taylor();
      } else {
        const bool sparse = mode == GradcheckMode::sparse;
        directions(sparse ? 20 : 3, sparse);
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

  // f and vjp have an array for each input.
  Values split(const Numbers& x) const {
    Values inputs;
    for (std::size_t k = 0; k + 1 < begins_.size(); ++k) {
      inputs.emplace_back(x.data() + begins_[k], x.data() + begins_[k + 1]);
    }
    return inputs;
  }
  std::size_t input_of(std::size_t e) const {
    return std::size_t(std::upper_bound(begins_.begin(), begins_.end(), e) - begins_.begin()) - 1;
  }
  // In its input: "element (1, 2)".
  std::string position(std::size_t e) const {
    const std::size_t k = input_of(e);
    return "element " + detail::position_text(e - begins_[k], problem_.inputs[k].shape);
  }

  Numbers evaluate(const Numbers& x) const {
    Numbers y = problem_.f(split(x));
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

  // The same near x_, which may be outside of f's domain: nothing where it throws.
  Numbers evaluate_near(const Numbers& x) const {
    try {
      return evaluate(x);
    } catch (const Failure&) {
      throw;
    } catch (const std::exception&) {
      return {};
    }
  }

  Numbers pull(const Numbers& u) const {
    const Values of_inputs = problem_.vjp(split(x_), u);
    if (of_inputs.size() != problem_.inputs.size()) {
      throw Failure("vjp gives " + std::to_string(of_inputs.size()) + " arrays for " +
                    std::to_string(problem_.inputs.size()) + " inputs");
    }
    Numbers g;
    for (std::size_t k = 0; k < of_inputs.size(); ++k) {
      const GradcheckInput& input = problem_.inputs[k];
      if (of_inputs[k].size() != input.values.size()) {
        throw Failure("vjp gives " + std::to_string(of_inputs[k].size()) + " numbers for input " +
                      input.name + " of shape " + detail::shape_text(input.shape) + ", which has " +
                      std::to_string(input.values.size()));
      }
      for (double value : of_inputs[k]) {
        const std::size_t e = g.size();
        g.push_back(value);
        if (std::isfinite(value)) continue;
        not_finite(value, "the gradient by vjp of input " + input.name,
                   "at " + position(e) + by_differences(u, e));
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

  // What stands there by differences: u^T y along element e.
  std::string by_differences(const Numbers& u, std::size_t e) const {
    Numbers v(x_.size(), 0.0);
    const double unit = v[e] = unit_of(x_[e]);
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
  void check_scaled(const Numbers& u, const Numbers& g, const std::string& what) const {
    const double largest = largest_of(g, 0, g.size());
    for (const double factor : {-0.5, -1024.0}) {
      if (largest * std::abs(factor) > (problem_.single ? 1e35 : 1e300)) continue;
      Numbers scaled = u, expected = g;
      for (double& value : scaled) value *= factor;
      for (double& value : expected) value *= factor;
      require_linear(pull(scaled), expected, expected, 0, what + detail::number(factor));
    }
  }

  // Accepted is what rounding may leave: relative to `sizes`, and `floor`.
  void require_linear(const Numbers& got, const Numbers& expected, const Numbers& sizes,
                      double floor, const std::string& where) const {
    const double tolerance = problem_.single ? 1e-3 : 1e-6;
    for (std::size_t e = 0; e < got.size(); ++e) {
      const double difference = std::abs(got[e] - expected[e]);
      if (difference <= tolerance * std::abs(sizes[e]) + floor + 1e-37) continue;
      throw Failure(
          "vjp is not linear in ybar: " + where + ", input " + problem_.inputs[input_of(e)].name +
          ", " + position(e) + " gets " + detail::number(got[e], "%.8g") + " instead of " +
          detail::number(expected[e], "%.8g") + "; is each term multiplied by ybar, once?");
    }
  }

  // What f or vjp keep from their first call should not be what they are checked with.
  void call_elsewhere() const {
    Numbers near = x_;
    for (double& x : near) x = on_grid(x + unit_of(x) * 0x1p-12);
    try {
      const std::size_t m = problem_.f(split(near)).size();
      if (m > 0) problem_.vjp(split(near), Numbers(m, 1.0));
    } catch (const std::exception&) {  // not of their domain
    }
  }

  // Whether every result near x is a number of float, and one of more than a few digits.
  bool computed_in_float() const {
    if (problem_.single) return false;
    bool digits = false;
    Numbers near = x_;
    for (int sample = 1; sample <= 3; ++sample) {
      for (std::size_t e = 0; e < near.size(); ++e) {
        const double phase = sample + double(e - begins_[input_of(e)]);
        near[e] = x_[e] + unit_of(x_[e]) * std::sin(phase) * 1e-3;
      }
      const Numbers results = evaluate_near(near);
      if (results.empty()) return false;
      for (double y : results) {
        if (!(double(float(y)) == y)) return false;
        int exponent;
        const double bits = std::ldexp(std::frexp(y, &exponent), 12);
        digits = digits || bits != std::floor(bits);
      }
    }
    return digits;
  }

  // f(x + t v), where v is measured in units of each element.
  Line line(const Numbers& v) const {
    return [this, &v](double t) { return evaluate(moved(v, t)); };
  }
  Numbers moved(const Numbers& v, double t) const {
    Numbers x = x_;
    for (std::size_t e = 0; e < x.size(); ++e) {
      if (v[e] != 0) x[e] = on_grid(x[e] + t * v[e]);
    }
    return x;
  }

  // Steps as fractions of each element's unit; smaller ones for elements that are tiny themselves,
  // as the argument of a logarithm may be.
  SlopeScan scan_along(const Numbers& v) const {
    double smallest = problem_.single ? std::exp2(-16) : std::exp2(-43), largest = 0;
    for (std::size_t e = 0; e < x_.size(); ++e) {
      const double step = std::abs(v[e]), x = std::abs(x_[e]);
      if (step == 0) continue;
      largest = std::max(largest, step / unit_of(x));
      if (x > 0) smallest = std::min(smallest, std::exp2(-20) * x / step);
    }
    largest = std::max(largest, 1.0);
    const double first = problem_.single ? 0.25 : 0.0625, ratio = problem_.single ? 4 : 8;
    return {first / largest, std::max(smallest / largest, 1e-290), epsilon_, 0, ratio};
  }

  // All outputs' slopes along v, in which one element moves. Where some output has a kink, all get
  // the range of slopes that f has at points close by, where ties are broken.
  std::vector<Slope> slopes_of_element(const Numbers& v) {
    std::vector<Slope> column = slopes(line(v), y_, scan_along(v));
    if (std::none_of(column.begin(), column.end(), [](const Slope& s) { return s.kink; })) {
      return column;
    }
    const double away = std::sqrt(epsilon_) * 16, h = away / 64;
    for (int sample = 0; sample < 64; ++sample) {
      Numbers above = x_;
      for (double& value : above) value += away * unit_of(value) * (uniform() - 0.5);
      Numbers below = above;
      for (std::size_t e = 0; e < x_.size(); ++e) {
        above[e] = on_grid(above[e] + h * v[e]);
        below[e] = on_grid(below[e] - h * v[e]);
      }
      const Numbers y_above = evaluate_near(above), y_below = evaluate_near(below);
      if (y_above.empty() || y_below.empty()) continue;
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

  // --- One comparison

  GradcheckEntry compare(const std::string& where, double analytic, const Slope& slope,
                         double size) const {
    GradcheckEntry entry{where,       analytic,    slope.value,   slope.error,
                         slope.below, slope.above, Verdict::right};
    const double larger = std::max({std::abs(analytic), std::abs(slope.value), size});
    const double accepted = std::max(tolerance_ * larger, 4 * slope.error);
    const double within = std::max(tolerance_ * larger, 4 * slope.side_error);
    if (slope.kink && std::isfinite(within) &&
        analytic >= std::min(slope.below, slope.above) - within &&
        analytic <= std::max(slope.below, slope.above) + within) {
      entry.verdict = Verdict::kink;
    } else if (!std::isfinite(accepted) ||
               slope.error > std::max(0.01 * larger, std::sqrt(epsilon_) * slope.size)) {
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
    std::vector<Numbers> rows;  // of J, by vjp
    for (std::size_t i = 0; i < m; ++i) {
      Numbers u(m, 0.0);
      u[i] = 1;
      rows.push_back(pull(u));
    }
    const Numbers all = mixed_cotangent();
    Numbers sum(x_.size(), 0.0), sizes = sum, v = sum;
    for (std::size_t e = 0; e < x_.size(); ++e) {
      for (std::size_t i = 0; i < m; ++i) {
        sum[e] += all[i] * rows[i][e];
        sizes[e] += std::abs(all[i] * rows[i][e]);
      }
    }
    // Larger terms inside a vjp leave their rounding.
    const double floor =
        1e4 * epsilon_ * (largest_of(y_, 0, m) + largest_of(sizes, 0, sizes.size()));
    require_linear(pull(all), sum, sizes, floor, "where all of ybar's elements come together");
    for (std::size_t k = 0; k < problem_.inputs.size(); ++k) {
      GradcheckRow& row = report_.rows[k];
      row.unit = "elements of the Jacobian";
      detail::Jacobians both{problem_.inputs[k], shape_, m, {}};
      std::size_t at_kinks = 0;  // of the wrong ones
      double largest = 0;
      Numbers reach(m, 0.0);  // how far an element's unit moves an output, at most
      for (std::size_t e = begins_[k]; e < begins_[k + 1]; ++e) {
        const double unit = unit_of(x_[e]);
        for (std::size_t i = 0; i < m; ++i) {
          largest = std::max(largest, std::abs(rows[i][e]));
          reach[i] = std::max(reach[i], std::abs(rows[i][e]) * unit);
        }
      }
      for (std::size_t e = begins_[k]; e < begins_[k + 1]; ++e) {
        const double unit = v[e] = unit_of(x_[e]);
        const std::vector<Slope> column = slopes_of_element(v);
        v[e] = 0;
        for (std::size_t i = 0; i < m; ++i) {
          const double a = rows[i][e] * unit;
          // Rounding of a sum of larger terms may leave what should be 0.
          const double terms = std::min(largest * unit, reach[i]);
          const double rounding = 64 * epsilon_ * terms / tolerance_;
          GradcheckEntry entry = compare("", a, column[i], rounding);
          const bool wrong = entry.verdict == Verdict::wrong;
          both.elements.push_back({i, e - begins_[k], a / unit, column[i].value / unit, wrong});
          at_kinks += wrong && column[i].kink;
          if (entry.verdict == Verdict::right && !row.entries.empty() &&
              relative_error(entry) <= row.worst) {
            row.compared += 1;
            continue;
          }
          entry.where = "output " + detail::position_text(i, shape_) + ", " + position(e);
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
  Numbers mixed_cotangent() const {
    Numbers u(y_.size());
    for (std::size_t i = 0; i < u.size(); ++i) {
      u[i] =
          on_grid((1.5 + 0.5 * std::sin(double(i * i))) * (std::cos(1.7 * double(i)) < 0 ? -1 : 1));
    }
    return u;
  }

  Numbers random_cotangent() {
    Numbers u(y_.size());
    for (double& value : u) value = on_grid(sign() * (1 + uniform()));
    return u;
  }

  // <u, y - f(x)>: differences first, so that a large <u, f(x)> does not round.
  double change(const Numbers& u, const Numbers& y) const {
    double sum = 0;
    for (std::size_t i = 0; i < u.size(); ++i) sum += u[i] * (y[i] - y_[i]);
    return sum;
  }

  // Of <u, f(x + t v)>.
  Slope slope_along(const Numbers& u, const Numbers& v) const {
    const Line f = line(v);
    const Line along_u = [&](double t) { return Numbers{change(u, f(t))}; };
    double rounding = 0;  // of independent numbers
    for (std::size_t i = 0; i < u.size(); ++i) rounding = std::hypot(rounding, u[i] * y_[i]);
    SlopeScan scan = scan_along(v);
    scan.rounded = rounding;
    return slopes(along_u, {0.0}, scan)[0];
  }

  GradcheckEntry compare_along(const std::string& where, const Numbers& u, const Numbers& g,
                               const Numbers& v) const {
    double analytic = 0, size = 0;
    for (std::size_t e = 0; e < v.size(); ++e) {
      analytic += g[e] * v[e];
      size = std::hypot(size, g[e] * v[e]);
    }
    return compare(where, analytic, slope_along(u, v), size);
  }

  // Halves a direction that disagrees until one element is left.
  std::vector<std::size_t> locate(const Numbers& u, const Numbers& g, const Numbers& v,
                                  std::vector<std::size_t> places) const {
    while (places.size() > 1) {
      const auto half = places.begin() + std::ptrdiff_t(places.size() / 2);
      bool found = false;
      for (const auto& part : {std::vector<std::size_t>(places.begin(), half),
                               std::vector<std::size_t>(half, places.end())}) {
        Numbers w(x_.size(), 0.0);
        for (const std::size_t e : part) w[e] = v[e];
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
    std::vector<bool> left_out(x_.size());  // kinks that were accepted
    for (int d = 0; d < count; ++d) {
      const Numbers u = random_cotangent(), g = pull(u);
      for (std::size_t k = 0; k < problem_.inputs.size(); ++k) {
        if (problem_.inputs[k].values.empty()) continue;
        Numbers v(x_.size(), 0.0);
        const double largest = largest_of(g, begins_[k], begins_[k + 1]);
        std::vector<std::size_t> places;
        for (std::size_t e = begins_[k]; e < begins_[k + 1]; ++e) {
          double step = sign() * unit_of(x_[e]);
          if (scaled && d % 2 == 1 && largest > 0) {
            const double small = std::abs(g[e]) / largest;
            step *= std::exp2(std::min(20.0, std::floor(-std::log2(std::max(small, 1e-9)))));
          }
          if (left_out[e]) continue;
          v[e] = step;
          places.push_back(e);
        }
        direction(d, k, u, g, v, places, left_out);
      }
    }
    for (GradcheckRow& row : report_.rows) sort_entries(row);
  }

  // One direction of input k: accepts up to 64 kinks, leaving them out. To find an element costs hundreds
  // of calls: where those that are known explain a direction, or three are known, none is looked for.
  void direction(int d, std::size_t k, const Numbers& u, const Numbers& g, Numbers& v,
                 std::vector<std::size_t> places, std::vector<bool>& left_out) {
    GradcheckRow& row = report_.rows[k];
    const auto leave_out = [&](std::size_t e) {
      v[e] = 0;
      places.erase(std::remove(places.begin(), places.end(), e), places.end());
    };
    auto& known = wrong_[k];
    if (!known.empty() && compare_along("", u, g, v).verdict == Verdict::wrong) {
      for (const auto& [e, entry] : known) leave_out(e);
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
      const std::vector<std::size_t> found = locate(u, g, v, places);
      if (found.size() != 1) {
        if (whole.verdict == Verdict::kink) whole.verdict = Verdict::unsettled;
        return keep(row, std::move(whole));
      }
      GradcheckEntry one = compare_element(found[0], u, g);
      if (one.verdict == Verdict::wrong) known.emplace_back(found[0], one);
      if (one.verdict != Verdict::kink) return keep(row, std::move(one));
      row.kinks += 1;
      left_out[found[0]] = true;
      leave_out(found[0]);
    }
  }

  // One element, along a cotangent. Where some outputs have a kink, those are compared one by one.
  GradcheckEntry compare_element(std::size_t e, const Numbers& u, const Numbers& g) {
    Numbers v(x_.size(), 0.0);
    const double unit = v[e] = unit_of(x_[e]);
    GradcheckEntry entry =
        compare(position(e) + ", along a random cotangent", g[e] * unit, slope_along(u, v), 0);
    if (entry.verdict != Verdict::right && entry.verdict != Verdict::kink) {
      const std::vector<Slope> column = slopes_of_element(v);
      double rest = g[e] * unit;  // of the outputs without a kink
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
        Numbers one(y_.size(), 0.0);
        one[i] = 1;
        const double a = ++kinks <= 64 ? pull(one)[e] * unit : NAN;
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
      const Numbers u = random_cotangent(), g = pull(u);
      for (std::size_t k = 0; k < problem_.inputs.size(); ++k) {
        if (problem_.inputs[k].values.empty()) continue;
        GradcheckRow& row = report_.rows[k];
        row.unit = "directions";
        Numbers v(x_.size(), 0.0);
        std::vector<std::size_t> places;
        double analytic = 0, rounding = 0;
        for (std::size_t e = begins_[k]; e < begins_[k + 1]; ++e) {
          v[e] = sign() * unit_of(x_[e]);
          analytic += g[e] * v[e];
          places.push_back(e);
        }
        for (std::size_t i = 0; i < u.size(); ++i) rounding += std::abs(u[i] * y_[i]);
        rounding = 100 * epsilon_ * std::max(rounding, std::abs(analytic) / 16);
        Numbers observed = orders(v, u, analytic, 0, rounding);
        const bool right = !observed.empty() && observed[1] > 1.5;
        if (right && problem_.second) second_order(d, k, u, v, analytic, rounding, observed);
        if (!observed.empty()) row.orders = observed;
        if (right) {
          row.compared += 1;
          continue;
        }
        // At a kink a remainder falls as h, and one that is soon lost in rounding has no order.
        std::vector<bool> left_out(x_.size());
        direction(d, k, u, g, v, places, left_out);
      }
    }
  }

  // The third order, with v'Hv by problem.second. Where the remainder falls as h^2 still, that is wrong.
  void second_order(int d, std::size_t k, const Numbers& u, const Numbers& v, double analytic,
                    double rounding, Numbers& observed) {
    const Numbers Hv = problem_.second(split(x_), u, split(v))[k];
    double curvature = 0;
    for (std::size_t i = 0; i < Hv.size(); ++i) curvature += Hv[i] * v[begins_[k] + i];
    const Numbers more = orders(v, u, analytic, curvature, rounding);
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
  Numbers orders(const Numbers& v, const Numbers& u, double analytic, double curvature,
                 double rounding) const {
    Numbers observed, changes, remainder;
    for (double h = 0.0625; h > 1e-12; h /= 2) {
      const Numbers y = evaluate_near(moved(v, h));
      if (y.empty() || std::isnan(change(u, y))) continue;
      const double c = change(u, y);
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
  Numbers x_;                        // of all inputs, one after another
  std::vector<std::size_t> begins_;  // each input's first, and their end
  Numbers y_;
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
