#include "op_table.hpp"
#include "ops/conv/relu_pool.hpp"
#include "ops/conv/sparse.hpp"
#include "ops/elementwise.hpp"
#include "ops/pool.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

template <class T>
Var<T> composed(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                const Conv2dOptions& options) {
  return max_pool2d(relu(conv2d_reference(x, weight, bias, options)), 2, 2);
}

// The value for random operands, and the three gradients.
template <class T, class Layer>
std::vector<Array<double>> results(const Layer& layer, const Shape& x, const Shape& weight,
                                   const Conv2dOptions& options) {
  Generator random(6);
  Tape<T> tape;
  const Var<T> vars[] = {tape.leaf(random.normal<T>(x)), tape.leaf(random.normal<T>(weight)),
                         tape.leaf(random.normal<T>({weight[3]}))};
  const Var<T> y = layer(vars[0], vars[1], vars[2], options);
  tape.backward(y, random.normal<T>(y.shape()));
  std::vector<Array<double>> all{convert<double>(y.value())};
  for (const Var<T>& v : vars) all.push_back(convert<double>(v.grad()));
  return all;
}

}  // namespace

TEST_CASE("conv2d_relu_pool passes gradcheck, and float agrees with double") {
  check_rows({
      {"conv2d_relu_pool, few channels",
       {{2, 5, 6, 2}, {3, 3, 2, 3}, {3}},
       anywhere,
       [](const auto& x) { return conv2d_relu_pool(x[0], x[1], x[2]); }},
      {"conv2d_relu_pool, a register of channels",
       {{1, 4, 4, 16}, {3, 3, 16, 5}, {5}},
       anywhere,
       [](const auto& x) {
         return conv2d_relu_pool(x[0], x[1], x[2], {1, 1});
       }},
  });
}

TEST_CASE("conv2d_relu_pool agrees with convolution, relu and pooling one after the other") {
  struct Case {
    Shape x, weight;
    Conv2dOptions options;
  };
  // Dense and sparse gradients; odd extents, of which a row and a column are not pooled; channels
  // that do not fill the registers; padding; kernels that are not square; the widest one.
  const std::vector<Case> cases{
      {{2, 7, 11, 24}, {3, 3, 24, 18}, {1, 1}}, {{1, 10, 9, 17}, {5, 5, 17, 16}, {1, 1}},
      {{2, 26, 9, 1}, {23, 3, 1, 4}, {1, 1}},   {{3, 13, 6, 1}, {12, 1, 1, 2}, {1, 2}},
      {{2, 8, 6, 1}, {5, 5, 1, 32}, {1, 2}},    {{2, 9, 7, 32}, {5, 5, 32, 17}, {1, 2}},
      {{3, 8, 8, 20}, {5, 5, 20, 50}, {1, 0}},  {{2, 6, 5, 16}, {3, 3, 16, 4}, {1, 1}},
      {{1, 7, 12, 48}, {2, 4, 48, 3}, {1, 1}},  {{1, 9, 9, 33}, {7, 7, 33, 2}, {1, 3}},
      {{1, 12, 12, 16}, {8, 8, 16, 2}, {1, 1}}, {{1, 4, 3, 16}, {1, 1, 16, 3}, {1, 1}},
      {{2, 9, 8, 16}, {3, 3, 16, 6}, {2, 1}},   {{2, 40, 30, 16}, {3, 3, 16, 5}, {1, 1}},
      {{3, 14, 13, 1}, {5, 5, 1, 6}, {1, 0}},   {{3, 12, 12, 6}, {5, 5, 6, 16}, {1, 0}},
      {{2, 11, 10, 3}, {3, 3, 3, 7}, {1, 1}},   {{1, 5, 4, 2}, {2, 3, 2, 5}, {1, 1}},
  };
  for (const Case& c : cases) {
    CAPTURE(to_text(c.x));
    CAPTURE(to_text(c.weight));
    const auto expected = results<double>(composed<double>, c.x, c.weight, c.options);
    const auto in_double = results<double>(conv2d_relu_pool<double>, c.x, c.weight, c.options);
    const auto in_float = results<float>(conv2d_relu_pool<float>, c.x, c.weight, c.options);
    const auto expected_float = results<float>(composed<float>, c.x, c.weight, c.options);
    for (std::size_t i = 0; i < 4; ++i) {
      CAPTURE(i);
      CHECK(distance(in_double[i], expected[i]) < 1e-14);
      CHECK(distance(in_float[i], expected_float[i]) < 2e-6);
    }
  }
}

TEST_CASE(
    "conv2d_relu_pool has the value of conv2d, relu and max_pool2d bit for bit where both sum "
    "alike") {
  const auto fast = [](const auto& x, const auto& w, const auto& b, const Conv2dOptions& options) {
    return max_pool2d(relu(conv2d(x, w, b, options)), 2, 2);
  };
  for (const std::size_t channels : {1, 20}) {
    const Shape x{2, 9, 10, channels}, weight{5, 5, channels, 18};
    CHECK(results<float>(conv2d_relu_pool<float>, x, weight, {1, 2})[0] ==
          results<float>(fast, x, weight, {1, 2})[0]);
  }
}

TEST_CASE("conv2d_relu_pool by hand: ties to the first, nothing through zeros, NaN stays") {
  Tape<double> tape;
  const auto w = tape.constant(full<double>({1, 1, 1, 1}, 1.0)), b = tape.constant({0.0});
  // Two windows: a tie of 3s, and nothing above zero.
  const auto x = tape.leaf(with_shape<double>({1, 3, -1, -7, 3, 2, 0, -7}, {1, 2, 4, 1}));
  const auto y = conv2d_relu_pool(x, w, b);
  CHECK(y.value() == with_shape<double>({3, 0}, {1, 1, 2, 1}));
  tape.backward(y, with_shape<double>({5, 6}, {1, 1, 2, 1}));
  CHECK(x.grad() == with_shape<double>({0, 5, 0, 0, 0, 0, 0, 0}, {1, 2, 4, 1}));

  for (std::size_t at = 0; at < 4; ++at) {
    Array<double> with_nan = with_shape<double>({1, 3, 3, 2}, {1, 2, 2, 1});
    with_nan.data()[at] = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isnan(conv2d_relu_pool(tape.constant(with_nan), w, b).item()));
  }
}

TEST_CASE("conv2d_relu_pool takes an empty batch, and images without channels") {
  for (const std::size_t n : {0, 2}) {
    for (const std::size_t c : {0, 3}) {
      Tape<float> tape;
      const auto x = tape.leaf(zeros<float>({n, 4, 4, c}));
      const auto w = tape.leaf(zeros<float>({3, 3, c, 5})), b = tape.leaf(full<float>({5}, 2));
      const auto y = conv2d_relu_pool(x, w, b, {1, 1});
      CHECK(y.value() == full<float>({n, 2, 2, 5}, 2));
      tape.backward(y, full<float>(y.shape(), 1));
      CHECK(x.grad() == zeros<float>(x.shape()));
      CHECK(w.grad() == zeros<float>(w.shape()));
      CHECK(b.grad() == full<float>({5}, float(n * 4)));
    }
  }
}

TEST_CASE("the sparse way is gone only where it is shorter, and 32 bits hold its offsets") {
  const auto applies = [](const Shape& x, const Shape& weight, const Conv2dOptions& options = {}) {
    using namespace tapesort::detail;
    return sparse_applies<float>(ConvGeometry("f", x, weight, {weight[3]}, options));
  };
  CHECK(applies({1, 28, 28, 16}, {5, 5, 16, 32}));
  CHECK(!applies({1, 28, 28, 16}, {5, 5, 16, 32}, {2, 0}));
  CHECK(applies({1, 28, 28, 16}, {8, 8, 16, 32}));
  CHECK(applies({1, 28, 28, 1}, {5, 5, 1, 6}));    // its outputs would not fill the registers
  CHECK(!applies({1, 28, 28, 1}, {1, 1, 1, 32}));  // nor does its one tap
  CHECK(!applies({1, 28, 28, 0}, {5, 5, 0, 32}));  // no channels
  const std::size_t large = 1 << 14;
  CHECK(applies({1, large, large - 1, 16}, {3, 3, 16, 1}));
  CHECK(!applies({1, large, large, 16}, {3, 3, 16, 1}));              // 2^32 elements
  CHECK(!applies({1, large, large - 1, 16}, {3, 3, 16, 1}, {1, 1}));  // with its border
  CHECK(!applies({1, large, large - 1, 17}, {3, 3, 17, 1}));
  CHECK(!applies({1, 9, 9, 16}, {3, 3, 16, std::size_t{1} << 30}));  // weights
}

TEST_CASE("conv2d_relu_pool says what does not fit") {
  Tape<float> tape;
  const auto x = tape.leaf(zeros<float>({2, 5, 6, 3})), b = tape.leaf(zeros<float>({4}));
  CHECK(
      error_of([&] {
        conv2d_relu_pool(x, tape.leaf(zeros<float>({3, 3, 2, 4})), b);
      }) ==
      "invalid_argument: conv2d_relu_pool: channels differ: x is (2, 5, 6, 3), weight is (3, 3, 2, "
      "4); need x.shape[3] == weight.shape[2]");
  CHECK(
      error_of([&] {
        conv2d_relu_pool(x, tape.leaf(zeros<float>({5, 5, 3, 4})), b);
      }) ==
      "invalid_argument: conv2d_relu_pool: the convolution of x (2, 5, 6, 3) gives (1, 2) pixels; "
      "need at least 2 x 2 to pool");
}
