#include "ops/softmax.hpp"

#include "op_table.hpp"
#include "ops/shape.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("softmax and losses pass gradcheck, and float agrees with double") {
  const Indices labels{{0, 2}, {1, 1}};
  const Array<double> rows{{0.2, 0.5, 0.3}, {1.0, 0.0, 0.0}};
  check_rows({
      {"softmax", {{2, 2, 3}}, anywhere, [](const auto& x) { return softmax(x[0]); }},
      {"softmax, n = 1", {{4, 1}}, anywhere, [](const auto& x) { return softmax(x[0]); }},
      {"log_softmax", {{2, 2, 3}}, anywhere, [](const auto& x) { return log_softmax(x[0]); }},
      {"cross_entropy, labels",
       {{2, 2, 3}},
       anywhere,
       [=](const auto& x) { return cross_entropy(x[0], labels); }},
      {"cross_entropy, target rows",
       {{2, 3}},
       anywhere,
       [=](const auto& x) {
         using T = typename std::decay_t<decltype(x[0].value())>::value_type;
         return cross_entropy(x[0], convert<T>(rows));
       }},
      {"mse", {{2, 3}, {2, 3}}, anywhere, [](const auto& x) { return mse(x[0], x[1]); }},
  });
}

TEST_CASE("softmax neither overflows nor depends on a shift") {
  const Array<float> expected{0.5f, 0.5f, 0.0f};
  CHECK(softmax(constant(Array<float>{1e38f, 1e38f, -1e38f})).value() == expected);
  CHECK(log_softmax(constant(Array<double>{1e300, 0.0})).value() == Array<double>{0.0, -1e300});
  CHECK(cross_entropy(constant(Array<double>{{0.0, 0.0}}), Indices{1}).item() ==
        doctest::Approx(0.6931471805599453));
  CHECK(mse(constant(Array<double>{1.0, 2.0}), constant(Array<double>{1.0, 4.0})).item() == 2);
}

TEST_CASE("losses name what does not fit") {
  const auto x = constant(zeros<float>({2, 3}));
  CHECK(error_of([&] { softmax(constant(scalar(1.0f))); }) ==
        "invalid_argument: softmax: x is (); need (.., n) with n >= 1");
  CHECK(error_of([&] { cross_entropy(x, Indices{0}); }) ==
        "invalid_argument: cross_entropy: logits are (2, 3), labels are (1); need one label a row, "
        "(2)");
  CHECK(error_of([&] {
          cross_entropy(x, Indices{0, 3});
        }) ==
        "invalid_argument: cross_entropy: index 3 at position 1 is out of range for shape (2, 3); "
        "need "
        "0 <= index < 3");
  CHECK(error_of([&] {
          cross_entropy(x, zeros<float>({2, 2}));
        }) ==
        "invalid_argument: cross_entropy: shapes differ: logits is (2, 3), targets is (2, 2)");
  CHECK(error_of([&] { mse(x, constant(zeros<float>({3}))); }) ==
        "invalid_argument: mse: shapes differ: a is (2, 3), b is (3)");
}
