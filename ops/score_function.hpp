// Gradients of expectations E_{z ~ p}[f(z)] where z is discrete, from samples z_1 .. z_S:
//
//   grad E f = E[ grad f + (f - b) grad log p(z) ]
//
// for any baseline b that does not depend on the same sample, since E grad log p = 0. It is the
// score-function estimator, REINFORCE (Williams 1992). On the tape it is the gradient of the
// surrogate f + stop_gradient(f - b) log p of a stochastic computation graph (Schulman, Heess,
// Weber, Abbeel 2015): whatever else f and p depend on gets its gradient, too.
#pragma once

#include "engine/dual.hpp"
#include "engine/tape.hpp"

namespace tapesort {

// f and log_prob (S, ...), baseline in f's shape or one that broadcasts to it -> (...): its value
// is the mean of f over the samples, its gradient that of the surrogate. std::invalid_argument when
// the shapes of f and log_prob differ or S = 0.
template <class T>
FirstOrder<T> score_function(const Var<T>& f, const Var<T>& log_prob, const Array<T>& baseline);

// For each sample the mean of the others: (S, ...) -> (S, ...), a baseline that costs nothing.
// std::invalid_argument unless S >= 2. Source: Kool, van Hoof, Welling 2019.
template <class T> Array<T> leave_one_out_mean(const Array<T>& f);

// An exponentially weighted mean of f over the steps before this one, as a baseline.
template <class T> class RunningMean {
 public:
  // The weight of the past after each step. std::invalid_argument unless 0 <= decay < 1.
  explicit RunningMean(T decay = T(0.9));

  // The mean so far (...), or zeros when there is none.
  Array<T> value(const Shape& shape) const;
  // Takes the mean of f (S, ...) over its samples in; std::invalid_argument unless the (...) stays
  // the same.
  void update(const Array<T>& f);

 private:
  T decay_;
  T weight_ = 0;    // what the weights so far sum to: 1 - decay^steps
  Array<T> total_;  // the weighted sum
};

}  // namespace tapesort
