// What Plackett-Luce's operators share: an order read as a sequence of choices.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "engine/check.hpp"

namespace tapesort::plackett_luce {

constexpr double inf = std::numeric_limits<double>::infinity();

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
// ln(1 + e^x)
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
// ln(e^a + e^b)
inline double log_add(double a, double b) {
  if (a == -inf || b == -inf) return std::max(a, b);
  return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}

// log of a sum of e^s, as the largest s and what the others add to it. One number would lose what
// others add to a large score, and with it the odds between equal ones.
struct Total {
  double largest = -inf, rest = 0;

  // Adds e^s; returns the log-odds of s against the sum before.
  double add(double s) {
    const double odds = (s - largest) - rest;
    rest = s > largest ? softplus(-odds) : rest + softplus(odds);
    largest = std::max(largest, s);
    return odds;
  }
};

// a + b without rounding, as the rounded sum and its error (Knuth's TwoSum).
struct ExactSum {
  ExactSum(double a, double b) : rounded(a + b) {
    const double b_part = rounded - a;
    error = (a - (rounded - b_part)) + (b - b_part);
  }
  bool operator<(const ExactSum& o) const {
    return rounded < o.rounded || (rounded == o.rounded && error < o.error);
  }
  // Never positive where a < b, nor negative where b < a.
  friend double operator-(const ExactSum& a, const ExactSum& b) {
    return (a.rounded - b.rounded) + (a.error - b.error);
  }

  double rounded, error;
};

// Orders (samples..., ..., k) over scores (..., n), as rows: order row r belongs to score row
// r % score_rows.
struct OrderRows {
  OrderRows(const char* op, const Shape& scores, const Shape& order)
      : n(scores.back()), k(order.empty() ? 0 : order.back()) {
    const std::size_t batch = scores.size() - 1;
    bool fits = order.size() > batch && k <= n;
    for (std::size_t i = 0; fits && i < batch; ++i) {
      fits = order[order.size() - 1 - batch + i] == scores[i];
    }
    require(fits, op, ": order is ", order, ", log_scores are ", scores,
            "; need order (samples..., ..., k) for log_scores (..., n) with k <= n");
    rows = element_count(Shape(order.begin(), order.end() - 1));
    score_rows = element_count(Shape(scores.begin(), scores.end() - 1));
  }
  std::size_t n, k, rows, score_rows;
};

// The choices that lead to an order, place by place. All in double, whatever T is.
struct Choices {
  explicit Choices(const OrderRows& shape)
      : n(shape.n), k(shape.k), total(shape.k + 1), odds(shape.k), place(shape.n) {}

  // `total` is filled from the last place to the first, so nothing is ever subtracted from a sum.
  template <class T> void read(const char* op, const T* s, const Index* order, std::size_t row) {
    std::fill(place.begin(), place.end(), k);
    for (std::size_t i = 0; i < k; ++i) {
      require(order[i] >= 0 && std::size_t(order[i]) < n, op, ": row ", row, " of order has item ",
              order[i], "; need 0 <= item < ", n);
      require(place[std::size_t(order[i])] == k, op, ": row ", row, " of order has item ", order[i],
              " twice");
      place[std::size_t(order[i])] = i;
    }
    Total left;
    for (std::size_t j = 0; k < n && j < n; ++j) {
      if (place[j] == k) left.add(double(s[j]));
    }
    total[k] = left;
    for (std::size_t i = k; i-- > 0;) {
      odds[i] = left.add(double(s[order[i]]));
      total[i] = left;
    }
  }

  std::size_t n, k;
  std::vector<Total> total;  // L_i = log of the summed e^s of the items that are left at place i
  std::vector<double> odds;  // log-odds of the item chosen at place i: p_i = sigmoid(odds_i)
  std::vector<std::size_t> place;  // of each item; k for an item that is not chosen
};

}  // namespace tapesort::plackett_luce
