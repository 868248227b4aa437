#include "ops/distances.hpp"

#include <limits>

#include "models/nearest_neighbours.hpp"
#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("squared_distances passes gradcheck, and float agrees with double") {
  check_rows({
      {"squared_distances",
       {{4, 3}, {5, 3}},
       anywhere,
       [](const auto& x) { return squared_distances(x[0], x[1]); }},
      {"squared_distances, of a set to itself",
       {{4, 3}},
       anywhere,
       [](const auto& x) { return squared_distances(x[0], x[0]); }},
      {"squared_distances, whole registers and more",
       {{33, 35}, {70, 35}},
       anywhere,
       [](const auto& x) { return squared_distances(x[0], x[1]); }},
  });
}

namespace {

// Two clusters of width 1 at +-1000.
Array<float> clusters(Generator& random, std::size_t count, std::size_t d) {
  Array<float> x = random.normal<float>({count, d});
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] += i / d % 2 == 0 ? 1000.0f : -1000.0f;
  return x;
}

Array<double> exact_distances(const Array<float>& q, const Array<float>& c) {
  const std::size_t d = q.shape()[1];
  Array<double> y = zeros<double>({q.shape()[0], c.shape()[0]});
  for (std::size_t i = 0; i < y.shape()[0]; ++i) {
    for (std::size_t j = 0; j < y.shape()[1]; ++j) {
      for (std::size_t k = 0; k < d; ++k) {
        const double step = double(q.data()[i * d + k]) - double(c.data()[j * d + k]);
        y(i, j) += step * step;
      }
    }
  }
  return y;
}

void check_nearest(const Array<float>& q, const Array<float>& c) {
  const Array<double> exact = exact_distances(q, c);
  const Indices found = nearest_neighbours(q, c, 1);
  for (std::size_t i = 0; i < q.shape()[0]; ++i) {
    std::size_t nearest = 0;
    for (std::size_t j = 1; j < c.shape()[0]; ++j) {
      if (exact(i, j) < exact(i, nearest) || std::isnan(exact(i, nearest))) nearest = j;
    }
    CHECK(found(i, 0) == Index(nearest));
  }
}

}  // namespace

TEST_CASE("distances far from the origin keep their digits, and so do their gradients") {
  Generator random(3);
  const Array<float> q = clusters(random, 50, 16), c = clusters(random, 200, 16);
  const Array<double> exact = exact_distances(q, c);
  const Array<float> y = squared_distances(constant(q), constant(c)).value();
  for (std::size_t i = 0; i < y.size(); ++i) {
    CHECK(relative_error(y.data()[i], exact.data()[i]) < 1e-6);
  }
  check_nearest(q, c);

  // Cotangents within the clusters only: the gradients are as small as the clusters.
  Array<double> ybar = random.normal<double>(exact.shape());
  for (std::size_t i = 0; i < ybar.size(); ++i) {
    if (exact.data()[i] > 1e6) ybar.data()[i] = 0;
  }
  const auto gradients = [&](auto zero) {
    using T = decltype(zero);
    Tape<T> tape;
    const Var<T> queries = tape.leaf(convert<T>(q)), candidates = tape.leaf(convert<T>(c));
    tape.backward(squared_distances(queries, candidates), convert<T>(ybar));
    return std::pair(convert<double>(queries.grad()), convert<double>(candidates.grad()));
  };
  const auto in_float = gradients(0.0f), in_double = gradients(0.0);
  CHECK(distance(in_float.first, in_double.first) < 1e-6);
  CHECK(distance(in_float.second, in_double.second) < 1e-6);
}

TEST_CASE("one bad candidate harms nobody else") {
  Generator random(5);
  const Array<float> q = random.normal<float>({50, 16});
  Array<float> c = random.normal<float>({60, 16});
  const float none = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {1e30f, -1e30f, std::numeric_limits<float>::infinity(), none}) {
    CAPTURE(bad);
    for (const std::size_t place : {0, 37, 59}) {
      Array<float> spoiled = c;
      spoiled(place, 3) = bad;
      check_nearest(q, spoiled);
      const Array<float> y = squared_distances(constant(q), constant(spoiled)).value();
      const Array<double> exact = exact_distances(q, c);
      for (std::size_t j = 0; j < 60; ++j) {
        if (j != place) CHECK(relative_error(y(7, j), exact(7, j)) < 1e-6);
      }
      CHECK((std::isnan(bad) ? std::isnan(y(7, place)) : std::isinf(y(7, place))));
    }
  }
  Array<float> spoiled = q;
  spoiled(7, 0) = none;
  CHECK(error_of([&] { nearest_neighbours(spoiled, c, 3); }) ==
        "invalid_argument: nearest_neighbours: query 7 has a NaN");
}

TEST_CASE("a distance is as accurate in a million dimensions") {
  const std::size_t d = 1000000;
  const Var<float> q = constant(full<float>({1, d}, 0.3f)), c = constant(zeros<float>({1, d}));
  const double exact = double(d) * double(0.3f) * double(0.3f);
  CHECK(relative_error(squared_distances(q, c).item(), exact) < 1e-6);
}

TEST_CASE("squared_distances of nothing, and of what does not fit") {
  const auto of = [](const Shape& shape) { return constant(zeros<float>(shape)); };
  CHECK(squared_distances(of({2, 0}), of({3, 0})).value() == zeros<float>({2, 3}));
  CHECK(squared_distances(of({0, 4}), of({3, 4})).shape() == Shape{0, 3});
  CHECK(squared_distances(of({2, 4}), of({0, 4})).shape() == Shape{2, 0});
  CHECK(
      error_of([&] {
        squared_distances(of({2, 3}), of({2, 4}));
      }) ==
      "invalid_argument: squared_distances: queries are (2, 3), candidates are (2, 4); need (q, d) "
      "and (c, d)");
}
