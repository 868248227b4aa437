#include "ops/sorting/perturbed.hpp"

#include <cmath>

#include "op_table.hpp"
#include "ops/arithmetic.hpp"
#include "ops/mask.hpp"
#include "ops/reduce.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/permutation.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

const Array<double> scores{{0.3, -0.8, 0.9}, {0.0, 0.0, 1.5}};

// Whether the mean of `count` draws is within five of its standard errors of what was expected, of
// draws whose deviation is at most `deviation`.
bool close(double mean, double expected, double deviation, std::size_t count) {
  return std::abs(mean - expected) < 5 * deviation / std::sqrt(double(count));
}

}  // namespace

TEST_CASE("with Gumbel noise the perturbed first place is the softmax, value and gradient") {
  const std::size_t count = 200000;
  const double sigma = 0.7;
  Generator random(1);
  Tape<double> tape;
  const Var<double> x = tape.leaf(scores), s = tape.leaf(scores);
  const Var<double> y = perturbed_top_k(x, 1, {sigma, count, Noise::gumbel}, random);
  const Var<double> p = softmax(s / sigma);
  const Array<double> u{{1.0, -0.5, 0.2}, {0.3, 2.0, -1.0}};
  tape.backward(y, u);
  tape.backward(p, u);
  for (std::size_t i = 0; i < p.size(); ++i) {
    CHECK(close(y.value().data()[i], p.value().data()[i], 0.5, count));
    // a is within 2 of its mean, g = 1 - e^-Z has deviation 1.
    CHECK(close(x.grad().data()[i], s.grad().data()[i], 2 / sigma, count));
  }
}

TEST_CASE("with normal noise two scores' ranks are the normal distribution's, value and gradient") {
  const std::size_t count = 200000;
  const double sigma = 0.5, gap = 0.4, z = gap / (sigma * std::sqrt(2.0));
  Generator random(2);
  for (const Direction direction : {Direction::descending, Direction::ascending}) {
    const double sign = direction == Direction::descending ? 1 : -1;
    Tape<double> tape;
    const Var<double> x = tape.leaf({gap, 0.0});
    const Var<double> r = perturbed_rank(x, {sigma, count}, random, direction);
    const double first = std::erfc(-sign * z / std::sqrt(2.0)) / 2;  // that item 0 is
    CHECK(close(r.value()(0), 2 - first, 0.5, count));
    CHECK(r.value()(0) + r.value()(1) == doctest::Approx(3));
    tape.backward(r, Array<double>{1.0, 0.0});
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::acos(-1.0));
    const double slope = -sign * density / (sigma * std::sqrt(2.0));
    CHECK(close(x.grad()(0), slope, 0.5 / sigma, count));
    CHECK(close(x.grad()(1), -slope, 0.5 / sigma, count));
  }
}

TEST_CASE("perturbed matrices are doubly stochastic, and agree with ranks and top-k") {
  const Var<double> s = constant(scores);
  const auto draw = [&](auto f) {
    Generator random(3);  // the same noise
    return f(random).value();
  };
  const Perturbation p(0.5, 50);
  const Array<double> P = draw([&](auto& random) { return perturbed_sort(s, p, random); });
  const Array<double> r = draw([&](auto& random) { return perturbed_rank(s, p, random); });
  const Array<double> two = draw([&](auto& random) { return perturbed_top_k(s, 2, p, random); });
  CHECK(is_doubly_stochastic(P, 1e-14));
  for (std::size_t set = 0; set < 2; ++set) {
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(r(set, j) ==
            doctest::Approx(P(set, 0, j) + 2 * P(set, 1, j) + 3 * P(set, 2, j)).epsilon(1e-14));
      CHECK(two(set, j) == doctest::Approx(P(set, 0, j) + P(set, 1, j)).epsilon(1e-14));
    }
  }
  // sigma -> 0 is the sort.
  Generator random(4);
  CHECK(perturbed_rank(constant(Array<double>{0.3, -0.8, 0.9}), 1e-12, random).value() ==
        Array<double>{2.0, 3.0, 1.0});
}

TEST_CASE("a perturbed gradient's mean is that of the definition, worked out by hand") {
  // Two draws, f the indicator of the larger of two.
  Generator random(5), again(5);
  const Array<double> Z = again.normal<double>({2, 2});
  Tape<double> tape;
  const Var<double> x = tape.leaf({0.1, 0.0});
  const Var<double> y = perturbed_top_k(x, 1, {0.5, 2}, random);
  double a[2], expected[2] = {0, 0};
  for (std::size_t m = 0; m < 2; ++m) a[m] = 0.1 + 0.5 * Z(m, 0) > 0.5 * Z(m, 1) ? 3 : -2;
  CHECK(y.value()(0) == ((a[0] > 0) + (a[1] > 0)) / 2.0);
  for (std::size_t m = 0; m < 2; ++m) {
    for (std::size_t j = 0; j < 2; ++j) {
      expected[j] += (a[m] - (a[0] + a[1]) / 2) * Z(m, j) / (0.5 * 1);
    }
  }
  tape.backward(y, Array<double>{3.0, -2.0});
  for (std::size_t j = 0; j < 2; ++j) {
    CHECK(x.grad()(j) == doctest::Approx(expected[j]).epsilon(1e-14));
  }
}

TEST_CASE("Fenchel-Young losses pass gradcheck at fixed noise") {
  const auto first_two = [](const auto& s) {
    using T = typename std::decay_t<decltype(s)>::value_type;
    return first_of<T>(argsort(s), 2);
  };
  const Array<double> target{{1.0, 0.0, 1.0, 0.0}, {0.5, 0.5, 0.5, 0.5}};
  check_rows({{"fenchel_young_loss", {{2, 4}}, distinct, [=](const auto& x) {
                 using T = std::decay_t<decltype(x[0].item())>;
                 Generator random(6);
                 return fenchel_young_loss(x[0], convert<T>(target), first_two, {0.3, 20}, random);
               }}});
}

TEST_CASE("descending a Fenchel-Young loss finds scores with the target's order") {
  // Ranks from the smallest: the largest score has n, which makes <y, s> largest.
  const OfOrder<double> ranks = [](const Array<double>& s) {
    return ranks_of<double>(argsort(s, Direction::ascending));
  };
  const Array<double> target{2.0, 4.0, 1.0, 3.0};
  Array<double> s{0.4, 0.1, 0.3, 0.2};
  Generator random(8);
  for (int step = 0; step < 200; ++step) {
    Tape<double> tape;
    const Var<double> x = tape.leaf(s);
    tape.backward(fenchel_young_loss(x, target, ranks, 0.2, random));
    s -= 0.02 * x.grad();
  }
  CHECK(ranks(s) == target);
}

TEST_CASE("perturbed operators of masked sets, and what is refused") {
  const ItemMask mask = ItemMask::of_lengths({2, 3}, 3);
  const Array<double> s{{0.5, 2.0, NAN}, {1.0, 3.0, 2.0}};
  Generator random(9);
  const Array<double> r =
      masked(
          mask, By::item, [&](const auto& s) { return perturbed_rank(s, 1e-9, random); },
          constant(s))
          .value();
  CHECK(r == Array<double>{{2.0, 1.0, 0.0}, {3.0, 1.0, 2.0}});
  const Var<double> x = constant(Array<double>{1.0, 2.0});
  CHECK(error_of([&] { perturbed_rank(x, 0.0, random); }) ==
        "invalid_argument: perturbed: sigma must be > 0 and finite, got 0");
  CHECK(error_of([&] {
          perturbed_rank(constant(Array<float>{1.0f, 2.0f}), 1e300, random);
        }).rfind("invalid_argument: perturbed: sigma is 1e+300; need one between", 0) == 0);
  CHECK(error_of([&] {
          perturbed_rank(x, {1.0, 1}, random);
        }) == "invalid_argument: perturbed: need at least 2 samples, got 1");
  CHECK(error_of([&] { perturbed_top_k(x, 3, 1.0, random); }) ==
        "invalid_argument: first_of: k must be in 0 .. n, got 3 for n = 2");
  const OfOrder<double> wrong = [](const Array<double>&) { return zeros<double>({3}); };
  CHECK(error_of([&] {
          perturbed(x, wrong, {1.0, 5}, random);
        }) ==
        "invalid_argument: perturbed: f gave (3) for (5, 2); need one of shape (5), which may have "
        "more axes behind");
  CHECK(error_of([&] { fenchel_young_loss(x, Array<double>{1.0}, wrong, 1.0, random); }) ==
        "invalid_argument: fenchel_young_loss: shapes differ: scores is (2), target is (1)");
}
