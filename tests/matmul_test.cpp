#include "ops/matmul.hpp"

#include "op_table.hpp"
#include "ops/elementwise.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {
constexpr auto product = [](const auto& x) { return matmul(x[0], x[1]); };
}

TEST_CASE("matmul passes gradcheck, and float agrees with double") {
  check_rows({
      {"matmul", {{2, 3}, {3, 4}}, anywhere, product},
      {"matmul, whole registers of columns", {{5, 7}, {7, 32}}, anywhere, product},
      {"matmul, whole registers, batches broadcast", {{2, 1, 3, 5}, {3, 5, 16}}, anywhere, product},
      {"matmul, row", {{3}, {3, 4}}, anywhere, product},
      {"matmul, column", {{2, 3}, {3}}, anywhere, product},
      {"matmul, inner product", {{3}, {3}}, anywhere, product},
      {"matmul, extents of 1", {{1, 3}, {3, 1}}, anywhere, product},
      {"matmul, inner extent 1", {{2, 1}, {1, 4}}, anywhere, product},
      {"matmul, batch", {{5, 2, 3}, {5, 3, 4}}, anywhere, product},
      {"matmul, one b for all", {{2, 5, 2, 3}, {3, 4}}, anywhere, product},
      {"matmul, batch of rows by one column", {{5, 2, 3}, {3}}, anywhere, product},
      {"matmul, one a for all", {{2, 3}, {5, 3, 4}}, anywhere, product},
      {"matmul, batches broadcast", {{5, 1, 2, 3}, {2, 3, 4}}, anywhere, product},
      {"matmul, a with itself",
       {{3, 3}},
       anywhere,
       [](const auto& x) { return matmul(x[0], x[0]); }},
  });
}

TEST_CASE("matmul multiplies") {
  const auto a = constant(Array<double>{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  const auto b = constant(Array<double>{{1.0, 0.0}, {0.0, 1.0}, {2.0, -1.0}});
  CHECK(matmul(a, b).value() == Array<double>{{7.0, -1.0}, {16.0, -1.0}});
  CHECK(matmul(a, constant(Array<double>{1.0, 1.0, 1.0})).value() == Array<double>{6.0, 15.0});
  CHECK(matmul(constant(zeros<double>({2, 0})), constant(zeros<double>({0, 2}))).value() ==
        zeros<double>({2, 2}));
  CHECK(matmul(constant(zeros<double>({0, 2})), constant(zeros<double>({2, 3}))).shape() ==
        Shape{0, 3});
}

TEST_CASE("a product over nothing has gradients of zero, not of what was in memory") {
  const auto dirty = [](const Shape& shape) {  // recycled next, for a gradient of this shape
    full<double>(shape, std::numeric_limits<double>::quiet_NaN());
  };
  const std::vector<std::pair<Shape, Shape>> cases{{{0, 2, 3}, {1, 3, 4}},
                                                   {{0, 2, 3}, {3, 4}},
                                                   {{0, 2, 3}, {1, 3, 16}},
                                                   {{0, 2, 3}, {3, 16}},
                                                   {{0, 3}, {3, 4}},
                                                   {{0, 3}, {3, 16}},
                                                   {{0, 3}, {3}},
                                                   {{1, 2, 3}, {0, 3, 4}},
                                                   {{2, 3}, {0, 3, 4}},
                                                   {{2, 3}, {3, 0}},
                                                   {{3}, {3, 0}},
                                                   {{5, 2, 3}, {3, 0}},
                                                   {{1, 0, 2, 3}, {5, 1, 3, 4}},
                                                   {{2, 0}, {0, 4}},
                                                   {{0, 1, 2, 3}, {1, 5, 3, 4}}};
  for (const auto& shapes : cases) {
    const Shape &a_shape = shapes.first, &b_shape = shapes.second;
    CAPTURE(to_text(a_shape));
    CAPTURE(to_text(b_shape));
    Tape<double> tape;
    const auto a = tape.leaf(full<double>(a_shape, 1.0)), b = tape.leaf(full<double>(b_shape, 1.0));
    const auto c = matmul(a, b);
    const Array<double> ones = full<double>(c.shape(), 1.0);
    for (int i = 0; i < 3; ++i) dirty(a_shape), dirty(b_shape);
    tape.backward(c, ones);
    CHECK(a.grad() == zeros<double>(a_shape));
    CHECK(b.grad() == zeros<double>(b_shape));
  }
}

TEST_CASE("matmul names shapes that do not fit") {
  const auto of = [](const Shape& shape) { return constant(zeros<float>(shape)); };
  CHECK(error_of([&] {
          matmul(of({64, 10}), of({12, 3}));
        }) ==
        "invalid_argument: matmul: inner dimensions differ: a is (64, 10), b is (12, 3); need "
        "a.shape[1] == b.shape[0]");
  CHECK(
      error_of([&] { matmul(of({}), of({3})); }) ==
      "invalid_argument: matmul: a is (), b is (3); need at least one axis each (a product with a "
      "number is a * b)");
  CHECK(
      error_of([&] {
        matmul(of({2, 3, 4}), of({5, 4, 1}));
      }) ==
      "invalid_argument: matmul: shapes (2) and (5) do not broadcast; counted from the last axis, "
      "extents must be equal or 1");
}

TEST_CASE("matmul of few rows, or of a short sum, is the same as one of many") {
  Generator random(8);
  for (const std::size_t m : {1, 2, 13, 15, 64, 65, 130}) {
    for (const std::size_t k : {1, 31, 64, 65, 200}) {
      for (const std::size_t n : {8, 48, 100, 256}) {
        const auto a = constant(random.normal<float>({m, k}));
        const auto b = constant(random.normal<float>({k, n}));
        const Array<double> exact =
            matmul(constant(convert<double>(a.value())), constant(convert<double>(b.value())))
                .value();
        Array<double> plain = zeros<double>({m, n});
        for (std::size_t i = 0; i < m; ++i) {
          for (std::size_t l = 0; l < k; ++l) {
            for (std::size_t j = 0; j < n; ++j) {
              plain(i, j) += double(a.value()(i, l)) * double(b.value()(l, j));
            }
          }
        }
        CHECK(distance(exact, plain) < 1e-12 * double(k));
        CHECK(distance(convert<double>(matmul(a, b).value()), plain) < 1e-6 * double(k));
      }
    }
  }
}

TEST_CASE("a long product of few rows keeps float's digits") {
  const std::size_t k = 1000000;
  const auto a = constant(full<float>({2, k}, 0.1f)), b = constant(full<float>({k, 32}, 0.1f));
  const double exact = double(k) * double(0.1f) * double(0.1f);
  const Var<float> c = matmul(a, b);
  for (float x : c.value()) CHECK(relative_error(x, exact) < 1e-6);
}
