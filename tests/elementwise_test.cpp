#include "ops/elementwise.hpp"

#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("elementwise operators pass gradcheck, and float agrees with double") {
  check_rows({
      {"a + b", {{2, 3}, {2, 3}}, anywhere, [](const auto& x) { return x[0] + x[1]; }},
      {"a + b, row broadcast", {{2, 3}, {3}}, anywhere, [](const auto& x) { return x[0] + x[1]; }},
      {"a + b, column broadcast",
       {{2, 1}, {2, 3}},
       anywhere,
       [](const auto& x) { return x[0] + x[1]; }},
      {"a - b, outer", {{2, 1}, {1, 3}}, anywhere, [](const auto& x) { return x[0] - x[1]; }},
      {"a * b", {{4}, {4}}, anywhere, [](const auto& x) { return x[0] * x[1]; }},
      {"a * b, scalar", {{}, {2, 2, 3}}, anywhere, [](const auto& x) { return x[0] * x[1]; }},
      {"x * x", {{2, 3}}, anywhere, [](const auto& x) { return x[0] * x[0]; }},
      {"a / b", {{2, 3}, {2, 1}}, positive, [](const auto& x) { return x[0] / x[1]; }},
      {"numbers",
       {{3}},
       positive,
       [](const auto& x) { return (2 - (x[0] * 3 + 1) / 4) + 5 / x[0]; }},
      {"-x", {{3}}, anywhere, [](const auto& x) { return -x[0]; }},
      {"exp", {{2, 3}}, anywhere, [](const auto& x) { return exp(x[0]); }},
      {"log", {{2, 3}}, positive, [](const auto& x) { return log(x[0]); }},
      {"sqrt", {{2, 3}}, positive, [](const auto& x) { return sqrt(x[0]); }},
      {"square", {{2, 3}}, anywhere, [](const auto& x) { return square(x[0]); }},
      {"abs", {{2, 3}}, distinct, [](const auto& x) { return abs(x[0]); }},
      {"pow, number", {{2, 3}}, positive, [](const auto& x) { return pow(x[0], 2.5); }},
      {"pow", {{2, 3}, {3}}, positive, [](const auto& x) { return pow(x[0], x[1]); }},
      {"tanh", {{2, 3}}, anywhere, [](const auto& x) { return tanh(x[0]); }},
      {"sigmoid", {{2, 3}}, anywhere, [](const auto& x) { return sigmoid(x[0]); }},
      {"relu", {{2, 3}}, distinct, [](const auto& x) { return relu(x[0]); }},
      {"softplus", {{2, 3}}, anywhere, [](const auto& x) { return softplus(x[0]); }},
      {"maximum",
       {{2, 3}, {3}},
       distinct,
       [](const auto& x) { return maximum(x[0], x[1] * 1.01); }},
      {"minimum",
       {{2, 3}, {2, 1}},
       distinct,
       [](const auto& x) { return minimum(x[0], x[1] * 1.01); }},
      {"clip", {{2, 5}}, distinct, [](const auto& x) { return clip(x[0], -0.2, 0.3); }},
      {"where",
       {{2, 3}, {1, 3}},
       distinct,
       [](const auto& x) { return where(greater(x[0], x[1] * 0.5), x[0], x[1]); }},
      {"stop_gradient",
       {{2, 3}},
       anywhere,
       [](const auto& x) { return x[0] + 0 * stop_gradient(x[0]); }},
  });
}

TEST_CASE("elementwise operators at kinks and extremes do what their header says") {
  Tape<double> tape;
  const auto gradient = [&](const Array<double>& at, auto op) {
    const Var<double> x = tape.leaf(at);
    const Var<double> y = op(x);
    tape.backward(y, full<double>(y.shape(), 1.0));
    return x.grad();
  };
  CHECK(gradient({0.0}, [](auto x) { return abs(x); }) == Array<double>{0.0});
  CHECK(gradient({0.0}, [](auto x) { return relu(x); }) == Array<double>{0.0});
  CHECK(gradient({0.0}, [](auto x) { return pow(x, 0.0); }) == Array<double>{0.0});
  CHECK(gradient({1.0}, [](auto x) { return maximum(x, tapesort::constant<double>({1.0})); }) ==
        Array<double>{0.5});
  CHECK(gradient({-1.0, 2.0}, [](auto x) { return clip(x, -1.0, 1.0); }) ==
        Array<double>{1.0, 0.0});
  CHECK(softplus(tape.constant({-800.0, 800.0})).value() == Array<double>{0.0, 800.0});
  CHECK(sigmoid(tape.constant({-800.0, 800.0})).value() == Array<double>{0.0, 1.0});
}

TEST_CASE("elementwise operators name the shapes that do not broadcast") {
  Tape<float> tape;
  const Var<float> a = tape.leaf(zeros<float>({2, 3})), b = tape.leaf(zeros<float>({4}));
  CHECK(
      error_of([&] { a* b; }) ==
      "invalid_argument: mul: shapes (2, 3) and (4) do not broadcast; counted from the last axis, "
      "extents must be equal or 1");
  CHECK(error_of([&] { where(b, a, a); }).find("where: shapes (2, 3) and (4)") !=
        std::string::npos);
  CHECK(error_of([&] { clip(a, 1, 0); }) ==
        "invalid_argument: clip: need low <= high, got 1 and 0");
}
