// Checks the gradient of anybody's function against central differences.
//
//     Generator random(1);
//     GradcheckReport report = gradcheck(
//         [](Tape<double>&, const std::vector<Var<double>>& x) { return my_loss(x[0], x[1]); },
//         {random.normal<double>({3, 4}), random.normal<double>({4})}, random);
//     std::cout << report.text();   // a line per input and direction
//     assert(report.ok());
//
// Let J be the Jacobian of f with respect to one input, the others fixed, and <a, b> the sum of the
// products of elements. For a random cotangent u and a random direction v, backward gives J'u, and
// hence <J'u, v>; f alone gives <u, J v>, by differences of f along the line x + h v. The two are
// the same number. One pair of random directions sees every element of J, and costs a few
// evaluations instead of one for each element; several pairs, because errors may cancel in one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/random.hpp"
#include "engine/tape.hpp"

namespace tapesort {

using GradcheckFunction =
    std::function<Var<double>(Tape<double>& tape, const std::vector<Var<double>>& inputs)>;

struct GradcheckOptions {
  double tolerance = 1e-7;  // largest relative error accepted
  double step = 1e-4;       // h = step * max(1, the input's largest magnitude)
  int directions = 3;       // random directions tried for each input
};

struct GradcheckRow {
  std::size_t input;  // position in `inputs`
  Shape shape;
  double analytic;  // <J'u, v> by backward
  double numeric;   // <u, J v> by differences
  // |analytic - numeric| / max(|analytic|, |numeric|, |J'u| |v| / 1000). The last term keeps it
  // small when v is almost orthogonal to the gradient, and both numbers are close to 0.
  double relative_error;
  bool ok;
};

struct GradcheckReport {
  std::vector<GradcheckRow> rows;  // inputs in order, each with all its directions
  bool ok() const;
  std::string text() const;  // a table that marks what failed
};

// f is called on fresh tapes and must be a function of `inputs` alone: a random f must make its
// generator anew from the same seed in each call (std::invalid_argument when two calls differ, or
// when the result holds a NaN or an infinity).
// Kinks (abs at 0, ties in a sort) have no derivative: keep inputs 10 steps away from them.
// The difference quotient is the fourth-order one, from f at +-step and +-2 step.
GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Array<double>>& inputs,
                          Generator& random, const GradcheckOptions& options = {});

}  // namespace tapesort
