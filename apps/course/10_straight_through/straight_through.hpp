// Stage 10: straight through: the value of one function with the gradient of another.
#pragma once

#include "../task.hpp"
#include "engine/tape.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;

// The value `hard`, and the gradient of `soft`, which has the same shape.
inline Var<double> with_gradient_of(const Array<double>& hard, const Var<double>& soft) {
  //[10.1] an operator whose value and pullback are not of one function
  return record("with_gradient_of", {soft}, hard,
                [](Node<double>& y) { accumulate(y.input(0), y.cotangent()); });
  //[end]
}

// 1 where x > 0, otherwise 0; with the gradient of sigmoid(x / tau).
inline Var<double> step_through(const Var<double>& x, double tau) {
  //[10.2] a hard step with a soft gradient
  const Array<double> hard = xt::where(x.value() > 0.0, 1.0, 0.0);
  return with_gradient_of(hard, sigmoid(x / tau));
  //[end]
}

// The gradient of L = step(x) step(y) with respect to x, where step = step_through at tau = 1, at
// x = y = -1: both steps are 0.
inline double gated_gradient() {
  //[10.3] what two factors do to each other
  return 0;
  //[end]
}

// step(x) step(y) with a gradient that is not gated by the hard values: the value of the product of
// the hard steps, with the gradient of the product of the soft ones.
inline Var<double> both_through(const Var<double>& x, const Var<double>& y, double tau) {
  //[10.4] the same product, hard and soft kept apart to the end
  const Var<double> hard = step_through(x, tau) * step_through(y, tau);
  return with_gradient_of(hard.value(), sigmoid(x / tau) * sigmoid(y / tau));
  //[end]
}
