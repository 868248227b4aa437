// What a training lowers: one number from all rows.
//
// cross_entropy: the mean over rows of -sum_j t_j log_softmax(x)_j, for target rows t, or t = the
// one-hot row of a label. Target rows need not sum to one. A term whose target is 0 is 0, whatever
// its logit.
//   shapes   logits (.., n) and labels (..), or targets in the shape of the logits or of their last
//            axes, the same for all that is in front -> ()
//   vjp      xbar = ybar (p sum_k t_k - t) / rows
//   left out rows whose label is `ignored`; with a mask of the rows (..) or of the items (.., n),
//            rows that are not there or have no valid item. The mean is over the other rows; over
//            none, 0. Logits, labels and targets that are left out are not read.
//   errors   std::invalid_argument on shapes, labels outside 0 .. n - 1 or masked, no rows
//
// mse: the mean of (a - b)^2 over all elements.
//   shapes   a and b of one shape -> (); one of them may be an Array, a constant
//   vjp      abar = 2 ybar (a - b) / elements, bbar = -abar
//   errors   std::invalid_argument when shapes differ or there are no elements
#pragma once

#include "ops/mask.hpp"
#include "ops/operand.hpp"

namespace tapesort {

template <class T> Var<T> cross_entropy(const Var<T>& logits, const Indices& labels);
template <class T> Var<T> cross_entropy(const Var<T>& logits, const Array<T>& targets);
template <class T> Var<T> cross_entropy(const Var<T>& logits, const Indices& labels, Index ignored);
template <class T>
Var<T> cross_entropy(const Var<T>& logits, const Indices& labels, const ItemMask& mask);
template <class T>
Var<T> cross_entropy(const Var<T>& logits, const Array<T>& targets, const ItemMask& mask);

template <class T> Var<T> mse(const Var<T>& a, const Var<T>& b);
template <class A, class B, class T = detail::Beside<A, B>> Var<T> mse(const A& a, const B& b) {
  return mse(detail::var_of<T>(a), detail::var_of<T>(b));
}

}  // namespace tapesort
