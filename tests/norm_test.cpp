#include "ops/norm.hpp"

#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// batch_norm with statistics of its own, for the table: the operator's one side effect left out.
template <class T> Var<T> normalised(const Inputs<T>& x, bool training, bool relu = false) {
  BatchStatistics<T> statistics(x[0].shape().back());
  statistics.mean.fill(T(0.25));
  statistics.variance.fill(T(2));
  BatchNormOptions options;
  options.training = training;
  options.relu = relu;
  return batch_norm(x[0], x[1], x[2], statistics, options);
}

}  // namespace

TEST_CASE("batch_norm and dropout pass gradcheck, and float agrees with double") {
  check_rows({
      {"batch_norm, images",
       {{2, 3, 2, 3}, {3}, {3}},
       anywhere,
       [](const auto& x) { return normalised(x, true); }},
      {"batch_norm, matrix",
       {{5, 18}, {18}, {18}},
       anywhere,
       [](const auto& x) { return normalised(x, true); }},
      {"batch_norm, several blocks of rows",
       {{700, 19}, {19}, {19}},
       anywhere,
       [](const auto& x) { return normalised(x, true); }},
      {"batch_norm, relu",
       {{4, 2, 3}, {3}, {3}},
       anywhere,
       [](const auto& x) { return normalised(x, true, true); }},
      {"batch_norm, evaluation",
       {{2, 3, 2, 3}, {3}, {3}},
       anywhere,
       [](const auto& x) { return normalised(x, false); }},
      {"dropout",
       {{6, 5}},
       anywhere,
       [](const auto& x) {
         Generator random(3);
         return dropout(x[0], 0.25, random, true);
       }},
  });
}

TEST_CASE("batch_norm of a constant channel is beta, wherever the channel lies") {
  for (const std::size_t channels : {1, 3, 16, 19}) {
    for (const std::size_t rows : {2, 100, 1000}) {
      const Shape each{channels};
      BatchStatistics<float> statistics(channels);
      const auto y = batch_norm(constant(full<float>({rows, channels}, 10000.1f)),
                                constant(full<float>(each, 1.0f)),
                                constant(full<float>(each, 0.5f)), statistics);
      CHECK(y.value() == full<float>({rows, channels}, 0.5f));
    }
  }
}

TEST_CASE("batch_norm does not depend on the number of threads") {
  Generator random(2);
  const Array<float> x = random.normal<float>({20000, 17}),
                     ybar = random.normal<float>({20000, 17});
  const auto run = [&] {
    Tape<float> tape;
    BatchStatistics<float> statistics(17);
    const Var<float> leaf = tape.leaf(x), gamma = tape.leaf(full<float>({17}, 2.0f));
    const Var<float> beta = tape.leaf(zeros<float>({17}));
    const Var<float> y = batch_norm(leaf, gamma, beta, statistics);
    tape.backward(y, ybar);
    return std::vector<Array<float>>{y.value(),   statistics.mean, statistics.variance,
                                     leaf.grad(), gamma.grad(),    beta.grad()};
  };
  const int before = threads();
  set_threads(1);
  const auto one = run();
  set_threads(2);
  const auto two = run();
  set_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CAPTURE(i);
    CHECK(one[i] == two[i]);
  }
}

TEST_CASE("batch_norm gives every channel the mean beta and the deviation gamma") {
  Generator random(1);
  Tape<double> tape(Recording::off);
  const Array<double> x = random.normal<double>({20, 3, 3, 5}, 100.0, 7.0);
  BatchStatistics<double> statistics(5);
  const Array<double> gamma{1, 2, 3, 4, 5}, beta{5, 4, 3, 2, 1};
  const auto y =
      batch_norm(tape.constant(x), tape.constant(gamma), tape.constant(beta), statistics);
  const Array<double> means = mean(y, {0, 1, 2}).value(), variances = var(y, {0, 1, 2}).value();
  const Array<double> x_means = mean(tape.constant(x), {0, 1, 2}).value();
  const Array<double> x_variances = var(tape.constant(x), {0, 1, 2}, false, 1).value();
  for (std::size_t c = 0; c < 5; ++c) {
    CHECK(means(c) == doctest::Approx(beta(c)).epsilon(1e-10));
    CHECK(std::sqrt(variances(c)) == doctest::Approx(gamma(c)).epsilon(1e-6));
    CHECK(statistics.mean(c) == doctest::Approx(0.1 * x_means(c)).epsilon(1e-12));
    CHECK(statistics.variance(c) == doctest::Approx(0.9 + 0.1 * x_variances(c)).epsilon(1e-12));
  }

  // In evaluation one image is enough, and nothing is remembered.
  BatchNormOptions evaluation;
  evaluation.training = false;
  const BatchStatistics<double> before = statistics;
  const Array<double> one = random.normal<double>({1, 5});
  const auto z = batch_norm(tape.constant(one), tape.constant(gamma), tape.constant(beta),
                            statistics, evaluation);
  for (std::size_t c = 0; c < 5; ++c) {
    const double expected =
        gamma(c) * (one(0, c) - before.mean(c)) / std::sqrt(before.variance(c) + 1e-5) + beta(c);
    CHECK(z.value()(0, c) == doctest::Approx(expected).epsilon(1e-12));
  }
  CHECK(statistics.mean == before.mean);
  CHECK(statistics.variance == before.variance);
}

TEST_CASE("batch_norm of float data far from zero keeps its accuracy") {
  Generator random(2);
  Tape<float> tape(Recording::off);
  const Array<float> x = random.normal<float>({4000, 1}, 1000.0f, 0.5f);
  BatchStatistics<float> statistics(1);
  const auto y =
      batch_norm(tape.constant(x), tape.constant({1.0f}), tape.constant({0.0f}), statistics);
  const Array<double> values = convert<double>(y.value());
  double sum = 0, squares = 0;
  for (double v : values) sum += v, squares += v * v;
  CHECK(std::abs(sum / 4000) < 1e-3);
  CHECK(squares / 4000 == doctest::Approx(1).epsilon(1e-3));
}

TEST_CASE("batch_norm with relu is batch_norm, then relu, with NaN where it was") {
  Generator random(3);
  Array<float> x = random.normal<float>({300, 35});
  x.data()[7] = std::numeric_limits<float>::quiet_NaN();
  const Array<float> weights = random.normal<float>(x.shape());
  const auto results = [&](bool fused) {
    Tape<float> tape;
    const Inputs<float> inputs{tape.leaf(x), tape.leaf(random.split(1).normal<float>({35})),
                               tape.leaf(random.split(2).normal<float>({35}))};
    const Var<float> y = fused ? normalised(inputs, true, true) : relu(normalised(inputs, true));
    tape.backward(y, weights);
    std::vector<Array<float>> all{y.value()};
    for (const auto& v : inputs) all.push_back(v.grad());
    return all;
  };
  const auto fused = results(true), composed = results(false);
  for (std::size_t i = 0; i < fused.size(); ++i) {
    for (std::size_t k = 0; k < fused[i].size(); ++k) {
      const float a = fused[i].data()[k], b = composed[i].data()[k];
      CHECK_UNARY(a == b || (std::isnan(a) && std::isnan(b)));
    }
  }
}

TEST_CASE("dropout keeps its share, scales it, and does nothing in evaluation") {
  Generator random(7);
  Tape<double> tape;
  const auto x = tape.leaf(full<double>({100, 100}, 3.0));
  const auto y = dropout(x, 0.25, random, true);
  std::size_t zeros_seen = 0;
  for (double v : y.value()) {
    CHECK_UNARY(v == 0 || v == doctest::Approx(4));
    zeros_seen += v == 0;
  }
  CHECK(std::abs(double(zeros_seen) - 2500) < 5 * std::sqrt(10000 * 0.25 * 0.75));  // 5 deviations
  tape.backward(y, full<double>(y.shape(), 3.0));
  CHECK(x.grad() == y.value());  // linear: the same factors

  const std::uint64_t before = random.position();
  CHECK(dropout(x, 0.25, random, false).node() == x.node());
  CHECK(dropout(x, 0.0, random, true).node() == x.node());
  CHECK(random.position() == before);
}

TEST_CASE("batch_norm and dropout say what does not fit") {
  Tape<float> tape;
  Generator random(1);
  const auto leaf = [&](const Shape& shape) { return tape.leaf(zeros<float>(shape)); };
  const auto x = leaf({4, 3}), g = leaf({3});
  BatchStatistics<float> right(3), wrong(2);
  CHECK(error_of([&] { batch_norm(leaf({3}), g, g, right); }) ==
        "invalid_argument: batch_norm: x must be (..., C) with at least 2 axes, its shape is (3)");
  CHECK(error_of([&] { batch_norm(x, leaf({2}), g, right); }) ==
        "invalid_argument: batch_norm: gamma is (2), x is (4, 3); need (3)");
  CHECK(error_of([&] {
          batch_norm(x, g, leaf({3, 1}), right);
        }) == "invalid_argument: batch_norm: beta is (3, 1), x is (4, 3); need (3)");
  CHECK(error_of([&] { batch_norm(x, g, g, wrong); }) ==
        "invalid_argument: batch_norm: statistics.mean is (2), x is (4, 3); need (3)");
  CHECK(error_of([&] {
          batch_norm(leaf({1, 3}), g, g, right);
        }) ==
        "invalid_argument: batch_norm: training needs at least 2 elements a channel, x is (1, 3)");
  BatchNormOptions options;
  options.eps = 0;
  CHECK(error_of([&] { batch_norm(x, g, g, right, options); }) ==
        "invalid_argument: batch_norm: eps must be > 0 in the type of x, got 0");
  options = {};
  options.momentum = 1.5;
  CHECK(error_of([&] { batch_norm(x, g, g, right, options); }) ==
        "invalid_argument: batch_norm: need 0 <= momentum <= 1, got 1.5");
  CHECK(error_of([&] { dropout(x, 1 - 1e-9, random, true); }) ==
        "invalid_argument: dropout: need 0 <= p < 1 in the type of x, got 1");
  CHECK(error_of([&] { dropout(x, 1.0, random, true); }) ==
        "invalid_argument: dropout: need 0 <= p < 1 in the type of x, got 1");
}
