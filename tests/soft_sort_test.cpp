#include "ops/sorting/soft_sort.hpp"

#include "golden.hpp"
#include "op_table.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/logits.hpp"
#include "ops/sorting/permutation.hpp"
#include "relative_distance.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("soft_sort passes gradcheck, and float agrees with double") {
  check_rows({
      {"soft_sort", {{6}}, distinct, [](const auto& x) { return soft_sort(x[0], 0.2); }},
      {"soft_sort, batch",
       {{2, 3, 4}},
       distinct,
       [](const auto& x) { return soft_sort(x[0], 1.5); }},
      {"soft_sort, p = 2", {{5}}, distinct, [](const auto& x) { return soft_sort(x[0], 0.1, 2); }},
      {"soft_sort, p = 1.5",
       {{5}},
       distinct,
       [](const auto& x) { return soft_sort(x[0], 0.1, 1.5); }},
      {"soft_sort, ascending",
       {{2, 5}},
       distinct,
       [](const auto& x) { return soft_sort(x[0], 0.3, 1, Direction::ascending); }},
      {"soft_sort, n = 1", {{3, 1}}, distinct, [](const auto& x) { return soft_sort(x[0], 0.3); }},
      {"soft_sort, n = 37", {{37}}, distinct, [](const auto& x) { return soft_sort(x[0], 0.5); }},
  });
}

TEST_CASE("soft_sort has the published values and gradients") {
  const nlohmann::json published = golden("softsort.json");
  for (const auto& row : published["cases"]) {
    Tape<double> tape;
    const Var<double> s = tape.leaf(to_array<double>(row["scores"]));
    const Var<double> P_hat = soft_sort(s, row["tau"], row["pow"]);
    CHECK(distance(P_hat.value(), to_array<double>(row["P"])) < 1e-10);
    tape.backward(P_hat, to_array<double>(row["W"]));
    CHECK(distance(s.grad(), to_array<double>(row["dscores"])) < 1e-10);
  }
}

TEST_CASE("soft_sort is row-stochastic and unimodal, and tends to the permutation") {
  Tape<double> tape(Recording::off);
  const Array<double> scores{0.3, -1.0, 2.0, 0.35};  // its order is a 3-cycle and a fixed point
  for (double power : {1.0, 2.0}) {
    CHECK(is_unimodal(soft_sort(tape.constant(scores), 1.0, power).value(), 1e-12));
  }
  const Array<double> hard = permutation_matrix<double>(argsort(scores));
  CHECK(distance(soft_sort(tape.constant(scores), 1e-3).value(), hard) < 1e-12);
  const Array<double> up = soft_sort(tape.constant(scores), 1.0, 1, Direction::ascending).value();
  const Array<double> down = soft_sort(tape.constant(scores), 1.0).value();
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) CHECK(up(i, j) == down(3 - i, j));
  }
}

TEST_CASE("soft_sort shares mass equally among ties, and takes scores of any size") {
  Tape<double> tape;
  const Var<double> s = tape.leaf(Array<double>{1.0, 2.0, 1.0});
  const Var<double> P_hat = soft_sort(s, 0.7);
  for (std::size_t i = 0; i < 3; ++i) CHECK(P_hat.value()(i, 0) == P_hat.value()(i, 2));
  tape.backward(P_hat, Array<double>{{1.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}});
  // Row 0 is e^(-|2 - s_j| / tau) over its sum; moving both equal scores alike is smooth.
  const double e = std::exp(-1 / 0.7), z = 1 + 2 * e, p = e / z;
  CHECK(s.grad()(0) == doctest::Approx(p * (1 - p) / 0.7));
  CHECK(s.grad()(2) == doctest::Approx(-p * p / 0.7));
  const Array<float> huge{1e38f, -1e38f, 3.0f};
  CHECK(is_unimodal(soft_sort(constant(huge), 1.0).value()));
  const double q = 1 / (1 + std::exp(-2.0));  // scores whose difference is no float
  const Var<float> wide = constant(Array<float>{2e38f, -2e38f});
  const Array<double> by_two{{q, 1 - q}, {1 - q, q}};
  CHECK(distance(convert<double>(soft_sort(wide, 2e38).value()), by_two) < 1e-6);
  CHECK(distance(convert<double>(softmax(soft_sort_logits(wide, 2e38)).value()), by_two) < 1e-6);
  CHECK(soft_sort(constant(zeros<float>({2, 0})), 1.0).shape() == Shape{2, 0, 0});
}

TEST_CASE("soft_sort where its slope overflows and the probability is 0") {
  const auto gradient = [](const Array<float>& scores, double tau, double power) {
    Tape<float> tape;
    const Var<float> s = tape.leaf(scores);
    const Array<float> one{{0.0f, 0.0f, 0.0f}, {0.0f, 1.0f, 0.0f}, {0.0f, 0.0f, 0.0f}};
    tape.backward(soft_sort(s, tau, power), one);
    return convert<double>(s.grad());
  };
  // Of the scores 1 and 0 in row 1: p = 1 / (1 + 1/e), and the gradient 3 p (1 - p).
  const double p = std::exp(-1.0) / (1 + std::exp(-1.0)), g = 3 * p * (1 - p);
  CHECK(distance(gradient({1e20f, 0.0f, 1.0f}, 1, 3), {0.0, g, -g}) < 1e-6);
  CHECK(distance(gradient({3e38f, 0.0f, 1.0f}, 1, 3), {0.0, g, -g}) < 1e-6);
  CHECK(distance(gradient({-3e38f, 3e38f, 0.0f}, 1, 2), {0.0, 0.0, 0.0}) == 0);
  // Scores and tau^(1/power) scaled together, where |d|^power has no place in float.
  CHECK(distance(1e13 * gradient({1e33f, 0.0f, 1e13f}, 1e38, 38.0 / 13),
                 {0.0, g / 3 * 38 / 13, -g / 3 * 38 / 13}) < 1e-5);
}

TEST_CASE("soft_sort's small gradients where rows are almost certain") {
  const Array<double> s{0.3, -1.0, 2.0}, w{{0.4, 2.0, -1.0}, {1.5, 0.1, 0.7}, {-0.6, 1.1, 3.0}};
  for (double power : {1.0, 2.0}) {
    const auto gradient = [&](auto number, const Array<double>& cotangent) {
      using T = decltype(number);
      Tape<T> tape;
      const Var<T> x = tape.leaf(convert<T>(s));
      tape.backward(soft_sort(x, 0.05, power), convert<T>(cotangent));
      return convert<double>(x.grad());
    };
    const Array<double> exact = gradient(1.0, w);
    CHECK(std::abs(exact(0)) < 1e-8);
    CHECK(relative_distance(gradient(1.0f, w), exact, 0) < 1e-4);
    CHECK(gradient(1.0f, full<double>({3, 3}, 0.1)) == zeros<double>({3}));
  }
}

TEST_CASE_TEMPLATE("soft_sort at a small tau is the permutation, or names tau", T, float, double) {
  const Var<T> s = constant(Array<T>{T(2), T(3), T(1)});
  const Array<T> sorted{{T(0), T(1), T(0)}, {T(1), T(0), T(0)}, {T(0), T(0), T(1)}};
  const double smallest = double(std::numeric_limits<T>::min());
  for (double power : {1.0, 2.0, 3.0}) {
    Tape<T> tape;
    const Var<T> x = tape.leaf(s.value());
    const Var<T> P = soft_sort(x, smallest, power);
    CHECK(P.value() == sorted);
    tape.backward(P, sorted);
    CHECK(x.grad() == zeros<T>({3}));
  }
  CHECK(error_of([&] { soft_sort(s, smallest / 100); }).find("tau^(1/power) is ") !=
        std::string::npos);
  CHECK(soft_sort(s, double(std::numeric_limits<T>::max()) / 2).value() ==
        full<T>({3, 3}, T(1) / 3));
}

TEST_CASE("soft_sort refuses what it cannot compute") {
  const Var<float> s = constant(Array<float>{1.0f, 2.0f});
  CHECK(error_of([&] { soft_sort(s, 0.0); }) ==
        "invalid_argument: soft_sort: tau must be > 0 and finite, got 0");
  CHECK(error_of([&] { soft_sort(s, 1.0, -1.0); }) ==
        "invalid_argument: soft_sort: power must be > 0 and finite, got -1");
  CHECK(error_of([] { soft_sort(constant(scalar(1.0f)), 1.0); }) ==
        "invalid_argument: soft_sort: scores are 0-d; need (..., n)");
  CHECK(error_of([] {
          soft_sort(constant(Array<float>{0.0f, INFINITY}), 1.0);
        }) ==
        "invalid_argument: soft_sort: score 1 of row 0 is inf; need finite scores (a mask leaves "
        "out items that are not there)");
}
