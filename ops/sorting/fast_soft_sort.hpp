// Soft sort, rank and top-k in O(n log n): projections onto the permutahedron, the convex hull of all
// orders of a vector w.
//
//   forward  P(z, w), both sorted downwards, is z - v, where v is the non-increasing vector nearest
//            to z - w: an isotonic regression, solved by pooling adjacent violators
//            (fast_soft_sort.md derives it). v is constant on blocks; inside a block B
//              l2   v = mean_B z - mean_B w
//              kl   v = log sum_B e^z - log sum_B e^w
//            sort    P((n, .., 1) / strength, s)       soft values, largest first
//            rank    P(-s / strength, (n, .., 1))      soft ranks, about 1 for the largest score
//                    kl: exp P(-s / strength, log (n, .., 1))
//            top_k   P(s / strength, (1, .., 1, 0, .., 0)), k ones: masses between 0 and 1 whose sum
//                    is k, most of them 0 or 1 exactly (sparse). l2 alone
//            A block of one element is that element of w: exact, nothing is regularised.
//   vjp      per block, u the cotangent in sorted order, p = softmax over B (of w for sort, z for
//            rank), c = -1 / strength (top_k: l2's rank, with c = 1 / strength):
//              l2   sort  wbar = mean_B u             rank  sbar = c (u - mean_B u)
//              kl   sort  wbar = p sum_B u            rank  sbar = c r (u - <p, u>_B)
//   shapes   (..., n) -> (..., n): sorted values by place, ranks by item
//   strength in units of 1 / scores for sort, of scores for rank and top_k. -> 0 is exact below a
//            positive strength; -> infinity gives the mean everywhere.
//   ascending  sort: -P(.., -s), smallest first; rank: P(+s / strength, ..), n for the largest;
//            top_k: the k smallest
//   ties     equal scores have equal ranks. Where two blocks touch there is a kink: the gradient is
//            that of separate blocks.
//   precision  in double throughout, from differences of scores within a block: neither an offset
//            nor a small strength costs digits, and equal scores stay equal
//   errors   std::invalid_argument for 0-d scores, a score that is NaN, infinite or beyond 9e307 / n,
//            strength that is not a positive normal number, k > n
//   source   Blondel, Teboul, Berthet, Djolonga, "Fast differentiable sorting and ranking", ICML
//            2020; the conventions (strength divides the first argument; kl ranks through exp and
//            log) are those of its published code. top_k: Sander, Puigcerver, Djolonga, Peyre,
//            Blondel, "Fast, differentiable and sparse top-k: a convex analysis perspective", ICML 2023
#pragma once

#include "engine/dual.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {

enum class Regularization { l2, kl };

template <class T>
FirstOrder<T> fast_soft_sort(const Var<T>& scores, double strength,
                             Regularization regularization = Regularization::l2,
                             Direction direction = Direction::descending);

template <class T>
FirstOrder<T> fast_soft_rank(const Var<T>& scores, double strength,
                             Regularization regularization = Regularization::l2,
                             Direction direction = Direction::descending);

template <class T>
FirstOrder<T> sparse_top_k(const Var<T>& scores, std::size_t k, double strength,
                           Direction direction = Direction::descending);

}  // namespace tapesort
