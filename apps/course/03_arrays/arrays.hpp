// Stage 3: arrays, broadcasting and its transpose.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <vector>

#include "../task.hpp"

// --- Arrays

struct Shape {
  std::size_t rows = 0, columns = 0;
};
inline bool operator==(Shape a, Shape b) { return a.rows == b.rows && a.columns == b.columns; }
inline bool operator!=(Shape a, Shape b) { return !(a == b); }

// A matrix, row by row.
struct Array {
  Shape shape;
  std::vector<double> numbers;

  Array() = default;
  explicit Array(Shape s, double value = 0) : shape(s), numbers(s.rows * s.columns, value) {}
  Array(Shape s, std::vector<double> values) : shape(s), numbers(std::move(values)) {}
  double& operator()(std::size_t i, std::size_t j) { return numbers[i * shape.columns + j]; }
  double operator()(std::size_t i, std::size_t j) const { return numbers[i * shape.columns + j]; }
};

// --- Broadcasting: an extent of 1 stretches

// The shape of a and b together; std::invalid_argument when they do not fit.
inline Shape broadcast_shape(Shape a, Shape b) {
  const auto extent = [](std::size_t m, std::size_t n) {
    if (m != n && m != 1 && n != 1) throw std::invalid_argument("extents do not broadcast");
    return m == 1 ? n : m;
  };
  return {extent(a.rows, b.rows), extent(a.columns, b.columns)};
}

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

// f(a, b) for each element, stretched to their common shape.
inline Array zip(const Array& a, const Array& b, const std::function<double(double, double)>& f) {
  const Shape shape = broadcast_shape(a.shape, b.shape);
  const Array wide_a = broadcast_to(a, shape), wide_b = broadcast_to(b, shape);
  Array y(shape);
  for (std::size_t i = 0; i < y.numbers.size(); ++i) {
    y.numbers[i] = f(wide_a.numbers[i], wide_b.numbers[i]);
  }
  return y;
}
inline Array plus(const Array& a, const Array& b) {
  return zip(a, b, [](double x, double y) { return x + y; });
}
inline Array times(const Array& a, const Array& b) {
  return zip(a, b, [](double x, double y) { return x * y; });
}

// The matrix product; std::invalid_argument unless a has as many columns as b has rows.
inline Array product(const Array& a, const Array& b) {
  if (a.shape.columns != b.shape.rows) {
    const auto text = [](Shape s) {
      return "(" + std::to_string(s.rows) + ", " + std::to_string(s.columns) + ")";
    };
    throw std::invalid_argument("product of shapes " + text(a.shape) + " and " + text(b.shape) +
                                ": the columns of the first are not the rows of the second");
  }
  Array y({a.shape.rows, b.shape.columns});
  for (std::size_t i = 0; i < a.shape.rows; ++i) {
    for (std::size_t k = 0; k < a.shape.columns; ++k) {
      for (std::size_t j = 0; j < b.shape.columns; ++j) y(i, j) += a(i, k) * b(k, j);
    }
  }
  return y;
}
inline Array transposed(const Array& a) {
  Array y({a.shape.columns, a.shape.rows});
  for (std::size_t i = 0; i < a.shape.rows; ++i) {
    for (std::size_t j = 0; j < a.shape.columns; ++j) y(j, i) = a(i, j);
  }
  return y;
}

// --- The tape of stage 2, with arrays for numbers

class Tape;
struct Node;

struct Var {
  Tape* tape = nullptr;
  std::size_t index = 0;

  Node& node() const;
  const Array& value() const;
  const Array& gradient() const;  // of a leaf
};

struct Node {
  Array value;
  std::vector<Var> inputs;
  std::function<void(Node& y)> pullback;  // none: a leaf
  Array cotangent, gradient;              // of value's shape
};

class Tape {
 public:
  Var leaf(Array value) { return append(std::move(value), {}, nullptr); }
  Var append(Array value, std::vector<Var> inputs, std::function<void(Node& y)> pullback) {
    const Array zeros(value.shape);
    nodes.push_back({std::move(value), std::move(inputs), std::move(pullback), zeros, zeros});
    return {this, nodes.size() - 1};
  }
  void backward(Var result);

  std::vector<Node> nodes;
};

inline Node& Var::node() const { return tape->nodes[index]; }
inline const Array& Var::value() const { return node().value; }
inline const Array& Var::gradient() const { return node().gradient; }

inline Var record(std::vector<Var> inputs, Array value, std::function<void(Node& y)> pullback) {
  Tape* tape = inputs[0].tape;
  return tape->append(std::move(value), std::move(inputs), std::move(pullback));
}

// Adds a contribution to an input's cotangent. Where the input was stretched when it was used, the
// contribution has the stretched shape.
inline void accumulate(Var input, const Array& contribution) {
  //[3.3] a contribution to the cotangent of an array that may have been stretched
  Array& cotangent = input.node().cotangent;
  cotangent = plus(cotangent, sum_to_shape(contribution, cotangent.shape));
  //[end]
}

inline void Tape::backward(Var result) {
  accumulate(result, Array(result.value().shape, 1));
  for (std::size_t i = result.index + 1; i-- > 0;) {
    Node& node = nodes[i];
    if (node.pullback) {
      node.pullback(node);
    } else {
      node.gradient = plus(node.gradient, node.cotangent);
    }
    node.cotangent = Array(node.value.shape);
  }
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
