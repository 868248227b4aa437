#include "ops/softmax.hpp"

#include <limits>

#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/reduce.hpp"
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
      {"cross_entropy, the same target rows for all",
       {{4, 2, 3}},
       anywhere,
       [=](const auto& x) {
         using T = typename std::decay_t<decltype(x[0].value())>::value_type;
         return cross_entropy(x[0], convert<T>(rows));
       }},
      {"cross_entropy, ignored labels",
       {{2, 2, 3}},
       anywhere,
       [=](const auto& x) { return cross_entropy(x[0], labels, 1); }},
      {"cross_entropy, masked items",
       {{2, 2, 3}},
       anywhere,
       [=](const auto& x) {
         return cross_entropy(x[0], labels, ItemMask::of_lengths({{1, 3}, {2, 3}}, 3));
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

TEST_CASE("cross_entropy leaves rows and items out, whatever stands there") {
  const double inf = std::numeric_limits<double>::infinity();
  const Indices labels{2, -100, 0, -100};
  const Array<double> all{{0.5, NAN, -1.0}, {NAN, inf, 0.0}, {1.0, 2.0, -inf}, {inf, inf, inf}};
  const ItemMask items(Array<bool>{
      {true, false, true}, {false, false, false}, {true, true, false}, {false, false, false}});
  // By hand: ln(1 + e^1.5) and ln(1 + e^1) are the losses of the two rows.
  const double expected = (std::log1p(std::exp(1.5)) + std::log1p(std::exp(1.0))) / 2;
  const double p = 1 / (1 + std::exp(-1.5)), q = 1 / (1 + std::exp(-1.0));
  const Array<double> gradient{
      {p / 2, 0.0, -p / 2}, {0.0, 0.0, 0.0}, {-q / 2, q / 2, 0.0}, {0.0, 0.0, 0.0}};
  const auto check = [&](const Var<double>& x, const Var<double>& loss) {
    Tape<double>& tape = *x.node()->tape();
    tape.backward(loss);
    CHECK(loss.item() == doctest::Approx(expected).epsilon(1e-14));
    CHECK(distance(x.grad(), gradient) < 1e-15);
    tape.zero_grad();
  };
  Tape<double> tape;
  const Var<double> x = tape.leaf(all);
  check(x, cross_entropy(x, labels, items));
  Array<double> targets{{NAN, NAN, 1.0}, {NAN, NAN, NAN}, {1.0, 0.0, NAN}, {NAN, NAN, NAN}};
  targets(0, 0) = 0;
  check(x, cross_entropy(x, targets, items));
  // Rows alone, the other logits finite and far down.
  Array<double> far = all;
  far(0, 1) = far(2, 2) = -1e300;
  const Var<double> y = tape.leaf(far);
  check(y, cross_entropy(y, labels, -100));
  check(y, cross_entropy(y, labels, ItemMask(Array<bool>{true, false, true, false})));
  // None is left.
  const Var<double> nothing = cross_entropy(x, Indices{7, 7, 7, 7}, 7);
  tape.backward(nothing);
  CHECK(nothing.item() == 0);
  CHECK(x.grad() == zeros<double>({4, 3}));
  CHECK(
      error_of([&] { cross_entropy(x, labels, 5); }) ==
      "invalid_argument: cross_entropy: index -100 at position 1 is out of range for shape (1, 4, "
      "3); need 0 <= index < 3");
  CHECK(error_of([&] {
          cross_entropy(x, Indices{1, 0, 0, 0}, items);
        }) ==
        "invalid_argument: masked: row 0 has item 1 at place 0; need one of its 2 valid items of 0 "
        ".. 2");
}

TEST_CASE("softmax's pullback is exact where it should be zero") {
  const std::size_t n = 1000000;
  Generator random(4);
  Tape<float> tape;
  const Var<float> x = tape.leaf(random.normal<float>({n}));
  tape.backward(softmax(x), full<float>({n}, 1.0f));
  CHECK(x.grad() == zeros<float>({n}));
}

namespace {

// The gradient of op at the given logits for one cotangent, in double.
template <class T, class F>
Array<double> gradient_at(const Array<double>& logits, const Array<double>& cotangent, F op) {
  Tape<T> tape;
  const Var<T> x = tape.leaf(convert<T>(logits));
  tape.backward(op(x), convert<T>(cotangent));
  return convert<double>(x.grad());
}

void check_relative(const Array<double>& a, const Array<double>& b, double bound) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(a.data()[i], b.data()[i]) < bound);
  }
}

}  // namespace

TEST_CASE("saturated rows have small gradients, not zero") {
  // e^-20 and e^-25 beside 1. Expected values are from 40 digits.
  const Array<double> logits{0.0, -20.0, -25.0}, cotangent{1.0, 3.0, -2.0};
  const auto p = [](const auto& x) { return softmax(x); };
  const auto log_p = [](const auto& x) { return log_softmax(x); };
  // xbar = p (pbar - <p, pbar>), ybar - p sum ybar with sum ybar = 2
  const Array<double> of_p{-4.08064339634721425e-9, 4.12230722791232387e-9,
                           -4.1663831565109626e-11};
  const Array<double> of_log_p{-0.999999995849916876, 2.99999999587769276, -2.00000000002777589};
  check_relative(gradient_at<float>(logits, cotangent, p), of_p, 1e-6);
  check_relative(gradient_at<double>(logits, cotangent, p), of_p, 1e-14);
  check_relative(gradient_at<float>(logits, cotangent, log_p), of_log_p, 1e-6);
  check_relative(gradient_at<double>(logits, cotangent, log_p), of_log_p, 1e-14);
  const auto loss = [](const auto& x) { return cross_entropy(x, Indices(scalar<Index>(0))); };
  const Array<double> of_loss{-2.07504156199772436e-9, 2.0611536181615784e-9,
                              1.38879438361459599e-11};
  check_relative(gradient_at<float>(logits, scalar(1.0), loss), of_loss, 1e-6);
  CHECK(relative_error(loss(constant(convert<float>(logits))).item(), 2.0750415641506231e-9) <
        1e-6);
}

TEST_CASE("cross_entropy leaves out what has no weight, however unlikely") {
  const double inf = std::numeric_limits<double>::infinity(), most = 1.7976931348623157e308;
  const auto check = [](const Array<double>& logits, const auto& goal, double value,
                        const Array<double>& gradient) {
    Tape<double> tape;
    const Var<double> x = tape.leaf(logits), y = cross_entropy(x, goal);
    tape.backward(y);
    CHECK(relative_error(y.item(), value) < 1e-15);
    CHECK(distance(x.grad(), gradient) < 1e-15);
  };
  const double p = 0.2689414213699951;  // 1 / (1 + e)
  check({{0.0, -inf, 1.0}}, Indices{0}, 1.3132616875182228, {{p - 1, 0.0, 1 - p}});
  check({{0.0, -inf, 1.0}}, Array<double>{{0.5, 0.0, 0.5}}, 0.8132616875182228,
        {{p - 0.5, 0.0, 0.5 - p}});
  check({{most, -most, most}}, Indices{0}, 0.6931471805599453, {{-0.5, 0.0, 0.5}});
  const Var<double> impossible = constant(Array<double>{{0.0, -inf}});
  CHECK(cross_entropy(impossible, Indices{1}).item() == inf);
}

TEST_CASE("softmax of rows without elements has none") {
  for (const Shape& shape : {Shape{3, 0}, Shape{0, 3}}) {
    Tape<double> tape;
    const Var<double> x = tape.leaf(zeros<double>(shape));
    tape.backward(sum(softmax(x)) + sum(log_softmax(x)));
    CHECK(x.grad().shape() == shape);
  }
}

TEST_CASE("losses name what does not fit") {
  const auto x = constant(zeros<float>({2, 3}));
  CHECK(error_of([&] { softmax(constant(scalar(1.0f))); }) ==
        "invalid_argument: softmax: x is 0-d; need (.., n)");
  CHECK(error_of([&] { cross_entropy(x, Indices{0}); }) ==
        "invalid_argument: cross_entropy: logits are (2, 3), labels are (1); need one label a row, "
        "(2)");
  CHECK(error_of([&] {
          cross_entropy(x, Indices{0, 3});
        }) ==
        "invalid_argument: cross_entropy: index 3 at position 1 is out of range for shape (2, 3); "
        "need "
        "0 <= index < 3");
  CHECK(
      error_of([&] {
        cross_entropy(x, zeros<float>({2, 2}));
      }) ==
      "invalid_argument: cross_entropy: targets (2, 2) are not of the last axes of logits (2, 3)");
  CHECK(error_of([&] {
          cross_entropy(constant(zeros<float>({5, 2, 3, 3})), zeros<float>({4, 3, 3}));
        }) ==
        "invalid_argument: cross_entropy: targets (4, 3, 3) are not of the last axes of logits "
        "(5, 2, 3, 3)");
  CHECK(error_of([&] { mse(x, constant(zeros<float>({3}))); }) ==
        "invalid_argument: mse: shapes differ: a is (2, 3), b is (3)");
}
