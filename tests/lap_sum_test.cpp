#include "ops/sorting/lap_sum.hpp"

#include <algorithm>
#include <numeric>

#include "op_table.hpp"
#include "ops/sorting/permutation.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

constexpr Direction up = Direction::ascending;

double laplace(double x) { return x < 0 ? std::exp(x) / 2 : 1 - std::exp(-x) / 2; }

// sum_j F((s_j - b) / tau), by its definition.
double count_above(const Array<double>& s, double b, double tau) {
  double total = 0;
  for (double x : s) total += laplace((x - b) / tau);
  return total;
}

// Where it is k, by bisection.
double threshold(const Array<double>& s, double k, double tau) {
  double low = -1e4, high = 1e4;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (count_above(s, middle, tau) > k ? low : high) = middle;
  }
  return low;
}

}  // namespace

TEST_CASE("LapSum passes gradcheck, and float agrees with double") {
  // F's second derivative jumps at the scores themselves: keep the differences' steps from them.
  check_rows({
      {"lap_sum_top_k",
       {{2, 6}},
       distinct,
       [](const auto& x) { return lap_sum_top_k(x[0], 2, 0.3); }},
      {"lap_sum_top_k, fractional",
       {{7}},
       anywhere,
       [](const auto& x) { return lap_sum_top_k(x[0], 0.3, 0.7); }},
      {"lap_sum_top_k, ascending",
       {{7}},
       anywhere,
       [](const auto& x) { return lap_sum_top_k(x[0], 5, 1.0, up); }},
      {"lap_sum_top_k, all",
       {{4}},
       anywhere,
       [](const auto& x) { return lap_sum_top_k(x[0], 4, 1.0); }},
      {"lap_sum_rank", {{2, 6}}, distinct, [](const auto& x) { return lap_sum_rank(x[0], 0.3); }},
      {"lap_sum_rank, ascending",
       {{2, 6}},
       distinct,
       [](const auto& x) { return lap_sum_rank(x[0], 0.3, up); }},
      {"lap_sum_sort", {{2, 6}}, distinct, [](const auto& x) { return lap_sum_sort(x[0], 0.3); }},
      {"lap_sum_sort, ascending",
       {{5}},
       anywhere,
       [](const auto& x) { return lap_sum_sort(x[0], 1.0, up); }},
      {"lap_sum", {{2, 5}}, distinct, [](const auto& x) { return lap_sum(x[0], 0.3); }},
      {"lap_sum, ascending", {{5}}, anywhere, [](const auto& x) { return lap_sum(x[0], 1.0, up); }},
      {"lap_sum, n = 1", {{3, 1}}, anywhere, [](const auto& x) { return lap_sum(x[0], 1.0); }},
  });
}

TEST_CASE("LapSum's closed forms agree with its definition") {
  Generator random(16);
  for (double tau : {0.01, 0.2, 3.0}) {
    CAPTURE(tau);
    Array<double> s = random.normal<double>({8});
    s(3) = s(5);  // a tie
    for (double k : {0.2, 1.0, 3.0, 4.5, 7.0, 7.9}) {
      CAPTURE(k);
      const double b = threshold(s, k, tau);
      const Array<double> p = lap_sum_top_k(constant(s), k, tau).value();
      for (std::size_t j = 0; j < 8; ++j) {
        CHECK(p(j) == doctest::Approx(laplace((s(j) - b) / tau)).epsilon(1e-9));
      }
      CHECK(std::accumulate(p.begin(), p.end(), 0.0) == doctest::Approx(k).epsilon(1e-13));
    }
    const Array<double> r = lap_sum_rank(constant(s), tau).value();
    const Array<double> y = lap_sum_sort(constant(s), tau).value();
    for (std::size_t j = 0; j < 8; ++j) {
      CHECK(r(j) == doctest::Approx(0.5 + 8 - count_above(-s, -s(j), tau)).epsilon(1e-12));
      CHECK(count_above(s, y(j), tau) == doctest::Approx(double(j) + 0.5).epsilon(1e-9));
    }
    CHECK(r(3) == doctest::Approx(r(5)).epsilon(1e-14));
  }
}

TEST_CASE("LapSum's matrix is doubly stochastic, its leading rows sum to the top-k mass") {
  Generator random(17);
  const Array<double> s = random.normal<double>({2, 6});
  for (Direction direction : {Direction::descending, up}) {
    const Array<double> P_hat = lap_sum(constant(s), 0.5, direction).value();
    CHECK(is_doubly_stochastic(P_hat, 1e-12));
    const Array<double> p = lap_sum_top_k(constant(s), 2, 0.5, direction).value();
    for (std::size_t b = 0; b < 2; ++b) {
      for (std::size_t j = 0; j < 6; ++j) {
        CHECK(P_hat(b, 0, j) + P_hat(b, 1, j) == doctest::Approx(p(b, j)).epsilon(1e-12));
      }
    }
    CHECK(distance(lap_sum(constant(s), 1e-3, direction).value(),
                   permutation_matrix<double>(argsort(s, direction))) < 1e-9);
  }
}

TEST_CASE("LapSum tends to the hard results, where b stands in a gap that no number spans") {
  const Array<double> s{0.3, -1.0, 2.0};  // its order is a 3-cycle: 2, 0, 1
  const double tau = 1e-5;                // e^(-0.7 / tau) underflows
  CHECK(lap_sum_top_k(constant(s), 1, tau).value() == Array<double>{0.0, 0.0, 1.0});
  CHECK(lap_sum_top_k(constant(s), 2, tau).value() == Array<double>{1.0, 0.0, 1.0});
  CHECK(lap_sum_top_k(constant(s), 2, tau, up).value() == Array<double>{1.0, 1.0, 0.0});
  CHECK(lap_sum_rank(constant(s), tau).value() == Array<double>{2.0, 3.0, 1.0});
  CHECK(lap_sum_rank(constant(s), tau, up).value() == Array<double>{2.0, 1.0, 3.0});
  CHECK(distance(lap_sum_sort(constant(s), tau).value(), Array<double>{2.0, 0.3, -1.0}) < 1e-4);
  CHECK(distance(lap_sum_sort(constant(s), tau, up).value(), Array<double>{-1.0, 0.3, 2.0}) < 1e-4);
  Tape<double> tape;
  const Var<double> leaf = tape.leaf(s);
  tape.backward(lap_sum_top_k(leaf, 1, tau), Array<double>{1.0, 2.0, 3.0});
  tape.backward(lap_sum(leaf, tau), full<double>({3, 3}, 1.0));
  CHECK(leaf.grad() == zeros<double>({3}));
  // Soft sorted values move with their scores.
  tape.backward(lap_sum_sort(leaf, tau), Array<double>{1.0, 2.0, 3.0});
  CHECK(distance(leaf.grad(), Array<double>{2.0, 3.0, 1.0}) < 1e-12);
}

TEST_CASE("LapSum at k = 0, k = n, n = 0, and where it refuses") {
  const Var<float> s = constant(Array<float>{1.0f, 2.0f});
  CHECK(lap_sum_top_k(s, 0, 1.0).value() == Array<float>{0.0f, 0.0f});
  CHECK(lap_sum_top_k(s, 2, 1.0).value() == Array<float>{1.0f, 1.0f});
  CHECK(lap_sum_sort(constant(zeros<float>({2, 0})), 1.0).shape() == Shape{2, 0});
  CHECK(error_of([&] { lap_sum_top_k(s, 2.5, 1.0); }) ==
        "invalid_argument: lap_sum_top_k: k must be in [0, n], got 2.5 for n = 2");
  CHECK(error_of([&] { lap_sum(s, 0.0); }) ==
        "invalid_argument: lap_sum: tau must be > 0 and finite, got 0");
  CHECK(error_of([] { lap_sum_rank(constant(scalar(1.0f)), 1.0); }) ==
        "invalid_argument: lap_sum_rank: scores are 0-d; need (..., n)");
}
