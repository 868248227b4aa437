// Any function of the order, smoothed by noise on the scores: y(s) = E f(s + sigma Z).
//
//   forward   the mean of f(s + sigma Z_m) over m = 1 .. M draws of independent noise Z
//   vjp       sbar = sum_m (a_m - mean a) g(Z_m) / (sigma (M - 1)),  a_m = <f(s + sigma Z_m), ybar>,
//             with g = Z for normal noise and 1 - e^-Z for Gumbel's: E f(s + sigma Z) g(Z) / sigma is
//             the gradient, whatever f (Stein's lemma), and since E g = 0, the mean may be subtracted.
//             Unbiased, and not the derivative of the forward value, which jumps
//   sigma     in units of the scores; -> 0 is f itself, with a gradient of more and more variance
//   cost      M sorts, or what f costs; M n numbers of noise and M results of f are kept
//   errors    std::invalid_argument for 0-d scores, a score that is NaN or infinite, sigma that is not
//             positive and finite, M < 2, f's shape
//   source    Berthet, Blondel, Teboul, Cuturi, Vert, Bach, "Learning with differentiable perturbed
//             optimizers", NeurIPS 2020
//
// With Gumbel noise and the first place alone, y is softmax(s / sigma), exactly.
#pragma once

#include <functional>

#include "engine/dual.hpp"
#include "engine/random.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {

enum class Noise { normal, gumbel };

// A number alone is sigma: perturbed_rank(s, 0.5, random).
struct Perturbation {
  Perturbation(double scale = 1, std::size_t draws = 100, Noise law = Noise::normal)
      : sigma(scale), samples(draws), noise(law) {}
  double sigma;
  std::size_t samples;
  Noise noise;
};

// scores (M, .., n) -> (M, .., rest..): the results of all draws at once.
template <class T> using OfOrder = std::function<Array<T>(const Array<T>& scores)>;

// (.., n) -> (.., rest..)
template <class T>
FirstOrder<T> perturbed(const Var<T>& scores, const Converted<OfOrder<T>>& f,
                        const Perturbation& perturbation, Generator& random);

// Of ranks, of the indicators of the first k items, and of permutation matrices.
template <class T>
FirstOrder<T> perturbed_rank(const Var<T>& scores, const Perturbation& perturbation,
                             Generator& random, Direction direction = Direction::descending);
template <class T>
FirstOrder<T> perturbed_top_k(const Var<T>& scores, std::size_t k, const Perturbation& perturbation,
                              Generator& random, Direction direction = Direction::descending);
template <class T>
FirstOrder<T> perturbed_sort(const Var<T>& scores, const Perturbation& perturbation,
                             Generator& random, Direction direction = Direction::descending);

// The Fenchel-Young loss of a target y (.., n) for f that solves a linear problem, f(s) = argmax of
// <y, s> over a fixed set of y, say the indicators of k items, or ranks counted from the smallest:
//
//   forward   mean_m max_y <y, s + sigma Z_m> - <target, s>, of each set: (..)
//   vjp       sbar = ybar (y(s) - target), exact for these Z; no Jacobian of y is needed
//
// Convex in s, and least where y(s) = target. (The paper adds a function of the target alone.)
template <class T>
FirstOrder<T> fenchel_young_loss(const Var<T>& scores, const Array<T>& target,
                                 const Converted<OfOrder<T>>& f, const Perturbation& perturbation,
                                 Generator& random);

}  // namespace tapesort
