// Newton losses: a second-order step in the space of a network's outputs.
//
// fisher_step(x, lambda), of outputs x (m, ..) of which each of m examples has d numbers:
//   forward   x itself
//   backward  xbar_i = (F + lambda I)^-1 ybar_i,  F = (1 / m) sum_i g_i g_i',  g_i = m ybar_i
//
// With a loss that is the mean over the m examples, g_i is the gradient of example i's own loss and F
// the empirical Fisher matrix (d, d). So xbar is no gradient, but where a step of the outputs against
// it goes down the loss's curvature: directions in which gradients are always large are held back.
//   lambda   > 0, in units of F. -> infinity: the gradient / lambda
//   cost     m d min(m, d)
//   errors   std::invalid_argument for 0-d x, lambda that is not > 0 and finite
//   source   Petersen, Borgelt, Sutter, Kuehne, Deussen, Ermon, "Newton Losses: using curvature
//            information for learning with differentiable algorithms", NeurIPS 2024, the Fisher variant
#pragma once

#include "engine/dual.hpp"
#include "engine/tape.hpp"

namespace tapesort {

template <class T> FirstOrder<T> fisher_step(const Var<T>& x, double lambda);

}  // namespace tapesort
