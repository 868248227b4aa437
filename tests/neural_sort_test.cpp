#include "ops/sorting/neural_sort.hpp"

#include <cmath>
#include <limits>

#include "golden.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("neural_sort and top_k_mass pass gradcheck, and float agrees with double") {
  check_rows({
      {"neural_sort", {{5}}, distinct, [](const auto& x) { return neural_sort(x[0], 0.3); }},
      {"neural_sort, batch",
       {{2, 3, 4}},
       distinct,
       [](const auto& x) { return neural_sort(x[0], 1.0); }},
      {"neural_sort, ascending",
       {{2, 5}},
       distinct,
       [](const auto& x) { return neural_sort(x[0], 0.3, Direction::ascending); }},
      {"neural_sort, n = 1",
       {{2, 1}},
       distinct,
       [](const auto& x) { return neural_sort(x[0], 0.3); }},
      {"neural_sort, more than a register",
       {{2, 37}},
       anywhere,
       [](const auto& x) { return neural_sort(x[0], 5.0); }},
      {"top_k_mass", {{2, 7}}, distinct, [](const auto& x) { return top_k_mass(x[0], 3, 0.4); }},
      {"top_k_mass, ascending",
       {{9}},
       distinct,
       [](const auto& x) { return top_k_mass(x[0], 2, 0.4, Direction::ascending); }},
  });
}

TEST_CASE("neural_sort agrees with the published implementation") {
  for (const auto& c : golden("neuralsort.json")["cases"]) {
    CAPTURE(c["n"].get<int>());
    CAPTURE(c["tau"].get<double>());
    Tape<double> tape;
    const Var<double> s = tape.leaf(to_array<double>(c["scores"]));
    const double tau = c["tau"];
    const Var<double> P = c["hard"].get<bool>() ? neural_sort_hard(s, tau) : neural_sort(s, tau);
    tape.backward(P, to_array<double>(c["W"]));
    CHECK(distance(P.value(), to_array<double>(c["P"])) < 1e-12);
    CHECK(distance(s.grad(), to_array<double>(c["dscores"])) < 1e-12);
  }
}

TEST_CASE("top_k_mass on negative squared distances is the published kNN layer") {
  for (const auto& c : golden("dknn_layer.json")["cases"]) {
    Tape<double> tape;
    const Array<double> q = to_array<double>(c["query"]), x = to_array<double>(c["neighbors"]);
    const std::size_t M = c["M"], N = c["N"], p = c["p"];
    const Var<double> query = tape.leaf(with_shape(q, {M, 1, p})), near = tape.leaf(x);
    const Var<double> top = top_k_mass(-sum(square(query - near), -1), c["k"], c["tau"]);
    tape.backward(top, with_shape(to_array<double>(c["W"]), {M, N}));
    CHECK(distance(top.value(), with_shape(to_array<double>(c["top_k"]), {M, N})) < 1e-12);
    CHECK(distance(with_shape(query.grad(), {M, p}), to_array<double>(c["dquery"])) < 1e-12);
    CHECK(distance(near.grad(), to_array<double>(c["dneighbors"])) < 1e-12);
  }
}

TEST_CASE("P_hat: rows sum to one, tau -> 0 is the permutation, ascending reverses the rows") {
  const Array<double> scores{0.2, 0.5, 0.1};  // a 3-cycle
  const auto P = [&](double tau, Direction direction) {
    return neural_sort(constant(scores), tau, direction).value();
  };
  const Array<double> soft = P(0.3, Direction::descending), up = P(0.3, Direction::ascending);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(soft(i, 0) + soft(i, 1) + soft(i, 2) == doctest::Approx(1).epsilon(1e-14));
    for (std::size_t j = 0; j < 3; ++j) CHECK(up(i, j) == soft(2 - i, j));
  }
  CHECK(distance(P(1e-4, Direction::descending), permutation_matrix<double>(argsort(scores))) <
        1e-12);
}

TEST_CASE("neural_sort on ties, on nothing, and on what it refuses") {
  CHECK(neural_sort(constant(zeros<double>({2, 0})), 1).shape() == Shape{2, 0, 0});
  CHECK(distance(neural_sort(constant(full<double>({4}, 7.0)), 0.1).value(),
                 full<double>({4, 4}, 0.25)) < 1e-15);
  const Var<float> s = constant(Array<float>{1.0f, 2.0f});
  CHECK(error_of([&] { neural_sort(s, 0); }) ==
        "invalid_argument: neural_sort: tau must be > 0 and finite, got 0");
  CHECK(error_of([&] { neural_sort(s, std::nan("")); }) ==
        "invalid_argument: neural_sort: tau must be > 0 and finite, got nan");
  CHECK(error_of([&] { neural_sort(constant(scalar(1.0)), 1); }) ==
        "invalid_argument: neural_sort: scores are 0-d; need (..., n)");
  CHECK(error_of([&] { top_k_mass(s, 3, 1); }) ==
        "invalid_argument: top_k_mass: k = 3 is out of range for scores (2); need 1 <= k <= 2");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(error_of([&] {
          neural_sort(constant(Array<float>{{0.0f, 1.0f}, {nan, 2.0f}}), 1);
        }) ==
        "invalid_argument: neural_sort: score 0 of row 1 is nan; need finite scores (a large "
        "negative number stands for minus infinity)");
}
