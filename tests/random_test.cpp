#include "engine/random.hpp"

#include <cmath>

#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("philox gives the published numbers") {
  // Random123's known answers for philox4x32-10.
  const std::uint32_t ones = 0xffffffff;
  CHECK(philox(0, {0, 0, 0, 0}) ==
        std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox(0xffffffffffffffff, {ones, ones, ones, ones}) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox(0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the same seed gives the same numbers, on any number of threads, and can be continued") {
  const int before = threads();
  const Shape shape{300001};
  set_threads(1);
  const Array<float> alone = Generator(4).normal<float>(shape);
  set_threads(3);
  const Array<float> shared = Generator(4).normal<float>(shape);
  set_threads(before);
  CHECK(alone == shared);

  Generator random(9);
  random.uniform<double>({5});
  Generator continued(random.key(), random.position());
  CHECK(random.normal<double>({7}) == continued.normal<double>({7}));
  CHECK(random.permutation(10) == continued.permutation(10));
}

TEST_CASE("split streams differ, and depend on nothing but key and label") {
  Generator a(1), b(1);
  b.uniform();
  CHECK(a.split(3).bits() == b.split(3).bits());
  CHECK(a.split(3).bits() != a.split(4).bits());
  CHECK(a.split(0).bits() != Generator(1).bits());
}

TEST_CASE("numbers have the distribution that they claim") {
  Generator random(11);
  const std::size_t n = 200000;
  const Array<double> z = random.normal<double>({n}, 2.0, 3.0),
                      u = random.uniform<double>({n}, -1.0, 3.0);
  double mean = 0, variance = 0, fourth = 0, u_mean = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = (z.data()[i] - 2) / 3;
    mean += x / n, variance += x * x / n, fourth += x * x * x * x / n;
    u_mean += u.data()[i] / n;
    REQUIRE(u.data()[i] >= -1);
    REQUIRE(u.data()[i] < 3);
  }
  // five standard errors each
  CHECK(std::abs(mean) < 5 / std::sqrt(n));
  CHECK(std::abs(variance - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(fourth - 3) < 5 * std::sqrt(96.0 / n));
  CHECK(std::abs(u_mean - 1) < 5 * std::sqrt(16.0 / 12 / n));

  std::vector<int> counts(7, 0);
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  double chi_square = 0;
  for (int count : counts) chi_square += (count - 10000.0) * (count - 10000.0) / 10000;
  CHECK(chi_square < 22.5);  // 99.9 % of six degrees of freedom
  CHECK(error_of([&] { random.uniform<double>({1}, 1.0, 0.0); }) ==
        "invalid_argument: uniform: need finite 1 <= 0");
  CHECK(error_of([&] { random.uniform<double>({1}, -1e308, 1e308); }) != "no error");
  CHECK(random.uniform<double>({1}, 2.0, 2.0)(0) == 2);
  CHECK(error_of([&] { random.below(0); }) ==
        "invalid_argument: Generator::below: need end >= 1, got 0");
}

TEST_CASE("a permutation contains every index once") {
  Generator random(2);
  const Indices order = random.permutation(100);
  std::vector<int> seen(100, 0);
  for (Index i : order) ++seen[std::size_t(i)];
  CHECK(seen == std::vector<int>(100, 1));
  CHECK(random.permutation(0).size() == 0);
}
