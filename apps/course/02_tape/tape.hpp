// Stage 2: a tape of scalars.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "../task.hpp"

class Tape;
struct Node;

// A handle to a value: which tape, and where on it.
struct Var {
  Tape* tape = nullptr;
  std::size_t index = 0;

  Node& node() const;
  double value() const;
  double gradient() const;  // of a leaf
};

// ybar -> xbar, for each input x of y: adds to the inputs' cotangents (accumulate).
using Pullback = std::function<void(Node& y)>;

// A value, and how it came about.
struct Node {
  double value = 0;
  std::vector<Var> inputs;
  Pullback pullback;     // none: a leaf
  double cotangent = 0;  // dL / d value, as far as its uses have been met
  double gradient = 0;   // a leaf keeps what it gets
};

class Tape {
 public:
  Var leaf(double value) { return append({value, {}, nullptr}); }
  Var append(Node node) {
    nodes.push_back(std::move(node));
    return {this, nodes.size() - 1};
  }
  void backward(Var result);

  std::vector<Node> nodes;  // in the order of recording
};

inline Node& Var::node() const { return tape->nodes[index]; }
inline double Var::value() const { return node().value; }
inline double Var::gradient() const { return node().gradient; }

// Writes down an operator: the value that it has computed, of what, and its pullback.
inline Var record(std::vector<Var> inputs, double value, Pullback pullback) {
  Tape* tape = inputs[0].tape;
  return tape->append({value, std::move(inputs), std::move(pullback)});
}

// Adds the contribution of one use to an input's cotangent.
inline void accumulate(Var input, double contribution) {
  //[2.1] one use's contribution to a cotangent
  input.node().cotangent += contribution;
  //[end]
}

// --- Operators

inline Var operator+(Var a, Var b) {
  return record({a, b}, a.value() + b.value(), [](Node& y) {
    accumulate(y.inputs[0], y.cotangent);
    accumulate(y.inputs[1], y.cotangent);
  });
}

inline Var operator*(Var a, Var b) {
  //[2.2] multiplication, with its pullback
  return record({a, b}, a.value() * b.value(), [](Node& y) {
    accumulate(y.inputs[0], y.cotangent * y.inputs[1].value());
    accumulate(y.inputs[1], y.cotangent * y.inputs[0].value());
  });
  //[end]
}

inline Var exp(Var x) {
  //[2.3] exp, with a pullback that uses the value
  return record({x}, std::exp(x.value()),
                [](Node& y) { accumulate(y.inputs[0], y.cotangent * y.value); });
  //[end]
}

// --- The reverse loop

// Adds d result / d leaf to the gradient of every leaf. Leaves every cotangent 0.
inline void Tape::backward(Var result) {
  //[2.4] the reverse loop: from the result down to the first node
  accumulate(result, 1);
  for (std::size_t i = result.index + 1; i-- > 0;) {
    Node& node = nodes[i];
    if (node.pullback) {
      node.pullback(node);
    } else {
      node.gradient += node.cotangent;
    }
    node.cotangent = 0;
  }
  //[end]
}

// --- Without a tape

// What an engine does that follows the graph by recursion, once y has its cotangent.
inline void recurse(Var y) {
  Node& node = y.node();
  if (node.pullback) node.pullback(node);
  for (const Var& x : node.inputs) recurse(x);
}

// The cotangent of x = 3 after recurse(L), where y = x * x, L = y + y, and L's cotangent is 1.
inline double diamond() {
  //[2.5] optional: what a recursive engine answers for L = y + y, y = x * x, at x = 3
  return 24;
  //[end]
}

// How many calls recurse(y_k) makes, itself included, where y_0 = x and y_k = y_(k-1) + y_(k-1).
inline double recursive_calls(int k) {
  //[2.6] optional: how many calls a recursive engine makes on k diamonds, one after the other
  return std::pow(2, k + 1) - 1;
  //[end]
}
