#include "gradcheck/diagnosis.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tapesort::detail {
namespace {

bool close(double a, double b) {
  return std::abs(a - b) <= 1e-4 * std::max(std::abs(a), std::abs(b));
}

// Both Jacobians, and which of their elements count: those that are not 0, in terms of the largest.
struct Matrix {
  explicit Matrix(const Jacobians& both) : both(both) {
    for (const Element& e : both.elements) largest = std::max(largest, std::abs(e.numeric));
  }
  bool zero(double x) const { return std::abs(x) <= 1e-8 * largest; }
  bool zero(double x, double beside) const {
    return zero(x) && std::abs(x) < 1e-3 * std::abs(beside);
  }

  // Whether `test` holds for all elements, or for all that are wrong.
  template <class Test> bool all(const Test& test) const {
    return std::all_of(both.elements.begin(), both.elements.end(), test);
  }
  template <class Test> bool all_wrong(const Test& test) const {
    return all([&](const Element& e) { return !e.wrong || test(e); });
  }

  const Jacobians& both;
  double largest = 0;
};

// The one ratio analytic / numeric of all wrong elements, NaN when there is none.
double common_ratio(const Matrix& J) {
  double ratio = NAN;
  const bool one = J.all_wrong([&](const Element& e) {
    if (J.zero(e.numeric, e.analytic)) return false;
    if (std::isnan(ratio)) ratio = e.analytic / e.numeric;
    return close(e.analytic / e.numeric, ratio);
  });
  return one ? ratio : NAN;
}

// Of 2-d inputs: whether the gradient is right, but written in the order of the transpose.
bool transposed(const Matrix& J) {
  const auto& shape = J.both.input.shape;
  if (shape.size() != 2 || shape[0] < 2 || shape[1] < 2) return false;
  return J.all([&](const Element& e) {
    const std::size_t there = e.j % shape[0] * shape[1] + e.j / shape[0];
    const double b = J.both.elements[there * J.both.outputs + e.i].numeric;
    return close(e.analytic, b) || (J.zero(e.analytic) && J.zero(b));
  });
}

}  // namespace

std::string diagnosis(const Jacobians& both) {
  const Matrix J(both);
  const bool none_right = J.all([&](const Element& e) { return e.wrong || J.zero(e.numeric); });
  const std::string which = none_right ? "every element" : "every wrong element";

  if (J.all([&](const Element& e) { return J.zero(e.analytic); })) {
    return "the gradient is 0: is it passed on to this input, and does it need one?";
  }
  if (transposed(J)) return "the gradient is written transposed";

  // Right for the first of a batch, wrong for all others.
  const auto& shape = both.output_shape;
  const std::size_t each = shape.empty() ? 1 : std::max<std::size_t>(1, both.outputs / shape[0]);
  const bool first_is_right = shape.size() > 1 && !none_right && J.all([&](const Element& e) {
    return e.wrong == (e.i >= each) || J.zero(e.numeric);
  });
  const std::string batch =
      first_is_right ? "; the outputs at index 0 of the first axis are right, of later ones wrong"
                     : "";
  if (J.all_wrong([&](const Element& e) { return J.zero(e.analytic, e.numeric); })) {
    return "a dependence is forgotten: " + which + " is 0 and should not be" +
           (first_is_right ? batch + ": a sum over a broadcast axis, or a batch, is missing?" : "");
  }
  // Derivatives of each output by its own element alone, where others have a part.
  const std::vector<double>& x = both.input.values;
  if (both.outputs == x.size() && x.size() > 1 &&
      J.all([&](const Element& e) { return e.i == e.j || (J.zero(e.analytic) && e.wrong); })) {
    return "a dependence is forgotten: outputs depend on all elements; is a sum, mean or norm of "
           "them taken for a constant?";
  }
  if (J.all_wrong([&](const Element& e) { return J.zero(e.numeric, e.analytic); })) {
    return "a dependence too many: " + which + " should be 0" + batch;
  }

  const double ratio = common_ratio(J);
  if (close(ratio, -1)) {
    const bool negative = !none_right && J.all([&](const Element& e) {
      return J.zero(e.numeric) || e.wrong == (x[e.j] < 0);
    });
    return negative ? "the sign is wrong where the input is negative"
                    : "the sign of " + which + " is wrong" + batch;
  }
  if (!std::isnan(ratio) && std::abs(ratio - 1) > 1e-3) {
    std::string text = "a factor: " + which + " is " + number(ratio) + " times the right one";
    for (const auto* extents : {&both.input.shape, &both.output_shape}) {
      for (std::size_t extent : *extents) {
        if (extent > 2 && close(ratio * double(extent), 1)) {
          return text + ", 1/" + std::to_string(extent) + ": a mean instead of a sum?" + batch;
        }
        if (extent > 2 && close(ratio, double(extent))) {
          return text + ", an extent: counted " + std::to_string(extent) + " times?" + batch;
        }
      }
    }
    return text + batch;
  }
  return first_is_right ? batch.substr(2) : "";
}

std::string number(double x, const char* format) {
  char text[32];
  std::snprintf(text, sizeof text, format, x);
  return text;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text;
  for (std::size_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "(" + text + ")";
}

std::string position_text(std::size_t place, const std::vector<std::size_t>& shape) {
  std::vector<std::size_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = place % shape[axis];
    place /= shape[axis];
  }
  return shape_text(index);
}

}  // namespace tapesort::detail
