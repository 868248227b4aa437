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

// Of one overload, which has the function type Type<T>.
#define INSTANTIATE_OVERLOAD(f, Type) \
  template Type<float> f<float>;      \
  template Type<double> f<double>;

#define INSTANTIATE_OVERLOAD_TWICE(f, Type) \
  INSTANTIATE_OVERLOAD(f, Type)             \
  template Type<Dual<double>> f<Dual<double>>;

// Of a class template.
#define INSTANTIATE_CLASS(C) \
  template class C<float>;   \
  template class C<double>;
