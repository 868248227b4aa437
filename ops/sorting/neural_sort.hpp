// NeuralSort: sorting whose every place is a distribution over the items, at any size.
//
//   P_hat[i, j] = softmax_j(((n + 1 - 2 i) s_j - A_j) / tau),  A_j = sum_k |s_j - s_k|,  i = 1 .. n
//
// (neural_sort/formula.hpp is this formula, with its pullback, as it is written.) Row i is where
// the i-th largest score stands; tau -> 0 gives the permutation. Seldom is the n x n matrix itself
// wanted: the functions below give what it is wanted for, in O(n) memory, and none of them ever
// computes A (neural_sort/README.md derives how). All of them are differentiable in the scores.
//
//   neural_sort_values         y = P_hat s, the sorted scores                (..., n)
//   neural_sort_payload        P_hat X, items sorted along                   (..., n, d)
//   neural_sort_ranks          r_j = sum_i i P_hat[i, j], the places         (..., n)
//   top_k_mass                 m_j = sum_(i<=k) P_hat[i, j]                  (..., n)
//   neural_sort_quantile       rows of y, between two of them linearly       (..., q)
//   neural_sort_cross_entropy  against a true order                          (...)
//   neural_sort                P_hat                                         (..., n, n)
//   neural_sort_hard           the permutation, with P_hat's gradient        (..., n, n)
//
//   scores      (..., n), each set of the last axis on its own
//   accuracy    relative to the scores' spread, whatever n and offset: only differences of
//               neighbours in sorted order are used. Row i is largest at the i-th of argsort.
//               Gradients in float are within 1e-4 of the largest that one row gives (1e-6 for P_hat,
//               the cross-entropy and mean ranks), also where all rows are almost certain.
//   left out    in sets of more than 256, elements of P_hat below e^-18 (float) or e^-38 (double)
//               of their row's largest; in smaller sets, what the type cannot represent. Together
//               they have less than n times that of a row's mass, and reach it only where very many
//               scores are equal or almost (neural_sort/README.md, section 3)
//   interpolate where rows are wide and change slowly, some are interpolated between others
//               (section 8 there): O(n log n) in all. Off: every row by itself, O(n w) for rows of w items
//   ties        equal scores share their mass equally; the gradient takes sign(0) = 0, the mean of
//               the one-sided derivatives
//   tau         in units of the scores, > 0
//   ascending   as if the scores and, for y, the result were negated: row i belongs to the i-th
//               smallest
//   errors      std::invalid_argument for 0-d scores, scores that are NaN, infinite or beyond half
//               of the type's largest number, tau that is not positive and finite
//   source      Grover, Wang, Zweig, Ermon, "Stochastic optimization of sorting networks via
//               continuous relaxations", ICLR 2019, equation 5
#pragma once

#include "engine/dual.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {

// A number alone is tau: neural_sort_values(scores, 0.1).
struct NeuralSortOptions {
  NeuralSortOptions(double temperature = 1, Direction order = Direction::descending,
                    bool interpolation = true)
      : tau(temperature), direction(order), interpolate(interpolation) {}
  double tau;
  Direction direction;
  bool interpolate;
};

template <class T>
FirstOrder<T> neural_sort_values(const Var<T>& scores, const NeuralSortOptions& options);

// payload (..., n, d), with the leading extents of scores.
template <class T>
FirstOrder<T> neural_sort_payload(const Var<T>& scores, const Var<T>& payload,
                                  const NeuralSortOptions& options);

// Ranks count from 1, in the direction of the sort. The columns of P_hat need not sum to one;
// Ranks::mean divides by their sum, so that r_j is a mean place, between 1 and n.
enum class Ranks { sum, mean };
template <class T>
FirstOrder<T> neural_sort_ranks(const Var<T>& scores, const NeuralSortOptions& options,
                                Ranks kind = Ranks::sum);

// How much of each item is among the first k places, from k rows alone; k ones in the sum.
// std::invalid_argument unless k <= n.
template <class T>
FirstOrder<T> top_k_mass(const Var<T>& scores, std::size_t k, const NeuralSortOptions& options);

// The scores below which the given fractions lie: place (n - 1) (1 - fraction) of y counted from 0
// when descending, as in NumPy; between two places linearly. Costs O(n) a fraction after the sort.
// std::invalid_argument for a fraction outside 0 .. 1 or n = 0.
template <class T>
FirstOrder<T> neural_sort_quantile(const Var<T>& scores, const std::vector<double>& fractions,
                                   const NeuralSortOptions& options);
template <class T>
FirstOrder<T> neural_sort_median(const Var<T>& scores, const NeuralSortOptions& options);  // (...)

// The cross-entropy of P_hat against the order of `truth` (..., n), larger first (smaller first
// when ascending): the mean over the rows i of -sum_j Q[i, j] log P_hat[i, j], where Q is truth's
// permutation matrix and, for t items tied in truth, has 1 / t at each of their places. Exact however
// far an item is from its place.
template <class T>
FirstOrder<T> neural_sort_cross_entropy(const Var<T>& scores, const Array<T>& truth,
                                        const NeuralSortOptions& options);

template <class T> Var<T> neural_sort(const Var<T>& scores, const NeuralSortOptions& options);
template <class T> Var<T> neural_sort_hard(const Var<T>& scores, const NeuralSortOptions& options);

}  // namespace tapesort
