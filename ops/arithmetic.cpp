#include "ops/arithmetic.hpp"

#include "engine/instantiate.hpp"
#include "ops/binary.hpp"

namespace tapesort {

template <class T> Var<T> operator-(const Var<T>& x) {
  return unary(
      "neg", x, [](auto x) { return -x; }, [](auto ybar, auto, auto) { return -ybar; });
}

namespace detail {

// Sums pass on the cotangent that they get, which need not be copied.
template <class T> Var<T> add(const Var<T>& a, const Var<T>& b) {
  const auto plus = [](auto a, auto b) { return a + b; };
  return record("add", {a, b}, zip("add", a.value(), b.value(), plus), [](Node<T>& c) {
    accumulate(c.input(0), c.cotangent());
    c.pass_on(c.input(1));
  });
}

template <class T> Var<T> subtract(const Var<T>& a, const Var<T>& b) {
  const auto minus = [](auto a, auto b) { return a - b; };
  return record("sub", {a, b}, zip("sub", a.value(), b.value(), minus), [](Node<T>& c) {
    accumulate(c.input(1), -c.cotangent());
    c.pass_on(c.input(0));
  });
}

template <class T> Var<T> multiply(const Var<T>& a, const Var<T>& b) {
  return binary(
      "mul", a, b, [](auto a, auto b) { return a * b; },
      [](auto cbar, auto, auto b, auto) { return cbar * b; },
      [](auto cbar, auto a, auto, auto) { return cbar * a; });
}

template <class T> Var<T> divide(const Var<T>& a, const Var<T>& b) {
  return binary(
      "div", a, b, [](auto a, auto b) { return a / b; },
      [](auto cbar, auto, auto b, auto) { return cbar / b; },
      [](auto cbar, auto, auto b, auto c) { return -(cbar / b) * c; });
}

// With a number c; `op` says where it stands.
template <class T> Var<T> add(const Var<T>& x, T c, Op op) {
  return record(op, {x}, map(x.value(), [c](auto x) { return x + c; }),
                [](Node<T>& y) { y.pass_on(y.input(0)); });
}

template <class T> Var<T> multiply(const Var<T>& x, T c, Op op) {
  return unary(
      op, x, [c](auto x) { return x * c; }, [c](auto ybar, auto, auto) { return ybar * c; });
}

template <class T> Var<T> divide(const Var<T>& x, T c) {
  return unary(
      {"div", NAN, double(c)}, x, [c](auto x) { return x / c; },
      [c](auto ybar, auto, auto) { return ybar / c; });
}

template <class T> Var<T> subtract(T c, const Var<T>& x) {
  return unary(
      {"sub", double(c)}, x, [c](auto x) { return c - x; },
      [](auto ybar, auto, auto) { return -ybar; });
}

template <class T> Var<T> divide(T c, const Var<T>& x) {
  return unary(
      {"div", double(c)}, x, [c](auto x) { return c / x; },
      [](auto ybar, auto x, auto y) { return -ybar * y / x; });
}

}  // namespace detail

template Var<float> operator-(const Var<float>&);
template Var<double> operator-(const Var<double>&);
template Var<Dual<double>> operator-(const Var<Dual<double>>&);
template <class T> using OfVars = Var<T>(const Var<T>&, const Var<T>&);
template <class T> using WithNamedNumber = Var<T>(const Var<T>&, T, Op);
template <class T> using OfNumber = Var<T>(T, const Var<T>&);
INSTANTIATE_OVERLOAD_TWICE(detail::add, OfVars<T>)
INSTANTIATE_OVERLOAD_TWICE(detail::subtract, OfVars<T>)
INSTANTIATE_OVERLOAD_TWICE(detail::multiply, OfVars<T>)
INSTANTIATE_OVERLOAD_TWICE(detail::divide, OfVars<T>)
INSTANTIATE_OVERLOAD_TWICE(detail::add, WithNamedNumber<T>)
INSTANTIATE_OVERLOAD_TWICE(detail::multiply, WithNamedNumber<T>)
INSTANTIATE_OVERLOAD_TWICE(detail::divide, Var<T>(const Var<T>&, T))
INSTANTIATE_OVERLOAD_TWICE(detail::subtract, OfNumber<T>)
INSTANTIATE_OVERLOAD_TWICE(detail::divide, OfNumber<T>)

}  // namespace tapesort
