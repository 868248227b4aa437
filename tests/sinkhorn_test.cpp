#include "ops/sorting/sinkhorn.hpp"

#include "engine/threads.hpp"
#include "golden.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/noise.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/permutation.hpp"
#include "relative_distance.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("sinkhorn passes gradcheck, and float agrees with double") {
  check_rows({
      {"sinkhorn, one matrix",
       {{4, 4}},
       anywhere,
       [](const auto& x) { return sinkhorn(x[0], 1.0); }},
      // 33 matrices: full and unfilled groups of lanes.
      {"sinkhorn, batch",
       {{33, 3, 3}},
       anywhere,
       [](const auto& x) { return sinkhorn(x[0], 0.5); }},
      {"sinkhorn, 3 iterations",
       {{2, 2, 5, 5}},
       anywhere,
       [](const auto& x) { return sinkhorn(x[0], 1.0, {3}); }},
      {"log_sinkhorn",
       {{5, 4, 4}},
       anywhere,
       [](const auto& x) { return log_sinkhorn(x[0], 2.0); }},
      {"sinkhorn, tolerance",
       {{3, 4, 4}},
       anywhere,
       [](const auto& x) {
         return sinkhorn(x[0], 1.0, {200, 1e-4});
       }},
      {"gumbel_sinkhorn",
       {{3, 4, 4}},
       anywhere,
       [](const auto& x) {
         Generator random(5);
         return gumbel_sinkhorn(x[0], 1.0, random);
       }},
  });
}

TEST_CASE("sinkhorn has the published values and gradients") {
  const nlohmann::json published = golden("sinkhorn.json");
  for (const auto& row : published["cases"]) {
    Tape<double> tape;
    const Var<double> log_alpha = tape.leaf(to_array<double>(row["log_alpha"]));
    const Var<double> P_hat = sinkhorn(log_alpha, row["tau"], {row["n_iters"]});
    CHECK(distance(P_hat.value(), to_array<double>(row["P"])) < 1e-10);
    tape.backward(P_hat, to_array<double>(row["W"]));
    CHECK(distance(log_alpha.grad(), to_array<double>(row["dlog_alpha"])) < 1e-10);
  }
}

TEST_CASE("a batch of matrices gives what each gives alone") {
  Generator random(8);
  const Array<double> batch = random.normal<double>({21, 3, 3});
  const Array<double> together = sinkhorn(constant(batch), 0.7).value();
  for (std::size_t b = 0; b < 21; ++b) {
    Array<double> alone = uninitialized<double>({3, 3});
    std::copy_n(batch.data() + 9 * b, 9, alone.data());
    alone = sinkhorn(constant(alone), 0.7).value();
    for (std::size_t e = 0; e < 9; ++e) {
      CHECK(together.data()[9 * b + e] == doctest::Approx(alone.data()[e]).epsilon(1e-13));
    }
  }
}

TEST_CASE("sinkhorn of any size, on any number of threads, is log_softmax by rows and columns") {
  const int before = threads();
  for (const std::size_t n : {1, 7, 16, 17, 40, 330}) {
    for (const std::size_t matrices : {1, 2}) {
      CAPTURE(n);
      CAPTURE(matrices);
      Generator random(n);
      const Shape shape{matrices, n, n};
      Array<double> logits = random.normal<double>(shape);
      const Array<double> ybar = random.normal<double>(shape);
      if (n > 1) logits(0, 0, n - 1) = -1e30;  // forbidden
      Tape<double> tape;
      const Var<double> x = tape.leaf(logits);
      Var<double> expected = x / 0.5;
      for (int half = 0; half < 10; ++half) {
        expected = transpose(log_softmax(expected), {0, 2, 1});
      }
      expected = exp(expected);
      tape.backward(expected, ybar);
      for (const int count : {1, 3}) {
        set_threads(count);
        const Var<double> same = tape.leaf(logits);
        const Var<double> y = sinkhorn(same, 0.5, {5});
        tape.backward(y, ybar);
        CHECK(distance(y.value(), expected.value()) < 1e-13);
        CHECK(distance(same.grad(), x.grad()) < 1e-13);
      }
    }
  }
  set_threads(before);
}

TEST_CASE("sinkhorn converges to doubly stochastic matrices, and stops at the tolerance") {
  Generator random(9);
  const Var<double> log_alpha = constant(random.normal<double>({2, 6, 6}, 0, 2));
  CHECK_FALSE(is_doubly_stochastic(sinkhorn(log_alpha, 1.0, {2}).value(), 1e-6));
  CHECK(is_doubly_stochastic(sinkhorn(log_alpha, 1.0, {500}).value(), 1e-9));
  const double error = stochastic_error(sinkhorn(log_alpha, 1.0, {500, 1e-3}).value());
  CHECK(error <= 1e-3);
  CHECK(error > 1e-9);  // it did stop
}

TEST_CASE("sinkhorn tends to the best assignment, ties stay undecided, extremes stay finite") {
  Generator random(10);
  const Array<double> gain = random.normal<double>({5, 5});
  const Array<double> P_hat = sinkhorn(constant(gain), 0.01, {5000}).value();
  CHECK(nearest_permutation(P_hat) == best_assignment(gain));
  CHECK(distance(sinkhorn(constant(zeros<double>({3, 3})), 0.1).value(),
                 full<double>({3, 3}, 1.0 / 3)) < 1e-15);
  const Array<float> forbidden{{-1e30f, 0.0f}, {0.0f, 0.0f}};
  // The only matrix left has P[0, 1] = P[1, 0] = 1, approached like 1 / iterations.
  const Array<float> P = sinkhorn(constant(forbidden), 1.0).value();
  CHECK(P(0, 0) == 0);
  CHECK(P(0, 1) > 0.95);
  CHECK(P(1, 1) < 0.05);
}

TEST_CASE("gumbel_sinkhorn is sinkhorn without noise, and varies with it") {
  const Var<double> log_alpha = constant(Array<double>{{0.3, -0.2}, {0.5, 1.0}});
  Generator random(11);
  CHECK(gumbel_sinkhorn(log_alpha, 1.0, random, 0.0).value() == sinkhorn(log_alpha, 1.0).value());
  Generator same = random;
  const Array<double> noise = gumbel_noise<double>({2, 2}, same);
  CHECK(gumbel_sinkhorn(log_alpha, 1.0, random, 0.5).value() ==
        sinkhorn((log_alpha - constant(Array<double>{{0.3, 0.3}, {1.0, 1.0}})) +
                     constant<double>(0.5 * noise),
                 1.0)
            .value());
  // What a row has in common is taken out before: beside 1e8 the noise would be rounded in float.
  Generator again = same, repeated = same;
  const Var<float> row{constant(Array<float>{{0.0f, 8.0f}, {0.0f, -8.0f}})};
  CHECK(gumbel_sinkhorn(row + constant(Array<float>{{1e8f, 1e8f}, {-1e8f, -1e8f}}), 4.0, again)
            .value() == gumbel_sinkhorn(row, 4.0, repeated).value());
  const Array<double> one = gumbel_sinkhorn(log_alpha, 1.0, random).value();
  CHECK(one != gumbel_sinkhorn(log_alpha, 1.0, random).value());
  // As tau -> 0 a 2 x 2 sample is the identity when a logistic variable, the difference of sums of
  // Gumbels, exceeds -(0.3 + 1.0 - 0.5 + 0.2): count against that, four standard deviations wide.
  // The noise is G00 + G11 - G01 - G10, the sum of two standard logistics L1 + L2, for which
  // P(L1 + L2 > -c) = e^c (e^c - 1 - c) / (e^c - 1)^2.
  const double c = 1.0, e = std::exp(c), expected = e * (e - 1 - c) / ((e - 1) * (e - 1));
  int identities = 0;
  const int samples = 4000;
  for (int i = 0; i < samples; ++i) {
    identities += gumbel_sinkhorn(log_alpha, 1.0, random).value()(0, 0) > 0.5;
  }
  CHECK(std::abs(identities / double(samples) - expected) <
        4 * std::sqrt(expected * (1 - expected) / samples));
}

TEST_CASE_TEMPLATE("sinkhorn at a small tau is the permutation, or names tau", T, float, double) {
  const Array<T> gain{{T(0.5), T(2), T(0)}, {T(3), T(1), T(0)}, {T(0), T(0), T(1)}};
  const double smallest = double(std::numeric_limits<T>::min());
  for (const bool batch : {false, true}) {  // alone, and in lanes
    const Array<T> input = batch ? broadcast_to(constant(gain), {8, 3, 3}).value() : gain;
    for (double tau : {smallest, 1e-30, 1e-3}) {
      Tape<T> tape;
      const Var<T> x = tape.leaf(input);
      const Var<T> P = sinkhorn(x, tau);
      CHECK(nearest_permutation(P.value()) == best_assignment(input));
      CHECK(is_doubly_stochastic(P.value(), 1e-6));
      for (T log_p : log_sinkhorn(x, tau).value()) CHECK(std::isfinite(log_p));
      tape.backward(P, Generator(3).normal<T>(P.shape()));
      for (T g : x.grad()) CHECK(std::isfinite(g));
    }
  }
  CHECK(error_of([&] { sinkhorn(constant(gain), smallest / 100); }).find("sinkhorn: tau is ") !=
        std::string::npos);
  // A forbidden column stays a column: its item is as likely at every place.
  Array<T> forbidden = gain;
  for (std::size_t i = 0; i < 3; ++i) forbidden(i, 2) = T(-3e38);
  const Array<T> P = sinkhorn(constant(forbidden), 0.5).value();
  CHECK(stochastic_error(P, -2) < 1e-6);
}

TEST_CASE("sinkhorn's float gradients agree with double where rows are almost certain") {
  const Array<double> gain{{3.0, 0.5, -0.25}, {0.125, -1.0, 3.5}, {-0.75, 4.0, 0.625}};
  const auto gradient = [&](auto number, const Array<double>& w) {
    using T = decltype(number);
    Tape<T> tape;
    const Var<T> x = tape.leaf(convert<T>(gain));
    tape.backward(sinkhorn(x, 0.15), convert<T>(w));
    return convert<double>(x.grad());
  };
  const Array<double> w = Generator(3).normal<double>({3, 3}), exact = gradient(1.0, w);
  CHECK(relative_distance(gradient(1.0f, w), exact, 0) < 1e-3);
  double largest = 0;
  for (double g : exact) largest = std::max(largest, std::abs(g));
  CHECK(largest < 1e-6);
  for (double g : gradient(1.0f, full<double>({3, 3}, 0.1))) CHECK(std::abs(g) < 1e-6 * largest);
}

TEST_CASE("sinkhorn refuses what it cannot compute") {
  const Var<float> square = constant(zeros<float>({2, 2}));
  CHECK(error_of([] {
          sinkhorn(constant(zeros<float>({2, 3})), 1.0);
        }) == "invalid_argument: sinkhorn: log_alpha is (2, 3); need square matrices (..., n, n)");
  CHECK(error_of([&] { sinkhorn(square, -1.0); }) ==
        "invalid_argument: sinkhorn: tau must be > 0 and finite, got -1");
  CHECK(error_of([&] { log_sinkhorn(square, 1.0, {0}); }) ==
        "invalid_argument: log_sinkhorn: iterations must be >= 1, got 0");
  CHECK(error_of([&] {
          sinkhorn(square, 1.0, {20, -0.1});
        }) == "invalid_argument: sinkhorn: tolerance must be >= 0, got -0.1");
  CHECK(
      error_of([] {
        sinkhorn(constant(full<float>({1, 1}, INFINITY)), 1.0);
      }) ==
      "invalid_argument: sinkhorn: log_alpha has an entry inf; need finite ones (a large negative "
      "number forbids a place)");
}
