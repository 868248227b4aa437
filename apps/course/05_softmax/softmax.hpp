// Stage 5: softmax, cross-entropy, and a network, with tapesort.
#pragma once

#include <cmath>
#include <xtensor/xmath.hpp>

#include "../task.hpp"
#include "engine/parameter.hpp"
#include "engine/random.hpp"
#include "engine/tape.hpp"
#include "models/optimizers.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;

// Each row of x, (n, classes), becomes a distribution: exp(x_j) / sum_k exp(x_k).
inline Array<double> softmax_values(const Array<double>& x) {
  //[5.1] softmax of each row, which does not overflow
  Array<double> p = x;
  for (std::size_t i = 0; i < x.shape()[0]; ++i) {
    double largest = x(i, 0), sum = 0;
    for (std::size_t j = 0; j < x.shape()[1]; ++j) largest = std::max(largest, x(i, j));
    for (std::size_t j = 0; j < x.shape()[1]; ++j) sum += p(i, j) = std::exp(x(i, j) - largest);
    for (std::size_t j = 0; j < x.shape()[1]; ++j) p(i, j) /= sum;
  }
  return p;
  //[end]
}

// The same as an operator. The pullback finds its node's value p and cotangent.
inline Var<double> row_softmax(const Var<double>& x) {
  Array<double> value = softmax_values(x.value());
  return record("row_softmax", {x}, std::move(value), [](Node<double>& y) {
    const Array<double>& p = y.value();
    const Array<double>& ybar = y.cotangent();
    Array<double> xbar = zeros<double>(p.shape());
    //[5.2] softmax's pullback: fill xbar from p and ybar
    for (std::size_t i = 0; i < p.shape()[0]; ++i) {
      double mean = 0;
      for (std::size_t j = 0; j < p.shape()[1]; ++j) mean += p(i, j) * ybar(i, j);
      for (std::size_t j = 0; j < p.shape()[1]; ++j) xbar(i, j) = p(i, j) * (ybar(i, j) - mean);
    }
    //[end]
    accumulate(y.input(0), std::move(xbar));
  });
}

// The mean over rows of -log softmax(x)[label], for labels (n).
inline Var<double> label_loss(const Var<double>& x, const Indices& labels) {
  const Array<double> p = softmax_values(x.value());
  const std::size_t n = labels.size();
  double loss = 0;
  for (std::size_t i = 0; i < n; ++i) loss -= std::log(p(i, labels(i))) / double(n);
  return record("label_loss", {x}, scalar(loss), [p, labels, n](Node<double>& y) {
    const double ybar = y.cotangent()();  // one number
    Array<double> xbar = zeros<double>(p.shape());
    //[5.3] the pullback of softmax and cross-entropy together: fill xbar
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < p.shape()[1]; ++j) {
        xbar(i, j) = ybar * (p(i, j) - (labels(i) == Index(j) ? 1 : 0)) / double(n);
      }
    }
    //[end]
    accumulate(y.input(0), std::move(xbar));
  });
}

// n points of two classes: two half circles, one inside the other's opening.
inline void two_moons(std::size_t n, Generator& random, Array<double>& points, Indices& labels) {
  points = random.normal<double>({n, 2}, 0, 0.1);
  labels = Indices::from_shape({n});
  for (std::size_t i = 0; i < n; ++i) {
    const double angle = 3.14159 * random.uniform();
    labels(i) = Index(i % 2);
    points(i, 0) += i % 2 ? 1 - std::cos(angle) : std::cos(angle);
    points(i, 1) += i % 2 ? 0.5 - std::sin(angle) : std::sin(angle);
  }
}

// A network with one hidden layer: (n, 2) -> (n, hidden), tanh -> (n, 2), the logits of two classes.
struct Network {
  Network(std::size_t hidden, Generator& random)
      : w1("w1", random.normal<double>({2, hidden})),
        b1("b1", zeros<double>({hidden})),
        w2("w2", random.normal<double>({hidden, 2}, 0, 1 / std::sqrt(double(hidden)))),
        b2("b2", zeros<double>({2})) {}

  Var<double> logits(Tape<double>& tape, const Array<double>& points) {
    //[5.4] the network's output, by matmul, + and tanh; tape.leaf(w1) is a leaf for a parameter
    const Var<double> hidden = tanh(matmul(tape.constant(points), tape.leaf(w1)) + tape.leaf(b1));
    return matmul(hidden, tape.leaf(w2)) + tape.leaf(b2);
    //[end]
  }

  Parameter<double> w1, b1, w2, b2;
};

// One step of gradient descent; the loss before it.
inline double step(Network& network, Adam<double>& adam, const Array<double>& points,
                   const Indices& labels) {
  //[5.5] a step: a tape, the loss (cross_entropy), backward, adam.step(), adam.zero_grad()
  Tape<double> tape;
  const Var<double> loss = cross_entropy(network.logits(tape, points), labels);
  tape.backward(loss);
  adam.step();
  adam.zero_grad();
  return loss.item();
  //[end]
}
