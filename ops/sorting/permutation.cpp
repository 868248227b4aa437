#include "ops/sorting/permutation.hpp"

#include <limits>

#include "engine/instantiate.hpp"
#include "ops/axis.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {
namespace {

bool is_permutation(const Index* order, std::size_t n) {
  std::vector<bool> taken(n, false);
  for (std::size_t i = 0; i < n; ++i) {
    if (taken[std::size_t(order[i])]) return false;
    taken[std::size_t(order[i])] = true;
  }
  return true;
}

// Minimises sum of cost = -gain. Rows enter one after the other. Prices keep every reduced cost
// cost[r, c] - row_price[r] - column_price[c] >= 0, and 0 on pairs already made, so the cheapest
// way to make room for a new row is a shortest path: Dijkstra's, over the columns.
template <class T> void assign(const T* gain, std::size_t n, Index* order) {
  const auto huge = [](T g) { return std::abs(g) > 1e290; };  // sums of these would overflow
  const double unit = std::any_of(gain, gain + n * n, huge) ? 0x1p-60 : 1;
  const std::size_t nobody = n, source = n;  // column n stands for "not placed yet"
  std::vector<double> row_price(n, 0), column_price(n + 1, 0), distance(n + 1);
  std::vector<std::size_t> row_of(n + 1, nobody), previous(n + 1);
  std::vector<bool> reached(n + 1);
  for (std::size_t row = 0; row < n; ++row) {
    std::fill(distance.begin(), distance.end(), std::numeric_limits<double>::infinity());
    std::fill(reached.begin(), reached.end(), false);
    row_of[source] = row;
    std::size_t column = source;
    do {
      reached[column] = true;
      const std::size_t r = row_of[column];
      std::size_t nearest = source;
      double step = std::numeric_limits<double>::infinity();
      for (std::size_t c = 0; c < n; ++c) {
        if (reached[c]) continue;
        const double reduced = -unit * double(gain[r * n + c]) - row_price[r] - column_price[c];
        if (reduced < distance[c]) {
          distance[c] = reduced;
          previous[c] = column;
        }
        if (distance[c] < step) {
          step = distance[c];
          nearest = c;
        }
      }
      for (std::size_t c = 0; c <= n; ++c) {
        if (reached[c]) {
          row_price[row_of[c]] += step;
          column_price[c] -= step;
        } else {
          distance[c] -= step;
        }
      }
      column = nearest;
    } while (row_of[column] != nobody);
    for (; column != source; column = previous[column]) row_of[column] = row_of[previous[column]];
  }
  for (std::size_t c = 0; c < n; ++c) order[row_of[c]] = Index(c);
}

}  // namespace

template <class T> Indices best_assignment(const Array<T>& gain) {
  const std::size_t n = checked_finite_matrix("best_assignment", "gain", gain);
  Indices order = uninitialized<Index>(shape_of_sets(gain.shape()));
  for (std::size_t start = 0; start < order.size(); start += n) {
    assign(gain.data() + start * n, n, order.data() + start);
  }
  return order;
}

template <class T> Indices nearest_permutation(const Array<T>& P_hat) {
  const std::size_t n = checked_finite_matrix("nearest_permutation", "P_hat", P_hat);
  if (P_hat.size() == 0) return uninitialized<Index>(shape_of_sets(P_hat.shape()));
  Indices order = argmax(P_hat);
  for (std::size_t start = 0; start < order.size(); start += n) {
    // No permutation can have a larger sum than every row's largest entry.
    if (!is_permutation(order.data() + start, n)) {
      assign(P_hat.data() + start * n, n, order.data() + start);
    }
  }
  return order;
}

template <class T> double stochastic_error(const Array<T>& P_hat, int axis) {
  const AxisView view("stochastic_error", axis, P_hat.shape());
  double error = 0;
  for (std::size_t line = 0; line < view.lines(); ++line) {
    const std::size_t start = view.first(line);
    double total = 0, smallest = 0;
    for (std::size_t k = 0; k < view.n; ++k) {
      const double p = double(P_hat.data()[start + k * view.inner]);
      total += p;
      smallest = std::min(smallest, p);
    }
    const double worst = std::max(std::abs(total - 1), -smallest);
    if (!std::isnan(error) && !(worst <= error)) error = worst;  // a NaN stays
  }
  return error;
}

template <class T> bool is_row_stochastic(const Array<T>& P_hat, double tolerance) {
  checked_matrix_size("is_row_stochastic", "P_hat", P_hat.shape());
  return stochastic_error(P_hat) <= tolerance;
}

template <class T> bool is_doubly_stochastic(const Array<T>& P_hat, double tolerance) {
  checked_matrix_size("is_doubly_stochastic", "P_hat", P_hat.shape());
  return stochastic_error(P_hat) <= tolerance && stochastic_error(P_hat, -2) <= tolerance;
}

template <class T> bool is_unimodal(const Array<T>& P_hat, double tolerance) {
  const std::size_t n = checked_matrix_size("is_unimodal", "P_hat", P_hat.shape());
  if (P_hat.size() == 0) return true;
  if (!is_row_stochastic(P_hat, tolerance)) return false;
  const Indices order = argmax(P_hat);
  for (std::size_t start = 0; start < order.size(); start += n) {
    if (!is_permutation(order.data() + start, n)) return false;
  }
  return true;
}

INSTANTIATE(best_assignment)
INSTANTIATE(nearest_permutation)
INSTANTIATE(stochastic_error)
INSTANTIATE(is_row_stochastic)
INSTANTIATE(is_doubly_stochastic)
INSTANTIATE(is_unimodal)

}  // namespace tapesort
