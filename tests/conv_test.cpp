#include "ops/conv/conv.hpp"

#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "op_table.hpp"
#include "ops/conv/relu_pool.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// The value of a convolution of random operands, and its three gradients.
template <class T, class Convolution>
std::vector<Array<T>> results(const Convolution& convolution, const Shape& x, const Shape& weight,
                              const Conv2dOptions& options) {
  Generator random(5);
  Tape<T> tape;
  const Var<T> vars[] = {tape.leaf(random.normal<T>(x)), tape.leaf(random.normal<T>(weight)),
                         tape.leaf(random.normal<T>({weight[3]}))};
  const Var<T> y = convolution(vars[0], vars[1], vars[2], options);
  tape.backward(y, random.normal<T>(y.shape()));
  return {y.value(), vars[0].grad(), vars[1].grad(), vars[2].grad()};
}

template <class T>
Var<T> convolution(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                   const Conv2dOptions& options) {
  return conv2d(x, weight, bias, options);
}

struct Case {
  Shape x, weight;
  Conv2dOptions options;
};

// Extents on either side of a vector's and a tile's length, kernels that are not square, strides
// that do and do not divide, padding beyond the kernel, single pixels and channels.
const std::vector<Case> cases{
    {{2, 5, 6, 3}, {3, 3, 3, 4}, {1, 0}},
    {{2, 5, 6, 3}, {3, 3, 3, 4}, {1, 1}},
    {{3, 7, 9, 1}, {5, 5, 1, 32}, {1, 2}},
    {{1, 9, 15, 32}, {5, 5, 32, 64}, {1, 2}},
    {{2, 12, 12, 20}, {5, 5, 20, 50}, {1, 0}},
    {{2, 8, 8, 16}, {3, 3, 16, 32}, {2, 1}},
    {{2, 7, 8, 16}, {1, 1, 16, 17}, {2, 0}},
    {{1, 6, 31, 5}, {2, 4, 5, 33}, {1, 1}},
    {{1, 11, 10, 2}, {3, 2, 2, 3}, {3, 2}},
    {{4, 1, 1, 7}, {1, 1, 7, 9}, {1, 0}},
    {{1, 2, 2, 3}, {3, 3, 3, 2}, {1, 4}},
    {{1, 5, 6, 2}, {3, 3, 2, 2}, {2, 3}},
    // 3 x 3 and 5 x 5 at stride 1, with channels enough: Winograd's way
    {{2, 10, 9, 21}, {5, 5, 21, 18}, {1, 2}},
    {{1, 31, 18, 16}, {5, 5, 16, 48}, {1, 0}},
    {{2, 3, 2, 17}, {5, 5, 17, 16}, {1, 3}},
    {{2, 9, 8, 18}, {3, 3, 18, 21}, {1, 1}},
    {{3, 7, 9, 16}, {3, 3, 16, 48}, {1, 1}},
    {{1, 30, 29, 32}, {3, 3, 32, 16}, {1, 0}},
    {{2, 1, 1, 16}, {3, 3, 16, 16}, {1, 1}},
    {{1, 3, 4, 64}, {3, 3, 64, 64}, {1, 2}},
};

}  // namespace

TEST_CASE("conv2d passes gradcheck, and float agrees with double") {
  check_rows({
      {"conv2d, valid",
       {{2, 4, 5, 2}, {3, 3, 2, 3}, {3}},
       anywhere,
       [](const auto& x) { return conv2d(x[0], x[1], x[2]); }},
      {"conv2d, same",
       {{2, 4, 3, 2}, {3, 3, 2, 3}, {3}},
       anywhere,
       [](const auto& x) { return conv2d(x[0], x[1], x[2], Conv2dOptions::same(3)); }},
      {"conv2d, stride 2",
       {{1, 6, 5, 1}, {3, 2, 1, 2}, {2}},
       anywhere,
       [](const auto& x) {
         return conv2d(x[0], x[1], x[2], {2, 1});
       }},
      {"conv2d, 17 channels",
       {{1, 3, 3, 17}, {3, 3, 17, 18}, {18}},
       anywhere,
       [](const auto& x) {
         return conv2d(x[0], x[1], x[2], {1, 1});
       }},
      {"conv2d, no bias",
       {{2, 4, 5, 2}, {3, 3, 2, 3}},
       anywhere,
       [](const auto& x) {
         return conv2d(x[0], x[1], {1, 1});
       }},
      {"conv2d_reference",
       {{2, 4, 5, 2}, {3, 3, 2, 3}, {3}},
       anywhere,
       [](const auto& x) {
         return conv2d_reference(x[0], x[1], x[2], {2, 1});
       }},
  });
}

TEST_CASE("conv2d agrees with the plain loop, value and gradients") {
  for (const Case& c : cases) {
    CAPTURE(to_text(c.x));
    CAPTURE(to_text(c.weight));
    const auto expected = results<double>(conv2d_reference<double>, c.x, c.weight, c.options);
    const auto in_double = results<double>(convolution<double>, c.x, c.weight, c.options);
    for (std::size_t i = 0; i < 4; ++i) CHECK(distance(in_double[i], expected[i]) < 1e-14);
    const auto plain_float = results<float>(conv2d_reference<float>, c.x, c.weight, c.options);
    const auto in_float = results<float>(convolution<float>, c.x, c.weight, c.options);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(distance(convert<double>(in_float[i]), convert<double>(plain_float[i])) < 2e-6);
    }
  }
}

TEST_CASE("conv2d on a case done by hand: a correlation, not flipped") {
  Tape<double> tape(Recording::off);
  const auto x = tape.constant(with_shape<double>({1, 2, 3, 4, 5, 6}, {1, 2, 3, 1}));
  const auto w = tape.constant(with_shape<double>({1, 10}, {1, 2, 1, 1}));
  const auto y = conv2d(x, w, tape.constant({0.5}));
  CHECK(y.shape() == Shape{1, 2, 2, 1});
  CHECK(y.value() == with_shape<double>({21.5, 32.5, 54.5, 65.5}, {1, 2, 2, 1}));
}

TEST_CASE("conv2d is the same, bit for bit, at each run, and forward at any number of threads") {
  const int before = threads();
  for (const Case& c : {cases[4], Case{{4, 7, 9, 16}, {3, 3, 16, 48}, {1, 1}}}) {
    const auto first = results<float>(convolution<float>, c.x, c.weight, c.options);
    CHECK(results<float>(convolution<float>, c.x, c.weight, c.options) == first);
    set_threads(1);
    const auto alone = results<float>(convolution<float>, c.x, c.weight, c.options);
    set_threads(3);
    const auto three = results<float>(convolution<float>, c.x, c.weight, c.options);
    set_threads(before);
    for (const std::size_t i : {0, 1}) {  // sums over images are split otherwise
      CHECK(alone[i] == first[i]);
      CHECK(three[i] == first[i]);
    }
  }
}

TEST_CASE("conv2d takes an empty batch") {
  const auto r = results<float>(convolution<float>, {0, 4, 4, 2}, {3, 3, 2, 5}, {1, 1});
  CHECK(r[0].shape() == Shape{0, 4, 4, 5});
  CHECK(r[2] == zeros<float>({3, 3, 2, 5}));
  CHECK(r[3] == zeros<float>({5}));
}

TEST_CASE("gradients of weight and bias over many images keep their digits in float") {
  const std::size_t n = 20000;
  Tape<float> tape;
  const auto x = tape.leaf(full<float>({n, 4, 4, 1}, 0.1f));
  const auto w = tape.leaf(full<float>({3, 3, 1, 2}, 0.1f)), b = tape.leaf(zeros<float>({2}));
  const auto sums_to = [&](const Var<float>& y, double weight, double bias) {
    tape.zero_grad();
    tape.backward(y, full<float>(y.shape(), 0.1f));
    for (const float g : w.grad()) CHECK(g == doctest::Approx(weight).epsilon(1e-6));
    for (const float g : b.grad()) CHECK(g == doctest::Approx(bias).epsilon(1e-6));
  };
  sums_to(conv2d(x, w, b, {1, 0}), n * 4 * 0.01, n * 4 * 0.1);
  sums_to(conv2d_relu_pool(x, w, b, {1, 0}), n * 0.01, n * 0.1);
}

TEST_CASE("conv2d takes images without channels: y is the bias") {
  for (const std::size_t o : {5, 16}) {
    for (const std::size_t n : {0, 2}) {
      Tape<float> tape;
      const auto x = tape.leaf(zeros<float>({n, 4, 4, 0}));
      const auto w = tape.leaf(zeros<float>({3, 3, 0, o})), b = tape.leaf(full<float>({o}, 2));
      const auto y = conv2d(x, w, b, {1, 1});
      CHECK(y.value() == full<float>({n, 4, 4, o}, 2));
      tape.backward(y, full<float>(y.shape(), 1));
      CHECK(x.grad().shape() == x.shape());
      CHECK(w.grad().shape() == w.shape());
      CHECK(b.grad() == full<float>({o}, float(n * 16)));
    }
  }
}

TEST_CASE("conv2d says what does not fit") {
  Tape<float> tape;
  const auto leaf = [&](const Shape& shape) { return tape.leaf(zeros<float>(shape)); };
  const auto x = leaf({2, 5, 6, 3}), w = leaf({3, 3, 3, 4}), b = leaf({4});
  CHECK(error_of([&] {
          conv2d(leaf({5, 6, 3}), w, b);
        }) == "invalid_argument: conv2d: x must be (N, H, W, C), its shape is (5, 6, 3)");
  CHECK(error_of([&] {
          conv2d(x, leaf({3, 3}), b);
        }) == "invalid_argument: conv2d: weight must be (KH, KW, C, O), its shape is (3, 3)");
  CHECK(
      error_of([&] {
        conv2d(x, leaf({3, 3, 2, 4}), b);
      }) ==
      "invalid_argument: conv2d: channels differ: x is (2, 5, 6, 3), weight is (3, 3, 2, 4); need "
      "x.shape[3] == weight.shape[2]");
  CHECK(error_of([&] { conv2d(x, w, leaf({3})); }) ==
        "invalid_argument: conv2d: bias is (3), weight is (3, 3, 3, 4); need bias of shape (4)");
  CHECK(error_of([&] {
          conv2d(x, w, b, {0, 0});
        }) == "invalid_argument: conv2d: stride must be >= 1, got 0");
  const std::size_t most = std::size_t{1} << 31;
  CHECK(error_of([&] {
          conv2d(x, w, b, {std::size_t(-1), 0});
        }) ==
        "invalid_argument: conv2d: stride and padding must be <= 2147483648, got "
        "18446744073709551615 and 0");
  CHECK(error_of([&] {
          conv2d(x, w, b, {1, 4 * most});
        }).find("stride and padding must be <= 2147483648") != std::string::npos);
  CHECK(error_of([&] {
          conv2d(x, w, b, {1, most});
        }).find("array: shape (2, 4294967299, 4294967300, 4) is too large") != std::string::npos);
  CHECK(error_of([&] {
          conv2d(x, leaf({6, 3, 3, 4}), b);
        }) ==
        "invalid_argument: conv2d: the kernel of weight (6, 3, 3, 4) is larger than the image of x "
        "(2, 5, 6, 3) with padding 0");
  CHECK(error_of([&] {
          conv2d(x, leaf({0, 3, 3, 4}), b);
        }) ==
        "invalid_argument: conv2d: weight is (0, 3, 3, 4); need a kernel of at least 1 x 1 and an "
        "output channel");
  CHECK(error_of([&] { Conv2dOptions::same(4); }) ==
        "invalid_argument: Conv2dOptions::same: the kernel must be odd, got 4");
}
