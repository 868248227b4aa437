// Stage 3: arrays, broadcasting and its transpose.
#pragma once

#include "../task.hpp"
#include "array_tape.hpp"

// --- Broadcasting: an extent of 1 stretches

// x stretched to `shape`: its one row, or column, is repeated.
inline Array broadcast_to(const Array& x, Shape shape) {
  //[3.1] an array stretched to a larger shape
  Array y(shape);
  for (std::size_t i = 0; i < shape.rows; ++i) {
    for (std::size_t j = 0; j < shape.columns; ++j) {
      y(i, j) = x(x.shape.rows == 1 ? 0 : i, x.shape.columns == 1 ? 0 : j);
    }
  }
  return y;
  //[end]
}

// The transpose of broadcast_to: y of a larger shape, brought back to `shape`.
inline Array sum_to_shape(const Array& y, Shape shape) {
  //[3.2] the transpose of stretching
  Array x(shape);
  for (std::size_t i = 0; i < y.shape.rows; ++i) {
    for (std::size_t j = 0; j < y.shape.columns; ++j) {
      x(shape.rows == 1 ? 0 : i, shape.columns == 1 ? 0 : j) += y(i, j);
    }
  }
  return x;
  //[end]
}

// Adds a contribution to an input's cotangent. Where the input was stretched when it was used, the
// contribution has the stretched shape.
inline void accumulate(Var input, const Array& contribution) {
  //[3.3] a contribution to the cotangent of an array that may have been stretched
  Array& cotangent = input.node().cotangent;
  cotangent = plus(cotangent, sum_to_shape(contribution, cotangent.shape));
  //[end]
}

// --- Operators

// Element by element; broadcasts.
inline Var operator*(Var a, Var b) {
  return record({a, b}, times(a.value(), b.value()), [](Node& y) {
    accumulate(y.inputs[0], times(y.cotangent, y.inputs[1].value()));
    accumulate(y.inputs[1], times(y.cotangent, y.inputs[0].value()));
  });
}

// (rows, columns) -> (1, columns): all rows, added up to one.
inline Var sum_rows(Var x) {
  //[3.4] the sum of the rows, and its transpose
  return record({x}, sum_to_shape(x.value(), {1, x.value().shape.columns}), [](Node& y) {
    accumulate(y.inputs[0], broadcast_to(y.cotangent, y.inputs[0].value().shape));
  });
  //[end]
}

// The matrix product.
inline Var matmul(Var a, Var b) {
  //[3.5] the matrix product, and its two transposes
  return record({a, b}, product(a.value(), b.value()), [](Node& y) {
    accumulate(y.inputs[0], product(y.cotangent, transposed(y.inputs[1].value())));
    accumulate(y.inputs[1], product(transposed(y.inputs[0].value()), y.cotangent));
  });
  //[end]
}
