#include "ops/functions.hpp"

#include "engine/instantiate.hpp"
#include "ops/functions_table.hpp"

namespace tapesort {

template <class T> using OfVar = Var<T>(const Var<T>&);
INSTANTIATE_OVERLOAD_TWICE(exp, OfVar<T>)
INSTANTIATE_OVERLOAD_TWICE(log, OfVar<T>)
INSTANTIATE_OVERLOAD_TWICE(sqrt, OfVar<T>)
INSTANTIATE_OVERLOAD_TWICE(square, OfVar<T>)
INSTANTIATE_OVERLOAD_TWICE(abs, OfVar<T>)
INSTANTIATE_OVERLOAD_TWICE(relu, OfVar<T>)

}  // namespace tapesort
