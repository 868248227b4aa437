// What arrays.hpp is written with: arrays, and the tape of stage 2 with arrays for numbers. It need
// not be read; the page has a table of what is here.
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

// Written in arrays.hpp.
struct Array;
struct Shape;
struct Var;
inline Array broadcast_to(const Array& x, Shape shape);
inline void accumulate(Var input, const Array& contribution);

// --- Arrays

struct Shape {
  std::size_t rows = 0, columns = 0;
};
inline bool operator==(Shape a, Shape b) { return a.rows == b.rows && a.columns == b.columns; }
inline bool operator!=(Shape a, Shape b) { return !(a == b); }

inline std::string text(Shape s) {
  return "(" + std::to_string(s.rows) + ", " + std::to_string(s.columns) + ")";
}

// A matrix, row by row.
struct Array {
  Shape shape;
  std::vector<double> numbers;

  Array() = default;
  explicit Array(Shape s, double value = 0) : shape(s), numbers(s.rows * s.columns, value) {}
  Array(Shape s, std::vector<double> values) : shape(s), numbers(std::move(values)) {}
  // std::out_of_range where there is no such element.
  double& operator()(std::size_t i, std::size_t j) { return numbers[place(i, j)]; }
  double operator()(std::size_t i, std::size_t j) const { return numbers[place(i, j)]; }

 private:
  std::size_t place(std::size_t i, std::size_t j) const {
    if (i < shape.rows && j < shape.columns) return i * shape.columns + j;
    throw std::out_of_range("element " + text({i, j}) + " of an array of shape " + text(shape) +
                            ": there is none");
  }
};

// The shape of a and b together; std::invalid_argument when they do not fit.
inline Shape broadcast_shape(Shape a, Shape b) {
  const auto extent = [](std::size_t m, std::size_t n) {
    if (m != n && m != 1 && n != 1) throw std::invalid_argument("extents do not broadcast");
    return m == 1 ? n : m;
  };
  return {extent(a.rows, b.rows), extent(a.columns, b.columns)};
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
