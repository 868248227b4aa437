#include "ops/sorting/permutation.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "op_table.hpp"
#include "ops/sorting/hard.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

double gain_of(const Array<double>& gain, const Index* order, std::size_t n) {
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) total += gain.data()[i * n + std::size_t(order[i])];
  return total;
}

// All n! of them.
double best_gain(const Array<double>& gain, std::size_t n) {
  std::vector<Index> order(n);
  std::iota(order.begin(), order.end(), Index(0));
  double best = -std::numeric_limits<double>::infinity();
  do {
    best = std::max(best, gain_of(gain, order.data(), n));
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

}  // namespace

TEST_CASE("best_assignment is as good as the best of all permutations") {
  Generator random(3);
  for (std::size_t n = 1; n <= 7; ++n) {
    for (int repeat = 0; repeat < 10; ++repeat) {
      CAPTURE(n);
      Array<double> gain = random.normal<double>({n, n});
      // Small integers: many assignments tie.
      if (repeat % 2)
        std::transform(gain.begin(), gain.end(), gain.begin(),
                       [](double g) { return std::round(g); });
      const Indices order = best_assignment(gain);
      inverse_permutation(order);  // throws unless it is one
      CHECK(gain_of(gain, order.data(), n) == doctest::Approx(best_gain(gain, n)));
    }
  }
}

TEST_CASE("best_assignment of gains near the largest number") {
  const double huge = 1.7e308;
  inverse_permutation(best_assignment(Array<double>{{huge, -huge}, {huge, -huge}}));
  CHECK(best_assignment(Array<double>{{huge, huge / 2}, {huge, -huge}}) == Indices{1, 0});
}

TEST_CASE("nearest_permutation undoes permutation_matrix, and decides where rows compete") {
  const Indices cycle{{2, 0, 1}, {1, 2, 0}};
  CHECK(nearest_permutation(permutation_matrix<float>(cycle)) == cycle);
  // Rows 0 and 1 both prefer item 0; row 1 has less to lose.
  CHECK(nearest_permutation(Array<double>{{0.8, 0.1, 0.1}, {0.5, 0.1, 0.4}, {0.1, 0.6, 0.3}}) ==
        Indices{0, 2, 1});
  CHECK(nearest_permutation(zeros<double>({0, 0})).size() == 0);
}

TEST_CASE("stochastic and unimodal matrices are told from others") {
  const Array<double> unimodal{{0.5, 0.3, 0.2}, {0.1, 0.2, 0.7}, {0.3, 0.4, 0.3}};
  CHECK(is_row_stochastic(unimodal));
  CHECK(is_unimodal(unimodal));
  CHECK_FALSE(is_doubly_stochastic(unimodal));
  CHECK(stochastic_error(unimodal, -2) == doctest::Approx(0.2));
  CHECK(is_doubly_stochastic(Array<float>{{0.7f, 0.3f}, {0.3f, 0.7f}}));
  CHECK_FALSE(is_unimodal(Array<float>{{0.7f, 0.3f}, {0.6f, 0.4f}}));
  CHECK_FALSE(is_unimodal(Array<float>{{0.8f, 0.3f}, {0.3f, 0.7f}}));
  CHECK_FALSE(is_row_stochastic(Array<double>{{1.5, -0.5}, {0.5, 0.5}}));
  CHECK_FALSE(is_row_stochastic(Array<double>{{std::nan(""), 0.5}, {0.5, 0.5}}));
}

TEST_CASE("permutation functions refuse what is not a matrix of numbers") {
  CHECK(error_of([] {
          best_assignment(zeros<float>({2, 3}));
        }) ==
        "invalid_argument: best_assignment: gain is (2, 3); need square matrices (..., n, n)");
  CHECK(error_of([] {
          nearest_permutation(full<double>({1, 1}, std::nan("")));
        }) == "invalid_argument: nearest_permutation: P_hat has an entry nan; need finite ones");
  CHECK(error_of([] { is_unimodal(zeros<float>({3})); }) ==
        "invalid_argument: is_unimodal: P_hat is (3); need square matrices (..., n, n)");
}
