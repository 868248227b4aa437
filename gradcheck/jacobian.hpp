// The whole Jacobian of a function of one Var: for small functions, and to look at.
//
//     Array<double> J = jacobian([](Var<double> s) { return softmax(s); }, Array<double>{1.0, 2.0});
//
// x of shape (a, ..), y = f(x) of shape (m, ..) -> J (m, .., a, ..), J[i, j] = dy_i / dx_j. It costs
// one call of f, and for each number of y one backward sweep.
#pragma once

#include "engine/tape.hpp"

namespace tapesort {

template <class T, class F> Array<T> jacobian(const F& f, const Array<T>& x) {
  Tape<T> tape;
  const Var<T> leaf = tape.leaf(x), y = f(leaf);
  Shape shape = y.shape();
  for (std::size_t extent : x.shape()) shape.push_back(extent);
  Array<T> J = zeros<T>(shape);
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

}  // namespace tapesort
