// Stage 9: gradients of expectations: score function and reparameterisation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "../task.hpp"

using Vector = std::vector<double>;

// One place of a Plackett-Luce distribution. J is the item drawn: J = j with probability p_j =
// softmax(s)_j, at the cost c_j. All estimates are of the gradient of E[c_J] with respect to s.

inline Vector softmax(const Vector& s) {
  const double largest = *std::max_element(s.begin(), s.end());
  Vector p;
  double sum = 0;
  for (double one : s) {
    p.push_back(std::exp(one - largest));
    sum += p.back();
  }
  for (double& one : p) one /= sum;
  return p;
}

// The gradient of E[c_J] = sum_j p_j c_j itself.
inline Vector exact_gradient(const Vector& s, const Vector& c) {
  //[9.1] the exact gradient, by softmax's pullback (stage 5)
  const Vector p = softmax(s);
  double mean = 0;
  for (std::size_t j = 0; j < s.size(); ++j) mean += p[j] * c[j];
  Vector gradient;
  for (std::size_t j = 0; j < s.size(); ++j) gradient.push_back(p[j] * (c[j] - mean));
  return gradient;
  //[end]
}

// The score-function estimate from one choice, J, with a number b that is taken from its cost, c_J.
inline Vector score_function(const Vector& s, std::size_t choice, double cost, double b) {
  //[9.2] the score-function estimate from one choice
  Vector estimate = softmax(s);
  for (std::size_t j = 0; j < s.size(); ++j) {
    estimate[j] = (cost - b) * ((j == choice ? 1 : 0) - estimate[j]);
  }
  return estimate;
  //[end]
}

// The mean of the score-function estimates of S choices, each with the mean cost of the *other* ones
// for b. The cost of choices[i] is c[choices[i]].
inline Vector leave_one_out(const Vector& s, const std::vector<std::size_t>& choices,
                            const Vector& c) {
  //[9.3] several choices, and the others' mean cost as the baseline
  double total = 0;
  for (std::size_t choice : choices) total += c[choice];
  Vector mean(s.size(), 0.0);
  const double S = double(choices.size());
  for (std::size_t choice : choices) {
    const double others = (total - c[choice]) / (S - 1);
    const Vector one = score_function(s, choice, c[choice], others);
    for (std::size_t j = 0; j < s.size(); ++j) mean[j] += one[j] / S;
  }
  return mean;
  //[end]
}

// The gradient of the relaxed cost sum_j q_j c_j, q = softmax((s + g) / tau), at fixed Gumbel noise g.
inline Vector reparameterised(const Vector& s, const Vector& c, const Vector& g, double tau) {
  //[9.4] the gradient through a relaxed sample
  Vector moved;
  for (std::size_t j = 0; j < s.size(); ++j) moved.push_back((s[j] + g[j]) / tau);
  Vector gradient = exact_gradient(moved, c);
  for (double& one : gradient) one /= tau;
  return gradient;
  //[end]
}

// How good are S estimates of `exact`? The squared distance of their mean from it, and their mean
// squared distance from their own mean; distances are summed over the elements.
struct Quality {
  double squared_bias = 0, variance = 0;
};
inline Quality quality(const std::vector<Vector>& estimates, const Vector& exact) {
  //[9.5] squared bias, and variance
  const double S = double(estimates.size());
  Vector mean(exact.size(), 0.0);
  for (const Vector& one : estimates) {
    for (std::size_t j = 0; j < exact.size(); ++j) mean[j] += one[j] / S;
  }
  Quality q;
  for (std::size_t j = 0; j < exact.size(); ++j) {
    q.squared_bias += (mean[j] - exact[j]) * (mean[j] - exact[j]);
    for (const Vector& one : estimates) q.variance += (one[j] - mean[j]) * (one[j] - mean[j]) / S;
  }
  return q;
  //[end]
}
