// Derivatives of whole functions of one Var: for small functions, and to look at.
//
//     Array<double> J = jacobian([](auto s) { return softmax(s); }, Array<double>{1.0, 2.0});
//
//   call                  result                               shape         cost
//   jacobian(f, x)        J[i, j] = dy_i / dx_j, y = f(x)      (m.., a..)    f, and a sweep for each y_i
//   jvp(f, x, v)          J v, by forward mode alone           (m..)         f on Duals
//   hessian_vector(f, x, v)  H v, H[i, j] = d2 y / dx_i dx_j   (a..)         f on Duals, and one sweep
//   hessian(f, x)         H, of an f that gives one number     (a.., a..)    that for each x_j
//
// x (a..), v as x, y (m..). Duals (engine/dual.hpp) need an f that takes Vars of any type, as
// [](auto s) does, made of operators that have second derivatives (README.md, Limits); they
// are exact, not differences. std::invalid_argument when v is not of x's shape, or y is not one number.
#pragma once

#include "engine/dual.hpp"
#include "engine/tape.hpp"

namespace tapesort {

namespace detail {
// std::invalid_argument that names op.
void check_direction(const char* op, const Shape& x, const Shape& v);  // equal shapes
void check_one_number(const char* op, const Shape& y);
}  // namespace detail

template <class T, class F> Array<T> jacobian(const F& f, const Array<T>& x) {
  Tape<T> tape;
  const Var<T> leaf = tape.leaf(x), y = f(leaf);
  Array<T> J = zeros<T>(extended(y.shape(), x.shape()));
  for (std::size_t i = 0; i < y.size() && y.needs_grad(); ++i) {
    Array<T> u = zeros<T>(y.shape());
    u.data()[i] = 1;
    tape.zero_grad();
    tape.backward(y, std::move(u));
    const Array<T> row = leaf.grad();
    std::copy_n(row.data(), row.size(), J.data() + i * x.size());
  }
  return J;
}

// f(x + t v): the tangent of the result is J v.
template <class F> Array<double> jvp(const F& f, const Array<double>& x, const Array<double>& v) {
  detail::check_direction("jvp", x.shape(), v.shape());
  const Var<Dual<double>> y = f(constant(duals(x, v)));
  return tangents(y.value());
}

// The gradient at x + t v: its tangent is H v.
template <class F>
Array<double> hessian_vector(const F& f, const Array<double>& x, const Array<double>& v) {
  detail::check_direction("hessian_vector", x.shape(), v.shape());
  Tape<Dual<double>> tape;
  const Var<Dual<double>> leaf = tape.leaf(duals(x, v)), y = f(leaf);
  detail::check_one_number("hessian_vector", y.shape());
  if (y.needs_grad()) tape.backward(y);
  return tangents(leaf.grad());
}

template <class F> Array<double> hessian(const F& f, const Array<double>& x) {
  Array<double> H = zeros<double>(extended(x.shape(), x.shape()));
  for (std::size_t j = 0; j < x.size(); ++j) {
    Array<double> v = zeros<double>(x.shape());
    v.data()[j] = 1;
    const Array<double> row = hessian_vector(f, x, v);
    std::copy_n(row.data(), row.size(), H.data() + j * x.size());
  }
  return H;
}

}  // namespace tapesort
