#include "gradcheck/diagnosis.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tapesort::detail {
namespace {

bool close(double a, double b) {
  return std::abs(a - b) <= 1e-4 * std::max(std::abs(a), std::abs(b));
}

// The elements of both Jacobians that count: where either is not 0, in terms of the largest.
struct Matrix {
  explicit Matrix(const Jacobians& both)
      : both(both), m(both.outputs), n(both.input.values.size()) {
    for (double x : both.numeric) largest = std::max(largest, std::abs(x));
  }
  double analytic(std::size_t i, std::size_t j) const { return both.analytic[j * m + i]; }
  double numeric(std::size_t i, std::size_t j) const { return both.numeric[j * m + i]; }
  bool wrong(std::size_t i, std::size_t j) const { return both.wrong[j * m + i]; }
  bool zero(double x) const { return std::abs(x) <= 1e-8 * largest; }
  bool zero(double x, double beside) const {
    return zero(x) && std::abs(x) < 1e-3 * std::abs(beside);
  }

  // Whether `test` holds for all elements that are wrong, or for all that are not 0.
  template <class Test> bool all_wrong(const Test& test) const {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t i = 0; i < m; ++i) {
        if (wrong(i, j) && !test(i, j)) return false;
      }
    }
    return true;
  }
  template <class Test> bool all(const Test& test) const {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t i = 0; i < m; ++i) {
        if (!test(i, j)) return false;
      }
    }
    return true;
  }

  const Jacobians& both;
  std::size_t m, n;
  double largest = 0;
};

// The one ratio analytic / numeric of all wrong elements, NaN when there is none.
double common_ratio(const Matrix& J) {
  double ratio = NAN;
  const bool one = J.all_wrong([&](std::size_t i, std::size_t j) {
    if (J.zero(J.numeric(i, j), J.analytic(i, j))) return false;
    const double here = J.analytic(i, j) / J.numeric(i, j);
    if (std::isnan(ratio)) ratio = here;
    return close(here, ratio);
  });
  return one ? ratio : NAN;
}

// Of 2-d inputs: whether the gradient is right, but written in the order of the transpose.
bool transposed(const Matrix& J) {
  const auto& shape = J.both.input.shape;
  if (shape.size() != 2 || shape[0] < 2 || shape[1] < 2) return false;
  return J.all([&](std::size_t i, std::size_t j) {
    const std::size_t there = j % shape[0] * shape[1] + j / shape[0];
    const double a = J.analytic(i, j), b = J.numeric(i, there);
    return close(a, b) || (J.zero(a) && J.zero(b));
  });
}

// The first index of output i.
std::size_t first_index(const Matrix& J, std::size_t i) {
  const auto& shape = J.both.output_shape;
  return shape.empty() ? 0 : i / std::max<std::size_t>(1, J.m / shape[0]);
}

}  // namespace

std::string diagnosis(const Jacobians& both) {
  const Matrix J(both);
  const auto right_and_not_0 = [&](std::size_t i, std::size_t j) {
    return !J.wrong(i, j) && !J.zero(J.numeric(i, j));
  };
  const bool none_right =
      J.all([&](std::size_t i, std::size_t j) { return !right_and_not_0(i, j); });
  const std::string which = none_right ? "every element" : "every wrong element";
  const bool all_zero =
      J.all([&](std::size_t i, std::size_t j) { return J.zero(J.analytic(i, j)); });

  if (all_zero) {
    return "the gradient is 0: is it passed on to this input, and does it need one?";
  }
  if (transposed(J)) return "the gradient is written transposed";

  // Right for the first of a batch, wrong for all others.
  const auto first = [&](std::size_t i) { return first_index(J, i) == 0; };
  const bool first_is_right =
      both.output_shape.size() > 1 && !none_right && J.all([&](std::size_t i, std::size_t j) {
        return J.wrong(i, j) != first(i) || J.zero(J.numeric(i, j));
      });
  const bool wrong_is_zero = J.all_wrong(
      [&](std::size_t i, std::size_t j) { return J.zero(J.analytic(i, j), J.numeric(i, j)); });
  const std::string batch =
      first_is_right ? "; the outputs at index 0 of the first axis are right, of later ones wrong"
                     : "";
  if (wrong_is_zero) {
    return "a dependence is forgotten: " + which + " is 0 and should not be" +
           (first_is_right ? batch + ": a sum over a broadcast axis, or a batch, is missing?" : "");
  }
  // Derivatives of each output by its own element alone, where others have a part.
  const bool diagonal = J.m == J.n && J.n > 1 && J.all([&](std::size_t i, std::size_t j) {
    return i == j || J.zero(J.analytic(i, j));
  });
  if (diagonal && J.all([&](std::size_t i, std::size_t j) { return i == j || J.wrong(i, j); })) {
    return "a dependence is forgotten: outputs depend on all elements; is a sum, mean or norm of "
           "them taken for a constant?";
  }
  if (J.all_wrong([&](std::size_t i, std::size_t j) {
        return J.zero(J.numeric(i, j), J.analytic(i, j));
      })) {
    return "a dependence too many: " + which + " should be 0" + batch;
  }

  const double ratio = common_ratio(J);
  if (close(ratio, -1)) {
    bool negative = !none_right;
    for (std::size_t j = 0; j < J.n; ++j) {
      for (std::size_t i = 0; i < J.m; ++i) {
        negative =
            negative && (J.zero(J.numeric(i, j)) || J.wrong(i, j) == (both.input.values[j] < 0));
      }
    }
    return negative ? "the sign is wrong where the input is negative"
                    : "the sign of " + which + " is wrong" + batch;
  }
  if (!std::isnan(ratio) && std::abs(ratio - 1) > 1e-3) {
    std::string text = "a factor: " + which + " is " + number(ratio) + " times the right one";
    for (const auto* shape : {&both.input.shape, &both.output_shape}) {
      for (std::size_t extent : *shape) {
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
