// The logistic function and its relatives, element by element.
//
//   y                             xbar, given ybar
//   tanh      tanh x              ybar 4 e^-2|x| / (1 + e^-2|x|)^2
//   sigmoid   1 / (1 + e^-x)      ybar e^-|x| / (1 + e^-|x|)^2
//   softplus  ln(1 + e^x)         ybar sigmoid(x)
//
// The derivatives of tanh and sigmoid are 1 - y^2 and y (1 - y), written so that they keep their
// digits where y is next to 1. A NaN operand makes the result a NaN.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

template <class T> Var<T> tanh(const Var<T>& x);
template <class T> Var<T> sigmoid(const Var<T>& x);
template <class T> Var<T> softplus(const Var<T>& x);

}  // namespace tapesort
