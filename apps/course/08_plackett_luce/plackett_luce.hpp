// Stage 8: random orders: Gumbel noise, and sampling as a race.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "../task.hpp"

using Vector = std::vector<double>;
using Order = std::vector<std::size_t>;  // the item at each place

// The time at which something happens that happens `rate` times an hour, at random. u is a uniform
// random number between 0 and 1.
inline double arrival(double u, double rate) {
  //[8.1] a random time from a uniform number: P(time > t) = exp(-rate t)
  return -std::log(u) / rate;
  //[end]
}

// Items that race: item j has the rate exp(s_j), and its time is made from u_j, one number for each item.
// Returns which item arrives first, second, and so on.
inline Order race(const Vector& s, const Vector& u) {
  //[8.2] the order in which the items arrive
  Vector times;
  for (std::size_t j = 0; j < s.size(); ++j) times.push_back(arrival(u[j], std::exp(s[j])));
  Order order(s.size());
  for (std::size_t j = 0; j < order.size(); ++j) order[j] = j;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return times[a] < times[b]; });
  return order;
  //[end]
}

// Noise G such that sorting s_j + G_j from the largest gives the race's order, for the same u.
inline double gumbel(double u) {
  //[8.3] the noise: -log of the arrival time, less s
  return -std::log(-std::log(u));
  //[end]
}

// The log-probability of an order, log of the product of w_j / (sum of the w of all not yet placed).
inline double log_probability(const Vector& s, const Order& order) {
  //[8.4] log Pr(order), from the last place to the first, without overflow
  double log_prob = 0, log_rest = -INFINITY;  // log of the sum over places i, i + 1, ..
  for (std::size_t i = order.size(); i-- > 0;) {
    const double own = s[order[i]], high = std::max(own, log_rest);
    log_rest = high + std::log(std::exp(own - high) + std::exp(log_rest - high));
    log_prob += own - log_rest;
  }
  return log_prob;
  //[end]
}

// Its gradient with respect to s.
inline Vector log_probability_gradient(const Vector& s, const Order& order) {
  Vector gradient(s.size(), 0.0);
  //[8.5] the gradient of log Pr(order): each place gives 1 - p or -p to those still left
  for (std::size_t i = 0; i < order.size(); ++i) {
    double sum = 0;
    for (std::size_t q = i; q < order.size(); ++q) sum += std::exp(s[order[q]] - s[order[i]]);
    for (std::size_t q = i; q < order.size(); ++q) {
      gradient[order[q]] -= std::exp(s[order[q]] - s[order[i]]) / sum;
    }
    gradient[order[i]] += 1;
  }
  //[end]
  return gradient;
}
