#include "ops/sorting/lap_sum.hpp"

#include <algorithm>
#include <numeric>

#include "op_table.hpp"
#include "ops/sorting/permutation.hpp"
#include "relative_distance.hpp"

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

TEST_CASE("LapSum does not see an offset: only differences of scores count") {
  const double tau = 1e-6, offset = 1.7e9;
  Array<double> at{0.0, 1.0, 2.5, 3.0}, s = at;
  for (std::size_t i = 0; i < 4; ++i) {
    s(i) = offset + at(i) * tau;
    at(i) = (s(i) - offset) / tau;  // what the rounded scores differ by
  }
  const Array<double> P_hat = lap_sum(constant(s), tau).value();
  CHECK(is_doubly_stochastic(P_hat, 1e-14));
  CHECK(distance(P_hat, lap_sum(constant(at), 1).value()) < 1e-14);
  CHECK(distance(lap_sum_rank(constant(s), tau).value(), lap_sum_rank(constant(at), 1).value()) <
        1e-14);
  CHECK(distance(lap_sum_top_k(constant(s), 1.5, tau).value(),
                 lap_sum_top_k(constant(at), 1.5, 1).value()) < 1e-14);
  const Array<double> sorted = lap_sum_sort(constant(s), tau).value();
  const Array<double> expected = lap_sum_sort(constant(at), 1).value();
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(std::abs(sorted(i) - (offset + tau * expected(i))) <= 2.4e-7);  // one ulp
  }
  const Array<double> w{
      {0.3, -1.0, 2.0, 0.1}, {1.3, 0.2, -0.7, 0.4}, {0.0, 1.0, 1.0, 2.0}, {-0.5, 0.6, 0.7, -0.8}};
  const auto gradient = [&](const Array<double>& x, double tau) {
    Tape<double> tape;
    const Var<double> leaf = tape.leaf(x);
    tape.backward(lap_sum(leaf, tau), w);
    return leaf.grad();
  };
  CHECK(distance(tau * gradient(s, tau), gradient(at, 1)) < 1e-13);
  // A masked score and an outlier leave the others as they are.
  const Array<double> beside{-1e30, 0.0, 1.0, 1e30};
  const Array<double> rank = lap_sum_rank(constant(beside), 1).value();
  const Array<double> alone = lap_sum_rank(constant(Array<double>{0.0, 1.0}), 1).value();
  CHECK(distance(rank, {4.0, 1 + alone(0), 1 + alone(1), 1.0}) < 1e-15);
  CHECK(is_doubly_stochastic(lap_sum(constant(beside), 1).value(), 1e-14));
  CHECK(distance(lap_sum_sort(constant(beside), 1).value() * Array<double>{0.0, 1.0, 1.0, 0.0},
                 lap_sum_sort(constant(Array<double>{5e8, 0.0, 1.0, -5e8}), 1).value() *
                     Array<double>{0.0, 1.0, 1.0, 0.0}) < 1e-14);
}

TEST_CASE("LapSum's small gradients and entries far from all else") {
  // Two scores 60 apart: r_0 = 3/2 - F(60) in both directions.
  const double e = std::exp(-60.0);
  const auto gradient = [](const Array<double>& s, const auto& op, const Array<double>& w) {
    Tape<double> tape;
    const Var<double> x = tape.leaf(s);
    tape.backward(op(x), w);
    return x.grad();
  };
  const auto rank = [](const auto& x) { return lap_sum_rank(x, 1); };
  CHECK(relative_distance(gradient({60.0, 0.0}, rank, {1.0, 0.0}), {-e / 2, e / 2}, 0) < 1e-14);
  CHECK(gradient({0.3, 1.0, 0.7, 4.0}, rank, full<double>({4}, 0.1)) == zeros<double>({4}));
  // Row 0 is top_1, with b in the middle, where F is e^-30 / 2.
  const Array<double> P_hat = lap_sum(constant(Array<double>{60.0, 0.0}), 1).value();
  CHECK(relative_distance(P_hat, {{1.0, std::exp(-30.0) / 2}, {std::exp(-30.0) / 2, 1.0}}, 0) <
        1e-12);
  const auto top = [](const auto& x) { return lap_sum_top_k(x, 1, 1); };
  const double f = std::exp(-30.0) / 4;
  CHECK(relative_distance(gradient({60.0, 0.0}, top, {1.0, 0.0}), {f, -f}, 0) < 1e-14);
}

TEST_CASE_TEMPLATE("LapSum at a small tau is the hard result, or names tau", T, float, double) {
  const Array<T> s{T(0.25), T(-1), T(2)};
  Tape<T> tape;
  const Var<T> x = tape.leaf(s);
  const double tau = std::numeric_limits<double>::min();
  CHECK(lap_sum(x, tau).value() ==
        Array<T>{{T(0), T(0), T(1)}, {T(1), T(0), T(0)}, {T(0), T(1), T(0)}});
  CHECK(lap_sum_rank(x, tau).value() == Array<T>{T(2), T(3), T(1)});
  CHECK(lap_sum_top_k(x, 2, tau).value() == Array<T>{T(1), T(0), T(1)});
  CHECK(lap_sum_sort(x, tau).value() == Array<T>{T(2), T(0.25), T(-1)});
  tape.backward(lap_sum(x, tau), {{T(1), T(2), T(3)}, {T(0), T(1), T(4)}, {T(2), T(2), T(1)}});
  tape.backward(lap_sum_rank(x, tau), {T(1), T(2), T(4)});
  tape.backward(lap_sum_top_k(x, 2, tau), {T(1), T(2), T(4)});
  CHECK(x.grad() == zeros<T>({3}));
  CHECK(error_of([&] { lap_sum(x, 1e-310); }).find("lap_sum: tau is 1e-310; need one between") !=
        std::string::npos);
  CHECK(distance(convert<double>(lap_sum(x, 1e308).value()), full<double>({3, 3}, 1.0 / 3)) < 1e-7);
}

TEST_CASE("LapSum at k = 0, k = n, n = 0, and where it refuses") {
  const Var<float> s = constant(Array<float>{1.0f, 2.0f});
  CHECK(lap_sum_top_k(s, 0, 1.0).value() == Array<float>{0.0f, 0.0f});
  CHECK(lap_sum_top_k(s, 2, 1.0).value() == Array<float>{1.0f, 1.0f});
  CHECK(lap_sum_sort(constant(zeros<float>({2, 0})), 1.0).shape() == Shape{2, 0});
  CHECK(error_of([&] { lap_sum_top_k(s, 2.5, 1.0); }) ==
        "invalid_argument: lap_sum_top_k: k must be in 0 .. n, got 2.5 for n = 2");
  CHECK(error_of([&] { lap_sum(s, 0.0); }) ==
        "invalid_argument: lap_sum: tau must be > 0 and finite, got 0");
  CHECK(error_of([] {
          lap_sum_rank(constant(Array<double>{1.7e308, -1.7e308}), 1e308);
        }) ==
        "invalid_argument: lap_sum_rank: score 0 of row 0 is 1.7e+308; need scores within "
        "+-8.98847e+307");
  CHECK(error_of([] { lap_sum_rank(constant(scalar(1.0f)), 1.0); }) ==
        "invalid_argument: lap_sum_rank: scores are 0-d; need (..., n)");
}
