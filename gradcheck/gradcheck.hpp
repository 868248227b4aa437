// Checks a gradient against differences, (f(x + h) - f(x - h)) / 2h or the like: of any function that
// you can call, on a tape or not.
//
//     auto f   = [](const std::vector<double>& x) { return std::vector<double>{x[0] * x[1]}; };
//     auto vjp = [](const std::vector<double>& x, const std::vector<double>& ybar) {
//       return std::vector<double>{ybar[0] * x[1], ybar[0] * x[1]};      // the second is wrong
//     };
//     std::cout << gradcheck(f, vjp, {2.0, 3.0}).text();
//
// prints
//
//     input 0 (2): WRONG, 1 of 2 elements of the Jacobian
//       looks like: a factor: every wrong element is 1.5 times the right one
//       output (), element (1): analytic 3, numeric 2, ratio 1.5
//
// f and vjp take and give std::vectors of double or float, or what these convert to and from by
// iterators (spans, Arrays), and f may give one number; for several inputs, see GradcheckProblem. For a
// function of Vars, gradcheck(f, {x}) needs no vjp (gradcheck/vars.hpp, for layers, too). This header
// needs nothing but the standard library.
//
// Let J be the Jacobian of f, and J^T its transpose. vjp(x, u) should be J^T u (for u = ybar).
//
// The full mode compares J element by element: rows by vjp, columns by differences (slope.hpp). For
// n inputs and m outputs it costs m calls of vjp and about 20 n of f. It is what runs on small
// problems, and it says what is wrong: where, by which factor, and which usual mistake it looks
// like.
//
// The fast and the sparse mode compare two numbers for each of some random directions (u, v):
// <J^T u, v>, the sum of the products of elements, and the slope of <u, f(x + t v)> at t = 0. When a
// direction disagrees, half of it is tried, again and again, until one element is left: it is named.
//
// At a kink (abs at 0, a tie in a sort) differences from the two sides disagree; a slope between them
// is accepted, and the report says so.
//
// The Taylor mode shows how fast the remainders of Taylor's formula fall, and needs no tolerance.
// With what probability a direction sees an error, and what Taylor's orders should be: README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <type_traits>
#include <vector>

namespace tapesort {

struct GradcheckInput {
  std::string name;                // in the report: "fc.weight", "1"
  std::vector<std::size_t> shape;  // () is one number
  std::vector<double> values;      // row by row
};

// A function of several arrays, and its pullback.
struct GradcheckProblem {
  using Values = std::vector<std::vector<double>>;  // of each input, in order

  std::vector<GradcheckInput> inputs;
  std::vector<std::size_t> output_shape;  // empty: one axis, or a number
  std::function<std::vector<double>(const Values& x)> f;
  std::function<Values(const Values& x, const std::vector<double>& ybar)> vjp;
  bool single = false;  // f and vjp compute in float
  // Optional: the derivative of vjp(x, ybar) along v, for the Taylor mode.
  std::function<Values(const Values& x, const std::vector<double>& ybar, const Values& v)> second;
  // Called when f or vjp gives a NaN or an infinity; may say where it began.
  std::function<std::string()> explain_not_finite;
};

enum class GradcheckMode {
  automatic,  // full where m + n <= 500, else fast; the element named where fast disagrees
  full,
  fast,    // 3 directions
  sparse,  // 20 directions
  taylor,
};

struct GradcheckOptions {
  GradcheckMode mode = GradcheckMode::automatic;
  // Accepted besides the estimated error of the difference, relative to the larger of the two
  // numbers (for a direction, at least to the root of the sum of the squares that make up
  // <J^T u, v>). 0: 1e-7 in double, 1e-3 in float.
  double tolerance = 0;
  std::uint64_t seed = 1;  // of u and v
};

enum class GradcheckVerdict {
  right,
  kink,  // between the slopes of the two sides: accepted
  wrong,
  unsettled,  // the differences do not settle on a slope: a jump, or noise
};

// One comparison.
struct GradcheckEntry {
  std::string where;  // "output (0), element (1, 2)" or "direction 3"
  double analytic = 0, numeric = 0;
  double error = 0;             // estimated, of numeric
  double below = 0, above = 0;  // at a kink, the slopes of the two sides
  GradcheckVerdict verdict = GradcheckVerdict::right;
};

// What was found about one input.
struct GradcheckRow {
  std::string input;
  std::vector<std::size_t> shape;
  std::string unit;  // what was compared: "elements of the Jacobian", "directions", ..
  std::size_t compared = 0, wrong = 0, kinks = 0, unsettled = 0;
  double worst = 0;                     // largest relative error of those that are not at a kink
  std::string looks_like;               // the usual mistake, where one fits
  std::vector<GradcheckEntry> entries;  // the worst first, at most 5; when all is right, the worst
  std::vector<double> orders;           // Taylor mode: observed order of f, then of the remainders
};

struct GradcheckReport {
  std::string failure;  // why nothing could be compared, as "f is not deterministic: .."
  std::vector<GradcheckRow> rows;

  bool ok() const;
  std::string text() const;
  std::string json() const;
};

// std::invalid_argument for a problem without inputs, or values that do not fit a shape.
GradcheckReport gradcheck(const GradcheckProblem& problem, const GradcheckOptions& options = {});

namespace detail {
// The numbers of a range, or one number.
template <class Y> std::vector<double> to_vector(const Y& y) {
  if constexpr (std::is_arithmetic_v<Y>) {
    return {double(y)};
  } else {
    return std::vector<double>(std::begin(y), std::end(y));
  }
}
template <class Y, class = double> constexpr bool is_numbers = std::is_arithmetic_v<Y>;
template <class Y>
constexpr bool is_numbers<Y, decltype(double(*std::begin(std::declval<const Y&>())))> = true;

template <class To> std::vector<To> converted(const std::vector<double>& from) {
  std::vector<To> to;
  for (double value : from) to.push_back(static_cast<To>(value));
  return to;
}
}  // namespace detail

// Of a function of one array: f(x) -> y, an array or a number, and vjp(x, ybar) -> xbar, both called
// with std::vector<T> const&, which a span is made from too.
template <class T = double, class F, class Vjp>
GradcheckReport gradcheck(const F& f, const Vjp& vjp, const std::vector<std::common_type_t<T>>& x,
                          const GradcheckOptions& options = {}) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>,
                "gradcheck<double> or gradcheck<float>");
  using Numbers = const std::vector<T>&;
  constexpr bool fits =
      std::is_invocable_v<const F&, Numbers> && std::is_invocable_v<const Vjp&, Numbers, Numbers>;
  static_assert(fits,
                "f(x) and vjp(x, ybar) have to take std::vectors of double, or of float in "
                "gradcheck<float>(f, vjp, x)");
  GradcheckProblem problem;
  if constexpr (fits) {
    using Y = std::decay_t<std::invoke_result_t<const F&, Numbers>>;
    using Xbar = std::decay_t<std::invoke_result_t<const Vjp&, Numbers, Numbers>>;
    constexpr bool gives = detail::is_numbers<Y> && detail::is_numbers<Xbar>;
    static_assert(gives,
                  "f(x) and vjp(x, ybar) have to give numbers: a vector or another range of "
                  "them, or one number");
    if constexpr (gives) {
      problem.inputs = {{"0", {x.size()}, detail::to_vector(x)}};
      problem.f = [&f](const GradcheckProblem::Values& at) {
        return detail::to_vector(f(detail::converted<T>(at[0])));
      };
      problem.vjp = [&vjp](const GradcheckProblem::Values& at, const std::vector<double>& ybar) {
        return GradcheckProblem::Values{
            detail::to_vector(vjp(detail::converted<T>(at[0]), detail::converted<T>(ybar)))};
      };
    }
    problem.single = std::is_same_v<T, float>;
  }
  return gradcheck(problem, options);
}

}  // namespace tapesort
