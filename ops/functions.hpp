// Functions of one operand, element by element: exp, log, sqrt, square, abs, relu. Formulas and
// derivatives: functions_table.hpp. (tanh, sigmoid and softplus: logistic.hpp.)
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

}  // namespace tapesort
