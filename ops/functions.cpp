#include "ops/functions.hpp"

#include "engine/instantiate.hpp"
#include "ops/functions_table.hpp"

namespace tapesort {

template <class T> using OfVar = Var<T>(const Var<T>&);
INSTANTIATE_OVERLOAD_TWICE(exp, OfVar)
INSTANTIATE_OVERLOAD_TWICE(log, OfVar)
INSTANTIATE_OVERLOAD_TWICE(sqrt, OfVar)
INSTANTIATE_OVERLOAD_TWICE(square, OfVar)
INSTANTIATE_OVERLOAD_TWICE(abs, OfVar)
INSTANTIATE_OVERLOAD_TWICE(relu, OfVar)

}  // namespace tapesort
