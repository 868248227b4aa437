// Stage 6: why a sort has no useful gradient, and NeuralSort.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "../task.hpp"
#include "engine/tape.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"

using namespace tapesort;
using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

// The rank of each score: 1 for the largest. Of equal scores the one further left is first.
inline Vector ranks(const Vector& s) {
  //[6.1] ranks by counting: how many scores stand before this one?
  Vector r;
  for (std::size_t j = 0; j < s.size(); ++j) {
    double before = 0;
    for (std::size_t k = 0; k < s.size(); ++k) before += s[k] > s[j] || (s[k] == s[j] && k < j);
    r.push_back(before + 1);
  }
  return r;
  //[end]
}

// The gradient of sum_j w_j rank_j with respect to the scores, where these are distinct.
inline Vector gradient_of_ranks(const Vector& s, const Vector& w) {
  //[6.2] the gradient of the ranks: no loop over w is needed
  return Vector(s.size(), 0.0);
  //[end]
}

// A_j = sum_k |s_j - s_k|.
inline Vector distances(const Vector& s) {
  //[6.3] the sum of the distances of each score to all scores
  Vector a(s.size());
  for (std::size_t j = 0; j < s.size(); ++j) {
    for (double other : s) a[j] += std::abs(s[j] - other);
  }
  return a;
  //[end]
}

// P_hat: row i (from 0) is the softmax over j of ((n - 1 - 2 i) s_j - A_j) / tau.
inline Matrix neural_sort_matrix(const Vector& s, double tau) {
  const std::size_t n = s.size();
  const Vector a = distances(s);
  Matrix p(n, Vector(n));
  //[6.4] the formula: logits, and a softmax of each row
  for (std::size_t i = 0; i < n; ++i) {
    double largest = -INFINITY, sum = 0;
    for (std::size_t j = 0; j < n; ++j) {
      p[i][j] = ((double(n) - 1 - 2 * double(i)) * s[j] - a[j]) / tau;
      largest = std::max(largest, p[i][j]);
    }
    for (double& one : p[i]) sum += one = std::exp(one - largest);
    for (double& one : p[i]) one /= sum;
  }
  //[end]
  return p;
}

// The item at each place, from P_hat: the largest element of each row.
inline std::vector<std::size_t> order_of(const Matrix& p) {
  //[6.5] the permutation that P_hat's rows name
  std::vector<std::size_t> order;
  for (const Vector& row : p) {
    order.push_back(std::size_t(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return order;
  //[end]
}

// y = P_hat s, the sorted scores, softened: on a tape, made of operators that it knows. s is (n, 1).
inline Var<double> soft_sorted(const Var<double>& s, double tau) {
  const std::size_t n = s.shape()[0];
  Array<double> place = uninitialized<double>({n, 1});  // n - 1 - 2 i for each row i
  for (std::size_t i = 0; i < n; ++i) place(i, 0) = double(n) - 1 - 2 * double(i);
  const Var<double> row = transpose(s);  // (1, n)
  //[6.6] the same with Vars: abs, sum(x, 0, true) over the rows, softmax(x) of each row, matmul
  const Var<double> a = sum(abs(s - row), 0, true);
  return matmul(softmax((place * row - a) / tau), s);
  //[end]
}
