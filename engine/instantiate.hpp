// Templates that are declared in a header and defined in a .cpp exist for float and double; those of
// operators that have second derivatives for Dual<double> (dual.hpp) as well.
#pragma once

#include "engine/dual.hpp"

// Of a function template of one type whose name is not overloaded.
#define INSTANTIATE(f)                  \
  template decltype(f<float>) f<float>; \
  template decltype(f<double>) f<double>;

#define INSTANTIATE_TWICE(f) \
  INSTANTIATE(f)             \
  template decltype(f<Dual<double>>) f<Dual<double>>;

// Of one overload, by its function type in T. (The line's number makes a new name for it.)
#define OVERLOAD_OF_LINE(line) OverloadOfLine##line
#define OVERLOAD(line) OVERLOAD_OF_LINE(line)
#define INSTANTIATE_OVERLOAD(f, ...)                         \
  template <class T> using OVERLOAD(__LINE__) = __VA_ARGS__; \
  template OVERLOAD(__LINE__)<float> f<float>;               \
  template OVERLOAD(__LINE__)<double> f<double>;

#define INSTANTIATE_OVERLOAD_TWICE(f, ...) \
  INSTANTIATE_OVERLOAD(f, __VA_ARGS__)     \
  template OVERLOAD(__LINE__)<Dual<double>> f<Dual<double>>;

// Of a class template.
#define INSTANTIATE_CLASS(C) \
  template class C<float>;   \
  template class C<double>;
