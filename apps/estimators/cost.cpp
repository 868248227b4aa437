#include "apps/estimators/cost.hpp"

#include <cmath>

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

// f(order) for each order (S, ..., n) -> (S, ...)
template <class F> OrderCost<double> for_each_order(F f) {
  return [f](const Indices& orders) {
    const std::size_t n = orders.shape().back();
    Array<double> cost =
        uninitialized<double>(Shape(orders.shape().begin(), orders.shape().end() - 1));
    for (std::size_t r = 0; r < cost.size(); ++r) cost.data()[r] = f(orders.data() + r * n, n);
    return constant(std::move(cost));
  };
}

Cost linear_cost(const Array<double>& C, double offset) {
  Cost cost;
  cost.of_orders = for_each_order([C, offset](const Index* z, std::size_t n) {
    double sum = offset;
    for (std::size_t i = 0; i < n; ++i) sum += C.data()[i * n + std::size_t(z[i])];
    return sum;
  });
  cost.of_matrices = [C, offset](const Var<double>& P) {
    return sum(P * constant(C), Axes{-2, -1}) + offset;
  };
  return cost;
}

// On permutations |P|^2 = n, so the square is linear there.
Cost target_cost(std::size_t n) {
  const double more = 0.05, less = n > 1 ? more / double(n - 1) : 0;
  Array<double> target = full<double>({n, n}, 1 / double(n) - less);
  for (std::size_t i = 0; i < n; ++i) target(i, i) = 1 / double(n) + (n > 1 ? more : 0);
  double squares = 0;
  for (double t : target) squares += t * t;
  Cost cost = linear_cost(-2.0 * target, double(n) + squares);
  cost.of_matrices = [target](const Var<double>& P) {
    return sum(square(P - constant(target)), Axes{-2, -1});
  };
  return cost;
}

Cost tour_cost(std::size_t n, Generator& random) {
  const Array<double> points = random.uniform<double>({n, 2});
  Array<double> distances = uninitialized<double>({n, n});
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      distances(i, j) = std::hypot(points(i, 0) - points(j, 0), points(i, 1) - points(j, 1));
    }
  }
  Cost cost;
  cost.of_orders = for_each_order([distances](const Index* z, std::size_t n) {
    double length = 0;
    for (std::size_t i = 0; i < n; ++i) {
      length += distances.data()[std::size_t(z[i]) * n + std::size_t(z[(i + 1) % n])];
    }
    return length;
  });
  // sum_i P_i D P_(i+1)^T
  cost.of_matrices = [distances](const Var<double>& P) {
    const Index n = Index(P.shape().back());
    const Var<double> next = concat<double>({slice(P, -2, 1, n), slice(P, -2, 0, 1)}, -2);
    return sum(matmul(P, constant(distances)) * next, Axes{-2, -1});
  };
  return cost;
}

}  // namespace

std::vector<std::string> cost_names() { return {"target", "linear", "tour"}; }

Cost make_cost(const std::string& name, std::size_t n, Generator& random) {
  if (name == "target") return target_cost(n);
  if (name == "linear") return linear_cost(random.normal<double>({n, n}), 0);
  if (name == "tour") return tour_cost(n, random);
  bad_argument("make_cost: no cost is called '", name, "'; there are target, linear and tour");
}

}  // namespace tapesort
