// What may stand beside a Var<T> in a + b, matmul(a, b) and other operators of two operands: another
// Var<T>, a number, or an Array<T>, which is a constant. (Beside Duals, an Array of their values as well.)
#pragma once

#include <type_traits>

#include "engine/dual.hpp"
#include "engine/tape.hpp"

namespace tapesort::detail {

// T, when one of two operands is a Var<T>; the first one's when both are Vars.
template <class A, class B> struct ElementOf {};
template <class T, class B> struct ElementOf<Var<T>, B> { using type = T; };
template <class A, class T> struct ElementOf<A, Var<T>> { using type = T; };
template <class T, class U> struct ElementOf<Var<T>, Var<U>> { using type = T; };
template <class A, class B> using Element = typename ElementOf<A, B>::type;

template <class X> constexpr bool is_var = false;
template <class T> constexpr bool is_var<Var<T>> = true;
template <class X> constexpr bool is_parameter = false;
template <class T> constexpr bool is_parameter<Parameter<T>> = true;

// The operand as a Var<T>, or as a T.
template <class T, class X> decltype(auto) operand(const X& x) {
  if constexpr (std::is_same_v<X, Var<T>>) {
    return (x);
  } else if constexpr (std::is_arithmetic_v<X> || std::is_same_v<X, T>) {
    return T(x);
  } else if constexpr (is_var<X>) {
    static_assert(!is_var<X>,
                  "Var<float> beside Var<double>: make both of one type, from their leaves on; "
                  "constant(convert<double>(x.value())) passes no gradient on");
    return T();
  } else if constexpr (is_parameter<X>) {
    static_assert(!is_parameter<X>, "a Parameter takes part as a leaf: tape.leaf(parameter)");
    return T();
  } else if constexpr (std::is_constructible_v<Array<T>, X>) {
    using N = typename X::value_type;
    static_assert(std::is_same_v<N, T> || std::is_same_v<Dual<N>, T>,
                  "an Array beside a Var<T> has to be an Array<T>: convert<T>(array)");
    return constant<T>(Array<T>(x));
  } else {
    static_assert(is_var<X>, "beside a Var<T> stands a Var<T>, a number or an Array<T>");
    return T();
  }
}

// The operand as a Var<T>, numbers, too.
template <class T, class X> decltype(auto) var_of(const X& x) {
  if constexpr (std::is_arithmetic_v<X> || std::is_same_v<X, T>) {
    return constant(scalar(T(x)));
  } else {
    return operand<T>(x);
  }
}

// The T of an operator f(a, b) that is defined for two Var<T>, when a or b is something else.
template <class A, class B> using Beside = std::enable_if_t<!std::is_same_v<A, B>, Element<A, B>>;

}  // namespace tapesort::detail

// xtensor's own operators, and its where, would take an Array beside Vars, and make a lazy array of
// Vars of it.
namespace xt::detail {
#define NOT_XTENSORS(V)                                                               \
  template <class F, class T, class B> struct xfunction_type<F, V, B> {};             \
  template <class F, class T, class A> struct xfunction_type<F, A, V> {};             \
  template <class F, class T, class C, class A> struct xfunction_type<F, C, A, V> {}; \
  template <class F, class T, class C, class B> struct xfunction_type<F, C, V, B> {}; \
  template <class F, class T, class C, class U>                                       \
  struct xfunction_type<F, C, V, tapesort::Var<U>> {};                                \
  template <class F, class T, class C, class U>                                       \
  struct xfunction_type<F, C, V, tapesort::Var<U>&> {};                               \
  template <class F, class T, class C, class U>                                       \
  struct xfunction_type<F, C, V, const tapesort::Var<U>&> {};
NOT_XTENSORS(tapesort::Var<T>)
NOT_XTENSORS(tapesort::Var<T>&)
NOT_XTENSORS(const tapesort::Var<T>&)
#undef NOT_XTENSORS
}  // namespace xt::detail
