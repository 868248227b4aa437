// Functions of one operand, element by element. Formulas and derivatives: functions_table.hpp, and of
// the logistic function and its relatives
//
//   y                             xbar, given ybar
//   tanh      tanh x              ybar 4 e^-2|x| / (1 + e^-2|x|)^2
//   sigmoid   1 / (1 + e^-x)      ybar e^-|x| / (1 + e^-|x|)^2
//   softplus  ln(1 + e^x)         ybar sigmoid(x)
//
// The derivatives of tanh and sigmoid are 1 - y^2 and y (1 - y), written so that they keep their
// digits where y is next to 1.
//
// At 0, abs and relu pass on 0; log and sqrt divide ybar by 0. A NaN operand makes the result a NaN,
// and abs and relu pass ybar on to it.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

template <class T> Var<T> exp(const Var<T>& x);
template <class T> Var<T> log(const Var<T>& x);
template <class T> Var<T> sqrt(const Var<T>& x);
template <class T> Var<T> square(const Var<T>& x);
template <class T> Var<T> abs(const Var<T>& x);
template <class T> Var<T> relu(const Var<T>& x);
template <class T> Var<T> tanh(const Var<T>& x);
template <class T> Var<T> sigmoid(const Var<T>& x);
template <class T> Var<T> softplus(const Var<T>& x);

}  // namespace tapesort
