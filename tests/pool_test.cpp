#include "ops/pool.hpp"

#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("pooling passes gradcheck, and float agrees with double") {
  check_rows({
      {"max_pool2d",
       {{2, 4, 6, 3}},
       distinct,
       [](const auto& x) { return max_pool2d(x[0], 2, 2); }},
      {"max_pool2d, odd rest",
       {{2, 5, 7, 17}},
       distinct,
       [](const auto& x) { return max_pool2d(x[0], 2, 2); }},
      {"max_pool2d, overlapping",
       {{1, 5, 6, 2}},
       distinct,
       [](const auto& x) { return max_pool2d(x[0], 3, 1); }},
      {"max_pool2d, gaps",
       {{1, 5, 6, 2}},
       distinct,
       [](const auto& x) { return max_pool2d(x[0], 1, 3); }},
      {"avg_pool2d",
       {{2, 4, 6, 3}},
       anywhere,
       [](const auto& x) { return avg_pool2d(x[0], 2, 2); }},
      {"avg_pool2d, overlapping",
       {{2, 5, 4, 17}},
       anywhere,
       [](const auto& x) { return avg_pool2d(x[0], 3, 1); }},
  });
}

TEST_CASE("pooling by hand: values, ties, NaN") {
  Tape<double> tape;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // 2 x 4 pixels of one channel: two windows.
  const auto x = tape.leaf(with_shape<double>({1, 3, 7, 7, 3, 2, 7, 7}, {1, 2, 4, 1}));
  const auto y = max_pool2d(x, 2, 2);
  CHECK(y.value() == with_shape<double>({3, 7}, {1, 1, 2, 1}));
  CHECK(avg_pool2d(x, 2, 2).value() == with_shape<double>({2.25, 7}, {1, 1, 2, 1}));
  tape.backward(y, with_shape<double>({5, 6}, {1, 1, 2, 1}));
  CHECK(x.grad() == with_shape<double>({0, 5, 6, 0, 0, 0, 0, 0}, {1, 2, 4, 1}));

  for (std::size_t at = 0; at < 4; ++at) {
    Array<double> with_nan = with_shape<double>({1, 3, 3, 2}, {1, 2, 2, 1});
    with_nan.data()[at] = nan;
    CHECK(std::isnan(max_pool2d(tape.constant(with_nan), 2, 2).item()));
  }
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(max_pool2d(tape.constant(full<double>({1, 2, 2, 1}, -inf)), 2, 2).item() == -inf);
}

TEST_CASE("the mean of a large window keeps its digits in float") {
  for (const std::size_t channels : {1, 17}) {
    const Var<float> x = constant(full<float>({1, 400, 400, channels}, 0.1f));
    const Array<float> mean = avg_pool2d(x, 400, 400).value();
    for (const float m : mean) CHECK(m == doctest::Approx(0.1f).epsilon(1e-5));
  }
}

TEST_CASE("pooling says what does not fit") {
  Tape<float> tape;
  const auto x = tape.leaf(zeros<float>({2, 5, 6, 3}));
  CHECK(error_of([&] {
          max_pool2d(tape.leaf(zeros<float>({5, 6})), 2, 2);
        }) == "invalid_argument: max_pool2d: x must be (N, H, W, C), its shape is (5, 6)");
  CHECK(error_of([&] { max_pool2d(x, 0, 2); }) ==
        "invalid_argument: max_pool2d: window and stride must be >= 1, got 0 and 2");
  CHECK(error_of([&] { avg_pool2d(x, 2, 0); }) ==
        "invalid_argument: avg_pool2d: window and stride must be >= 1, got 2 and 0");
  CHECK(error_of([&] { avg_pool2d(x, 6, 1); }) ==
        "invalid_argument: avg_pool2d: a window of 6 x 6 does not fit into x (2, 5, 6, 3)");
}
