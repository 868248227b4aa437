// Ranks themselves, with a gradient from a second sort.
//
// Ranks solve a linear problem, r(s) = argmin over permutations pi of <s, pi>, so they are constant
// but for jumps. A loss that is <u, r> near r has an interpolation in s that is continuous, piecewise
// linear, and equal to it wherever lambda u cannot change the order:
//
//   f(s) = <u, r'> - (<s, r> - <s, r'>) / lambda,   r' = r(s + lambda u)
//
//   forward   r(s): 1 for the largest score
//   vjp       sbar = -(r(s) - r(s + lambda rbar)) / lambda, the gradient of f for u = rbar
//   shapes    (.., n) -> (.., n)
//   lambda    scores per cotangent of a rank: how far it looks. Where no step of it changes the order
//             the gradient is 0; if that is everywhere, lambda is too small for the loss's scale
//   ascending 1 for the smallest: r(-s)
//   ties      equal scores have different ranks, the smaller index first
//   cost      two sorts
//   errors    std::invalid_argument for 0-d scores, a score that is NaN or infinite, lambda that is
//             not positive and finite; in backward for a cotangent that is NaN
//   source    Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius, "Optimizing rank-based metrics
//             with blackbox differentiation", CVPR 2020
#pragma once

#include "engine/dual.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {

template <class T>
FirstOrder<T> black_box_rank(const Var<T>& scores, double lambda,
                             Direction direction = Direction::descending);

}  // namespace tapesort
