#include "ops/sorting/fast_soft_sort.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "golden.hpp"
#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

constexpr Regularization l2 = Regularization::l2, kl = Regularization::kl;
constexpr Direction up = Direction::ascending, down = Direction::descending;

// The projection by its definition for l2: the point of the permutahedron of w nearest to z, found
// by Frank-Wolfe steps with exact line search. Slow, and independent of isotonic regression.
std::vector<double> nearest_point(const std::vector<double>& z, std::vector<double> w) {
  const std::size_t n = z.size();
  std::sort(w.begin(), w.end(), std::greater<double>());
  std::vector<double> x = w;
  std::vector<std::size_t> order(n);
  for (int step = 0; step < 200000; ++step) {
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return z[a] - x[a] > z[b] - x[b]; });
    double along = 0, length = 0;
    std::vector<double> direction(n);
    for (std::size_t i = 0; i < n; ++i) {
      direction[order[i]] = w[i] - x[order[i]];
    }
    for (std::size_t i = 0; i < n; ++i) {
      along += direction[i] * (z[i] - x[i]);
      length += direction[i] * direction[i];
    }
    if (along < 1e-14) break;
    const double t = std::min(1.0, along / length);
    for (std::size_t i = 0; i < n; ++i) x[i] += t * direction[i];
  }
  return x;
}

}  // namespace

TEST_CASE("fast soft sort and rank pass gradcheck, and float agrees with double") {
  std::vector<OpRow> rows;
  for (Regularization regularization : {l2, kl}) {
    for (Direction direction : {down, up}) {
      for (double strength : {0.15, 0.7, 20.0}) {
        const std::string name = std::string(regularization == l2 ? "l2" : "kl") +
                                 (direction == up ? " ascending " : " ") + std::to_string(strength);
        rows.push_back({"sort " + name, {{2, 7}}, anywhere, [=](const auto& x) {
                          return fast_soft_sort(x[0], strength, regularization, direction);
                        }});
        rows.push_back({"rank " + name, {{2, 7}}, anywhere, [=](const auto& x) {
                          return fast_soft_rank(x[0], strength, regularization, direction);
                        }});
      }
    }
  }
  check_rows(rows);
}

TEST_CASE("sparse top-k passes gradcheck, and float agrees with double") {
  std::vector<OpRow> rows;
  for (Direction direction : {down, up}) {
    for (double strength : {0.15, 0.7, 20.0}) {
      for (std::size_t k : {0u, 1u, 3u, 7u}) {
        rows.push_back({"top_k " + std::to_string(strength) + ", k = " + std::to_string(k),
                        {{2, 7}},
                        anywhere,
                        [=](const auto& x) { return sparse_top_k(x[0], k, strength, direction); }});
      }
    }
  }
  check_rows(rows);
}

TEST_CASE("sparse top-k is the nearest point of the capped simplex") {
  Generator random(4);
  for (double strength : {0.1, 1.0, 10.0}) {
    for (std::size_t n : {1u, 2u, 6u, 30u}) {
      const Array<double> s = random.normal<double>({n});
      for (std::size_t k = 0; k <= n; k += 1 + n / 6) {
        CAPTURE(strength);
        CAPTURE(n);
        CAPTURE(k);
        const Array<double> y = sparse_top_k(constant(s), k, strength).value();
        std::vector<double> z(n), w(n, 0.0);
        for (std::size_t i = 0; i < n; ++i) z[i] = s(i) / strength;
        std::fill_n(w.begin(), k, 1.0);
        // By the optimality conditions: y = clip(z - b, 0, 1) for one b, here found by bisection.
        double low = *std::min_element(z.begin(), z.end()) - 2, high = -low;
        high = *std::max_element(z.begin(), z.end()) + 2;
        for (int step = 0; step < 200; ++step) {
          const double b = (low + high) / 2;
          double total = 0;
          for (double x : z) total += std::clamp(x - b, 0.0, 1.0);
          (total > double(k) ? low : high) = b;
        }
        double total = 0;
        for (std::size_t i = 0; i < n; ++i) {
          CHECK(std::abs(y(i) - std::clamp(z[i] - high, 0.0, 1.0)) < 1e-12);
          total += y(i);
        }
        CHECK(total == doctest::Approx(double(k)).epsilon(1e-13));
        if (n <= 6) {
          const std::vector<double> nearest = nearest_point(z, w);
          for (std::size_t i = 0; i < n; ++i) CHECK(std::abs(y(i) - nearest[i]) < 1e-5);
        }
      }
    }
  }
  // By hand: the gap of 1 between the second and third is twice strength's 0.5; exact.
  CHECK(sparse_top_k(constant(Array<double>{0.0, 3.0, 2.0, 1.0}), 2, 0.5).value() ==
        Array<double>{0.0, 1.0, 1.0, 0.0});
  CHECK(sparse_top_k(constant(Array<double>{0.0, 3.0, 1.0, 1.0}), 2, 0.5).value() ==
        Array<double>{0.0, 1.0, 0.5, 0.5});
  CHECK(sparse_top_k(constant(Array<double>{0.0, 3.0, 1.0, 1.0}), 1, 0.5, up).value() ==
        Array<double>{1.0, 0.0, 0.0, 0.0});
  CHECK(error_of([] { sparse_top_k(constant(Array<double>{1.0}), 2, 1.0); }) ==
        "invalid_argument: sparse_top_k: k must be in 0 .. n, got 2 for n = 1");
}

TEST_CASE("fast soft sort and rank have the published values and gradients") {
  const nlohmann::json published = golden("torchsort.json");
  for (const auto& row : published["cases"]) {
    const Regularization regularization = row["regularization"] == "l2" ? l2 : kl;
    Tape<double> tape;
    const Var<double> s = tape.leaf(to_array<double>(row["values"]));
    const Var<double> y = row["fn"] == "soft_sort"
                              ? fast_soft_sort(s, row["strength"], regularization, up)
                              : fast_soft_rank(s, row["strength"], regularization, up);
    CHECK(distance(y.value(), to_array<double>(row["out"])) < 1e-10);
    tape.backward(y, to_array<double>(row["W"]));
    CHECK(distance(s.grad(), to_array<double>(row["dvalues"])) < 1e-10);
  }
}

TEST_CASE("l2 is the nearest point of the permutahedron") {
  Generator random(14);
  const Array<double> scores = random.normal<double>({5});
  for (double strength : {0.3, 1.0, 3.0}) {
    std::vector<double> ranks{5, 4, 3, 2, 1}, z(5), sorted(scores.begin(), scores.end());
    for (std::size_t i = 0; i < 5; ++i) z[i] = -scores(i) / strength;
    const std::vector<double> rank = nearest_point(z, ranks);
    for (std::size_t i = 0; i < 5; ++i) z[i] = ranks[i] / strength;
    const std::vector<double> sort = nearest_point(z, sorted);
    const Array<double> y = fast_soft_sort(constant(scores), strength).value();
    const Array<double> r = fast_soft_rank(constant(scores), strength).value();
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(r(i) == doctest::Approx(rank[i]).epsilon(1e-4));
      CHECK(y(i) == doctest::Approx(sort[i]).epsilon(1e-4));
    }
  }
}

TEST_CASE("fast soft sort and rank keep their sums, and are exact at a small strength") {
  const Array<double> scores{0.3, -1.0, 2.0};  // its descending order is a 3-cycle: 2, 0, 1
  const auto sort = [&](double strength, Regularization r, Direction d) {
    return fast_soft_sort(constant(scores), strength, r, d).value();
  };
  const auto rank = [&](double strength, Regularization r, Direction d) {
    return fast_soft_rank(constant(scores), strength, r, d).value();
  };
  for (Regularization r : {l2, kl}) {
    CHECK(distance(sort(1e-9, r, down), Array<double>{2.0, 0.3, -1.0}) < 1e-15);
    CHECK(distance(sort(1e-9, r, up), Array<double>{-1.0, 0.3, 2.0}) < 1e-15);
    CHECK(distance(rank(1e-3, r, down), Array<double>{2.0, 3.0, 1.0}) < 1e-12);
    CHECK(distance(rank(1e-3, r, up), Array<double>{2.0, 1.0, 3.0}) < 1e-12);
    const Array<double> soft = rank(10, r, down);
    CHECK(soft(0) + soft(1) + soft(2) == doctest::Approx(6));
  }
  const Array<double> soft = sort(10, l2, down);
  CHECK(soft(0) + soft(1) + soft(2) == doctest::Approx(1.3));
  CHECK(distance(rank(1e9, l2, down), full<double>({3}, 2.0)) < 1e-8);
}

TEST_CASE("fast soft sort and rank at ties, in float at large n, and at n = 0 and 1") {
  const Array<double> tied{1.0, 0.0, 1.0};
  for (Regularization r : {l2, kl}) {
    const Array<double> rank = fast_soft_rank(constant(tied), 0.1, r).value();
    CHECK(rank(0) == doctest::Approx(1.5));
    CHECK(rank(2) == doctest::Approx(1.5));
    CHECK(rank(1) == doctest::Approx(3));
    CHECK(fast_soft_sort(constant(zeros<float>({2, 0})), 1.0, r).shape() == Shape{2, 0});
    CHECK(fast_soft_rank(constant(Array<float>{7.0f}), 1.0, r).value() == Array<float>{1.0f});
    CHECK(fast_soft_sort(constant(Array<float>{7.0f}), 1.0, r).value() == Array<float>{7.0f});
  }
  // z reaches n / strength = 1e6; values must not lose what float has.
  Generator random(15);
  const Array<double> many = convert<double>(random.normal<float>({10000}));
  for (Regularization r : {l2, kl}) {
    const Array<double> exact = fast_soft_sort(constant(many), 0.01, r).value();
    const Array<float> single = fast_soft_sort(constant(convert<float>(many)), 0.01, r).value();
    CHECK(distance(convert<double>(single), exact) < 1e-7);
  }
}

TEST_CASE_TEMPLATE("fast soft sort and rank at ties where score / strength is large", T, float,
                   double) {
  const auto rank = [](const Array<T>& s, double strength, Regularization r) {
    return convert<double>(fast_soft_rank(constant(s), strength, r).value());
  };
  const auto sort = [](const Array<T>& s, double strength, Regularization r) {
    return fast_soft_sort(constant(s), strength, r).value();
  };
  const Array<T> fives = full<T>({3}, T(5)), mixed{T(7), T(5), T(-1e30), T(5), T(-1e30)};
  for (Regularization r : {l2, kl}) {
    for (double strength : {1.0, 1e-3, 1e-17, 1e-30, 1e-300}) {
      CAPTURE(strength);
      CHECK(distance(rank(fives, strength, r), {2.0, 2.0, 2.0}) < 1e-7);
      CHECK(sort(fives, strength, r) == fives);
      if (strength > 1e-3) continue;
      CHECK(distance(rank(mixed, strength, r), {1.0, 2.5, 4.5, 2.5, 4.5}) < 1e-7);
      if (strength > 1e-31) continue;  // sort's is in units of 1 / scores
      CHECK(sort(mixed, strength, r) == Array<T>{T(7), T(5), T(5), T(-1e30), T(-1e30)});
    }
    Tape<T> tape;
    const Var<T> x = tape.leaf(fives);
    tape.backward(fast_soft_rank(x, 1e-30, r), full<T>({3}, T(0.1)));
    CHECK(x.grad() == zeros<T>({3}));
    CHECK(error_of([&] {
            fast_soft_rank(x, 1e-310, r);
          }).find("fast_soft_rank: strength is 1e-310; need one between") != std::string::npos);
  }
}

TEST_CASE("fast soft sort and rank see differences of scores alone") {
  const double offset = 1.7e9, strength = 1e-6;
  Array<double> at{0.0, 1.0, 2.5, 2.75, 3.0}, s = at, masked = uninitialized<double>({7});
  for (std::size_t i = 0; i < 5; ++i) {
    s(i) = offset + at(i) * strength;
    at(i) = (s(i) - offset) / strength;  // what the rounded scores differ by
    masked(i + 1) = at(i);
  }
  Array<double> distant = masked;
  masked(0) = -1e30, distant(0) = -1e3;
  masked(6) = 1e30, distant(6) = 1e3;
  const Array<double> u{0.3, -1.0, 2.0, 0.7, 1.1};
  for (Regularization r : {l2, kl}) {
    const auto rank = [&](const Array<double>& x, double strength) {
      Tape<double> tape;
      const Var<double> leaf = tape.leaf(x);
      const Var<double> y = fast_soft_rank(leaf, strength, r);
      tape.backward(y, u);
      return std::array<Array<double>, 2>{y.value(), leaf.grad() * strength};
    };
    const auto a = rank(s, strength), b = rank(at, 1);
    CHECK(distance(a[0], b[0]) < 1e-13);
    CHECK(distance(a[1], b[1]) < 1e-13);
    CHECK(distance(fast_soft_rank(constant(masked), 1, r).value(),
                   fast_soft_rank(constant(distant), 1, r).value()) < 1e-14);
  }
}

TEST_CASE("soft sorted values move with an offset") {
  const Array<double> at{0.0, 0.5, 2.0, 2.25, 3.0}, s = at + double(1 << 30);
  for (Regularization r : {l2, kl}) {
    const Array<double> a = fast_soft_sort(constant(at), 0.7, r).value();
    const Array<double> b = fast_soft_sort(constant(s), 0.7, r).value();
    CHECK(distance(b - double(1 << 30), a) <= 0x1p-23);  // an ulp of s
  }
}

TEST_CASE("fast soft sort and rank refuse what they cannot compute") {
  CHECK(error_of([] { fast_soft_sort(constant(Array<float>{1.0f}), 0.0); }) ==
        "invalid_argument: fast_soft_sort: strength must be > 0 and finite, got 0");
  CHECK(error_of([] { fast_soft_rank(constant(scalar(1.0f)), 1.0); }) ==
        "invalid_argument: fast_soft_rank: scores are 0-d; need (..., n)");
  CHECK(error_of([] {
          fast_soft_sort(constant(Array<double>{1e308, -1e308}), 1.0);
        }) ==
        "invalid_argument: fast_soft_sort: score 0 of row 0 is 1e+308; need scores within "
        "+-4.49423e+307 in sets of 2");
  for (Regularization r : {l2, kl}) {  // what is allowed has finite values
    const Var<double> y = fast_soft_sort(constant(Array<double>{2.5e307, -2.5e307, 2.5e307}), 1, r);
    for (double value : y.value()) CHECK(std::isfinite(value));
  }
}
