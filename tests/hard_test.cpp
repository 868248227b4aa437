#include "ops/sorting/hard.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "op_table.hpp"
#include "ops/select.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("argsort gives the index of the item at each place, stable in both directions") {
  const double inf = std::numeric_limits<double>::infinity();
  const Array<double> scores{{2.0, 3.0, 1.0}, {5.0, 5.0, 7.0}, {-inf, inf, 0.0}};
  CHECK(argsort(scores) == Indices{{1, 0, 2}, {2, 0, 1}, {1, 2, 0}});
  CHECK(argsort(scores, Direction::ascending) == Indices{{2, 0, 1}, {0, 1, 2}, {0, 2, 1}});
  CHECK(argsort(zeros<double>({2, 0})).size() == 0);
}

TEST_CASE("a permutation, its inverse and its matrix, on a 3-cycle") {
  const Indices order{{2, 0, 1}};
  CHECK(inverse_permutation(order) == Indices{{1, 2, 0}});
  CHECK(permutation_matrix<double>(order) ==
        Array<double>{{{0.0, 0.0, 1.0}, {1.0, 0.0, 0.0}, {0.0, 1.0, 0.0}}});
}

TEST_CASE("straight_through has one value and another one's gradient") {
  Tape<double> tape;
  const Var<double> x = tape.leaf(Array<double>{0.3, 0.7});
  const Var<double> y = straight_through(Array<double>{0.0, 1.0}, x);
  CHECK(y.value() == Array<double>{0.0, 1.0});
  tape.backward(y, Array<double>{2.0, 3.0});
  CHECK(x.grad() == Array<double>{2.0, 3.0});
}

TEST_CASE("sorting refuses what has no order") {
  CHECK(error_of([] {
          argsort(Array<float>{1.0f, std::numeric_limits<float>::quiet_NaN()});
        }) == "invalid_argument: argsort: score 1 of row 0 is NaN");
  CHECK(error_of([] { argsort(scalar(1.0f)); }) ==
        "invalid_argument: argsort: scores are 0-d; need (..., n)");
  CHECK(error_of([] {
          inverse_permutation(Indices{0, 0});
        }) ==
        "invalid_argument: inverse_permutation: row 0 has index 0 twice; need a permutation of 0 "
        ".. 2 - 1");
  CHECK(error_of([] { straight_through(zeros<float>({2}), constant(zeros<float>({3}))); }) ==
        "invalid_argument: straight_through: shapes differ: hard is (2), soft is (3)");
}

TEST_CASE(
    "argsort is std::stable_sort's order: any length, ties, infinities, signed zeros, threads") {
  const int before = threads();
  const auto check = [](auto zero) {
    using T = decltype(zero);
    const T infinity = std::numeric_limits<T>::infinity();
    Generator random(6);
    for (const std::size_t n : {2, 31, 33, 1000, 5000, 200000}) {
      Array<T> scores = random.normal<T>({n}, T(0), T(100));
      for (std::size_t i = 0; i < n; i += 3) scores(i) = std::round(scores(i) / 10);  // ties, -0
      if (n > 31) scores(5) = infinity, scores(17) = -infinity, scores(20) = T(-1e-38);
      for (const Direction direction : {Direction::descending, Direction::ascending}) {
        std::vector<Index> order(n);
        std::iota(order.begin(), order.end(), Index(0));
        std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
          const T x = scores(std::size_t(a)), y = scores(std::size_t(b));
          return direction == Direction::descending ? x > y : x < y;
        });
        for (const int count : {1, 2, 3}) {
          set_threads(count);
          const Indices found = argsort(scores, direction);
          CHECK(std::equal(order.begin(), order.end(), found.data()));
        }
      }
    }
  };
  check(float());
  check(double());
  set_threads(before);
}
