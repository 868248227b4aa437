#include "ops/sorting/k_subsets.hpp"

#include <cmath>
#include <map>

#include "gradcheck/derivatives.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/mask.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// All subsets of k of n items, and ln of their weights, by counting through the bits.
struct Enumerated {
  std::vector<std::vector<Index>> subsets;
  std::vector<double> p;
  double log_Z = 0;
  std::vector<double> mu;
  Array<double> covariance;

  Enumerated(const Array<double>& s, std::size_t k) : mu(s.size(), 0.0) {
    const std::size_t n = s.size();
    std::vector<double> logs;
    for (unsigned bits = 0; bits < 1u << n; ++bits) {
      std::vector<Index> subset;
      double sum = 0;
      for (std::size_t j = 0; j < n; ++j) {
        if (!(bits >> j & 1)) continue;
        subset.push_back(Index(j));
        sum += s(j);
      }
      if (subset.size() != k) continue;
      subsets.push_back(subset);
      logs.push_back(sum);
    }
    const double most = *std::max_element(logs.begin(), logs.end());
    double total = 0;
    for (double x : logs) total += std::exp(x - most);
    log_Z = most + std::log(total);
    covariance = zeros<double>({n, n});
    for (std::size_t i = 0; i < subsets.size(); ++i) {
      p.push_back(std::exp(logs[i] - log_Z));
      for (Index a : subsets[i]) {
        mu[std::size_t(a)] += p[i];
        for (Index b : subsets[i]) covariance(std::size_t(a), std::size_t(b)) += p[i];
      }
    }
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = 0; b < n; ++b) covariance(a, b) -= mu[a] * mu[b];
    }
  }
};

}  // namespace

TEST_CASE("k-subsets pass gradcheck, and float agrees with double") {
  std::vector<OpRow> rows;
  for (const std::size_t k : {0u, 1u, 2u, 4u, 5u}) {
    rows.push_back({"log_partition", {{2, 5}}, anywhere, [=](const auto& x) {
                      return k_subset_log_partition(x[0], k);
                    }});
    rows.push_back({"marginals", {{2, 5}}, anywhere, [=](const auto& x) {
                      return k_subset_marginals(x[0], k);
                    }});
  }
  rows.push_back({"log_prob", {{2, 5}}, anywhere, [](const auto& x) {
                    return k_subset_log_prob(
                        x[0], Indices{{{0, 3}, {1, 4}}, {{2, 4}, {1, 0}}, {{3, 4}, {0, 2}}});
                  }});
  check_rows(rows);
}

TEST_CASE("k-subsets: partition, marginals, probabilities and covariance are the enumerated ones") {
  Generator random(3);
  for (const std::size_t n : {1u, 2u, 5u, 10u}) {
    for (const double spread : {1.0, 10.0}) {
      const Array<double> s = random.normal<double>({n}, 0.5, spread);
      for (std::size_t k = 0; k <= n; ++k) {
        CAPTURE(n);
        CAPTURE(k);
        const Enumerated all(s, k);
        CHECK(k_subset_log_partition(constant(s), k).item() ==
              doctest::Approx(all.log_Z).epsilon(1e-13));
        const Array<double> mu = k_subset_marginals(constant(s), k).value();
        double total = 0;
        for (std::size_t j = 0; j < n; ++j) {
          CHECK(std::abs(mu(j) - all.mu[j]) <= 1e-13 * all.mu[j]);  // small ones, too
          total += mu(j);
        }
        CHECK(total == doctest::Approx(double(k)).epsilon(1e-14));
        for (std::size_t i = 0; i < all.subsets.size(); i += 7) {
          Indices subset = uninitialized<Index>({k});
          std::copy(all.subsets[i].begin(), all.subsets[i].end(), subset.data());
          CHECK(std::abs(k_subset_log_prob(constant(s), subset).item() - std::log(all.p[i])) <
                1e-12 * (1 + std::abs(all.log_Z)));
        }
        if (n != 5) continue;
        const Array<double> H =
            hessian([k](const auto& x) { return k_subset_log_partition(x, k); }, s);
        CHECK(distance(H, all.covariance) < 1e-13);
      }
    }
  }
}

TEST_CASE_TEMPLATE("k-subsets of scores far apart keep their digits", T, float, double) {
  // Two items are certain, and of two equal ones the third is drawn.
  const Array<T> s{T(1e30), T(0.5), T(3e29), T(0.5), T(-1e30)};
  const Array<T> mu = k_subset_marginals(constant(s), 3).value();
  CHECK(double(mu(0)) == 1);
  CHECK(double(mu(2)) == 1);
  CHECK(double(mu(1)) == doctest::Approx(0.5).epsilon(1e-6));
  CHECK(double(mu(3)) == doctest::Approx(0.5).epsilon(1e-6));
  CHECK(double(mu(4)) == 0);
  // e^-40 beside 1: the item left out of two with the same gap to the third.
  const Array<T> far = k_subset_marginals(constant(Array<T>{40, 40, 0}), 2).value();
  CHECK(double(far(2)) == doctest::Approx(2 * std::exp(-40.0)).epsilon(1e-6));
  // An offset changes ln Z alone.
  const Array<double> shifted{1e6 + 0.5, 1e6 - 0.25, 1e6 + 1};
  const Array<double> same{0.5, -0.25, 1.0};
  CHECK(k_subset_marginals(constant(shifted), 1).value() ==
        k_subset_marginals(constant(same), 1).value());
  Tape<T> tape;
  const Var<T> x = tape.leaf(s);
  tape.backward(k_subset_marginals(x, 3), full<T>({5}, T(0.3)));
  CHECK(x.grad() == zeros<T>({5}));  // their sum is k
}

TEST_CASE("k-subsets are drawn by their probabilities") {
  const Array<double> s{{0.5, -1.0, 2.0, 0.0, 0.3}, {0.0, 0.0, 0.0, 30.0, 1.0}};
  Generator random(7);
  const std::size_t count = 20000;
  const Indices subsets = k_subset_sample(s, 3, random, {count});
  REQUIRE(subsets.shape() == Shape{count, 2, 3});
  for (std::size_t set = 0; set < 2; ++set) {
    Array<double> row = uninitialized<double>({5});
    std::copy_n(s.data() + set * 5, 5, row.data());
    const Enumerated all(row, 3);
    std::map<std::vector<Index>, double> seen;
    for (std::size_t i = 0; i < count; ++i) {
      seen[{subsets(i, set, 0), subsets(i, set, 1), subsets(i, set, 2)}] += 1;
    }
    double chi_square = 0, drawn = 0;
    for (std::size_t i = 0; i < all.subsets.size(); ++i) {
      const double expected = all.p[i] * double(count);
      drawn += seen[all.subsets[i]];
      if (expected < 1) continue;
      const double difference = seen[all.subsets[i]] - expected;
      chi_square += difference * difference / expected;
    }
    CHECK(drawn == double(count));  // items in rising order, and no others
    CHECK(chi_square < 27.9);       // 99.9 % of 9 degrees of freedom
  }
}

TEST_CASE("straight-through k-subsets: k ones, with the marginals' gradient") {
  Tape<double> tape;
  const Var<double> x = tape.leaf({0.5, -1.0, 2.0, 0.0}), y = tape.leaf(x.value());
  Generator a(1), b(1);
  const Var<double> ones = k_subset_straight_through(x, 2, a, {3});
  const Indices subsets = k_subset_sample(x.value(), 2, b, {3});
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      const bool in = Index(j) == subsets(i, 0) || Index(j) == subsets(i, 1);
      CHECK(ones.value()(i, j) == double(in));
    }
  }
  const Array<double> u = Generator(2).normal<double>({3, 4});
  tape.backward(ones, u);
  tape.backward(k_subset_marginals(y, 2), sum(constant(u), 0).value());
  CHECK(distance(x.grad(), y.grad()) < 1e-15);
}

TEST_CASE("k-subsets of masked sets, and what is refused") {
  const ItemMask mask(Array<bool>{{true, false, true, true}, {false, false, true, true}});
  const Array<double> s{{0.5, NAN, 2.0, 0.0}, {NAN, INFINITY, 1.0, 3.0}};
  const auto marginals = [](const auto& s) { return k_subset_marginals(s, 2); };
  const Array<double> mu = masked(mask, By::item, marginals, constant(s)).value();
  const Array<double> alone = marginals(constant(Array<double>{0.5, 2.0, 0.0})).value();
  CHECK(mu == Array<double>{{alone(0), 0.0, alone(1), alone(2)}, {0.0, 0.0, 1.0, 1.0}});

  Tape<double> tape;
  const Var<double> leaf = tape.leaf(s);
  Generator a(3), b(3);
  const Indices drawn = k_subset_sample(s, 2, a, {2}, mask);
  const Indices first = k_subset_sample(Array<double>{{1.0, 3.0}}, 2, b, {2});  // rising sizes
  const Indices second = k_subset_sample(Array<double>{{0.5, 2.0, 0.0}}, 2, b, {2});
  const Index items[] = {0, 2, 3};
  for (std::size_t sample = 0; sample < 2; ++sample) {
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(drawn(sample, 0, i) == items[second(sample, 0, i)]);
      CHECK(drawn(sample, 1, i) == first(sample, 0, i) + 2);
    }
  }
  const Indices subsets{{{0, 2}, {2, 3}}, {{2, 3}, {2, 3}}};
  const Var<double> log_p = k_subset_log_prob(leaf, subsets, mask);
  const Enumerated three(Array<double>{0.5, 2.0, 0.0}, 2);  // {0, 1}, {0, 2}, {1, 2} of them
  CHECK(distance(log_p.value(),
                 Array<double>{{std::log(three.p[0]), 0.0}, {std::log(three.p[2]), 0.0}}) < 1e-14);
  tape.backward(log_p, Array<double>{{1.0, 1.0}, {0.0, 0.0}});
  const Array<double> slope{{1 - alone(0), 0.0, 1 - alone(1), -alone(2)}, {0.0, 0.0, 0.0, 0.0}};
  CHECK(distance(leaf.grad(), slope) < 1e-14);
  CHECK(error_of([&] {
          k_subset_log_prob(leaf, Indices{{0, 1}, {2, 3}}, mask);
        }) == "invalid_argument: k_subset_log_prob: subset 0 has item 1, which is masked");
  Generator c(3);
  const Var<double> ones = k_subset_straight_through(leaf, 2, c, {2}, mask);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    CHECK(ones.value().data()[i / 2 * 4 + std::size_t(drawn.data()[i])] == 1);
  }
  CHECK(xt::sum(ones.value())() == 8);
  const auto gradient = [&](const Var<double>& y, const Array<double>& u) {
    tape.zero_grad();
    tape.backward(y, u);
    return leaf.grad();
  };
  const Array<double> v = Generator(2).normal<double>({2, 2, 4});
  CHECK(distance(gradient(ones, v), gradient(masked(mask, By::item, marginals, leaf),
                                             sum(constant(v), 0).value())) < 1e-15);
  // Of a set with fewer than k items, all of them.
  const Var<double> three_of = k_subset_straight_through(leaf, 3, c, {2}, mask);
  for (std::size_t i = 0; i < 2 * s.size(); ++i) {
    CHECK(three_of.value().data()[i] == double(mask.valid().data()[i % s.size()]));
  }
  CHECK(gradient(three_of, v) == zeros<double>({2, 4}));
  const auto log_partition = [](const auto& s, std::size_t k) {
    return k_subset_log_partition(s, k);
  };
  CHECK(distance(masked_top_k("ln Z", mask, By::set, std::size_t(3), log_partition, leaf).value(),
                 Array<double>{2.5, 4.0}) < 1e-15);
  CHECK(error_of([&] {
          masked_top_k("ln Z", mask, By::set, std::size_t(5), log_partition, leaf);
        }) == "invalid_argument: ln Z: k must be in 0 .. n, got 5 for n = 4");
  CHECK(error_of([&] { k_subset_sample(s, 3, a, {}, mask); }) ==
        "invalid_argument: k_subset_sample: set 1 has 2 valid items; need at least k = 3");
  const Var<double> x = constant(Array<double>{1.0, 2.0});
  CHECK(error_of([&] { k_subset_marginals(x, 3); }) ==
        "invalid_argument: k_subset_marginals: k must be in 0 .. n, got 3 for n = 2");
  CHECK(error_of([&] {
          k_subset_log_prob(x, Indices{1, 1});
        }) == "invalid_argument: k_subset_log_prob: subset 0 has item 1 twice");
  CHECK(error_of([&] { k_subset_log_prob(x, Indices(scalar(Index(1)))); }) ==
        "invalid_argument: k_subset_log_prob: subsets are (), scores (2); need subsets (samples.., "
        ".., k) for scores (.., n)");
  CHECK(error_of([&] {
          k_subset_log_partition(constant(s), 1);
        }).find("k_subset_log_partition: score 1 of row 0 is nan") != std::string::npos);
}
