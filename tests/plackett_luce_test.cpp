#include "ops/plackett_luce.hpp"

#include "apps/estimators/spread.hpp"
#include "golden.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/conditional_noise.hpp"
#include "ops/noise.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "relative_distance.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

template <class T> Var<T> log_prob(const Var<T>& s, const Indices& order) {
  return PlackettLuce<T>(s).log_prob(order);
}

// The probabilities of all orders of one row of log-scores.
Array<double> probabilities(const Array<double>& s) {
  return exp(log_prob(constant(s), all_orders(s.size()))).value();
}

// How often each of all_orders(n) is among `orders`.
Array<double> frequencies(const Indices& orders) {
  const std::size_t n = orders.shape().back();
  const Indices all = all_orders(n);
  Array<double> count = zeros<double>({all.shape()[0]});
  for (std::size_t r = 0; r < orders.size(); r += n) {
    std::size_t which = 0;
    while (!std::equal(orders.data() + r, orders.data() + r + n, all.data() + which * n)) ++which;
    count.data()[which] += 1;
  }
  return count;
}

// Pearson's statistic; `expected` are counts.
double chi_square(const Array<double>& observed, const Array<double>& expected) {
  double sum = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    const double difference = observed.data()[i] - expected.data()[i];
    sum += difference * difference / expected.data()[i];
  }
  return sum;
}

// A stand-in for any relaxation: softmax over the negated distances to the sorted scores.
template <class T> Var<T> some_relaxed_sort(const Var<T>& s) {
  std::vector<Index> as_rows(s.shape().begin(), s.shape().end()), as_columns = as_rows;
  as_rows.push_back(1);
  as_columns.insert(as_columns.end() - 1, 1);
  const Var<T> sorted = take_along_axis(s, argsort(s.value()));
  const Var<T> logits = -abs(reshape(sorted, as_rows) - reshape(s, as_columns));
  return exp(logits - logsumexp(logits, -1, true));
}

const Array<double> four{0.3, -1.2, 0.9, 0.0};

}  // namespace

TEST_CASE("gradients of Plackett-Luce's operators") {
  const Array<double> e{{0.3, 1.7, 0.9}, {2.1, 0.2, 0.6}};
  check_rows({
      {"log_prob",
       {{3}},
       anywhere,
       [](const auto& x) {
         return log_prob(x[0], Indices{2, 0, 1});
       }},
      {"log_prob of one",
       {{1}},
       anywhere,
       [](const auto& x) { return log_prob(x[0], Indices{0}) + sum(x[0]); }},
      {"log_prob, batch",
       {{2, 3}},
       anywhere,
       [](const auto& x) {
         return log_prob(x[0], Indices{{2, 0, 1}, {1, 2, 0}});
       }},
      {"log_prob, samples",
       {{2, 3}},
       anywhere,
       [](const auto& x) {
         return log_prob(x[0], Indices{{{2, 0, 1}, {1, 2, 0}}, {{1, 2, 0}, {1, 0, 2}}});
       }},
      {"log_prob, prefix",
       {{2, 5}},
       anywhere,
       [](const auto& x) {
         return log_prob(x[0], Indices{{4, 0}, {1, 3}});
       }},
      {"conditional_perturbed",
       {{3}},
       anywhere,
       [](const auto& x) {
         using T = std::decay_t<decltype(x[0].item())>;
         return conditional_perturbed(x[0], Indices{2, 0, 1}, Array<T>{T(0.3), T(1.7), T(0.9)});
       }},
      {"conditional_perturbed, samples",
       {{3}},
       anywhere,
       [e](const auto& x) {
         using T = std::decay_t<decltype(x[0].item())>;
         return conditional_perturbed(x[0], Indices{{2, 0, 1}, {1, 2, 0}}, convert<T>(e));
       }},
      {"relaxed_sample",
       {{2, 4}},
       distinct,
       [](const auto& x) {
         using T = std::decay_t<decltype(x[0].item())>;
         Generator random(7);
         return PlackettLuce<T>(x[0]).relaxed_sample(some_relaxed_sort<T>, random, {3});
       }},
  });
}

TEST_CASE("log-probability and gradient are those of the published implementation") {
  for (const auto& c : golden("plackett_luce.json")["cases"]) {
    Tape<double> tape;
    const Var<double> scores = tape.leaf(to_array<double>(c["scores"]));
    const Var<double> y = log_prob(log(scores), to_array<Index>(c["perm"]));
    CHECK(distance(y.value(), to_array<double>(c["log_prob"])) < 1e-12);
    tape.backward(sum(y));
    CHECK(distance(scores.grad(), to_array<double>(c["dscores"])) < 1e-12);
  }
}

TEST_CASE("relaxed samples at given noise are those of the published implementation") {
  int cases = 0;
  for (const auto& c : golden("plackett_luce.json")["cases"]) {
    if (!c.contains("gumbel")) continue;
    ++cases;
    Tape<double> tape;
    const Var<double> s = tape.leaf(Array<double>(xt::log(to_array<double>(c["scores"]))));
    const double tau = c["tau"];
    const Var<double> z = PlackettLuce<double>(s).perturbed(to_array<double>(c["gumbel"]));
    const Var<double> P = neural_sort(z, tau);
    CHECK(distance(P.value(), to_array<double>(c["P_perturbed"])) < 1e-12);
    tape.backward(P, to_array<double>(c["W"]));
    CHECK(distance(s.grad(), to_array<double>(c["dlog_scores_perturbed"])) < 1e-12);
  }
  CHECK(cases == 6);
}

TEST_CASE("probabilities sum to one, those of a prefix to those of its continuations") {
  const Array<double> p = probabilities(four);
  CHECK(sum(constant(p)).item() == doctest::Approx(1).epsilon(1e-14));

  const Indices all = all_orders(4);
  for (const Indices& prefix : {Indices{2}, Indices{3, 1}, Indices{1, 0, 2}}) {
    double expected = 0;
    for (std::size_t r = 0; r < 24; ++r) {
      if (std::equal(prefix.begin(), prefix.end(), all.data() + 4 * r)) expected += p.data()[r];
    }
    CHECK(std::exp(log_prob(constant(four), prefix).item()) ==
          doctest::Approx(expected).epsilon(1e-14));
  }
  CHECK(log_prob(constant(four), Indices::from_shape({0})).item() == 0);
}

TEST_CASE("log_prob keeps its precision where probabilities are extreme") {
  // ln(1 / (1 + e^-50)) = -e^-50 to 22 digits
  const double tiny = log_prob(constant(Array<double>{0.0, -50.0}), Indices{0, 1}).item();
  CHECK(tiny == doctest::Approx(-std::exp(-50.0)).epsilon(1e-14));
  CHECK(log_prob(constant(Array<double>{0.0, -2000.0}), Indices{1, 0}).item() == -2000);
  CHECK(log_prob(constant(Array<float>{3e38f, -3e38f, 0.0f}), Indices{0, 2, 1}).item() == 0);

  Tape<double> tape;
  const Var<double> s = tape.leaf(Array<double>{1000.0, -1000.0, 0.0});
  tape.backward(log_prob(s, Indices{1, 0, 2}));
  CHECK(s.grad() == Array<double>{-1.0, 1.0, 0.0});

  // a shift changes nothing, not even in float beside 2^14
  const Array<float> f{0.25f, -1.5f, 0.75f};
  const Array<float> shifted = f + 16384.0f;
  const float a = log_prob(constant(f), Indices{2, 0, 1}).item();
  CHECK(log_prob(constant(shifted), Indices{2, 0, 1}).item() == doctest::Approx(a).epsilon(1e-6));
  const auto prefix_gradient = [](const Array<float>& at) {
    Tape<float> tape;
    const Var<float> s = tape.leaf(at);
    tape.backward(log_prob(s, Indices{2}));
    return convert<double>(s.grad());
  };
  CHECK(distance(prefix_gradient(shifted), prefix_gradient(f)) < 1e-6);
}

TEST_CASE("samples have their exact probabilities") {
  constexpr std::size_t samples = 24000;
  Generator random(4);
  const PlackettLuce<double> p(constant(four));
  const Indices orders = p.sample(random, {samples});
  REQUIRE(orders.shape() == Shape{samples, 4});
  const Array<double> expected = probabilities(four) * double(samples);
  CHECK(*std::min_element(expected.begin(), expected.end()) > 5);
  // 23 degrees of freedom: above 49.73 with probability 0.001
  CHECK(chi_square(frequencies(orders), expected) < 49.73);
  // and the test has the power to see a wrong distribution: the order reversed, scores off by 10 %
  const Array<double> off = four * 1.1;
  CHECK(chi_square(frequencies(orders), probabilities(off) * double(samples)) > 49.73);

  // in float, and for the second row of a batch
  const Array<float> batch{{0.0f, 2.0f, -1.0f, 0.5f}, {0.3f, -1.2f, 0.9f, 0.0f}};
  const Indices both = PlackettLuce<float>(constant(batch)).sample(random, {samples});
  Indices second = uninitialized<Index>({samples, 4});
  for (std::size_t r = 0; r < samples; ++r) {
    std::copy_n(both.data() + 8 * r + 4, 4, second.data() + 4 * r);
  }
  CHECK(chi_square(frequencies(second), expected) < 49.73);
}

TEST_CASE("the mode is the most probable order") {
  const Array<double> p = probabilities(four);
  const std::size_t best = std::size_t(std::max_element(p.begin(), p.end()) - p.begin());
  const Indices all = all_orders(4), mode = PlackettLuce<double>(constant(four)).mode();
  CHECK(std::equal(mode.begin(), mode.end(), all.data() + 4 * best));
}

TEST_CASE("relaxed and straight-through samples at the same noise") {
  Tape<double> tape;
  const Var<double> s = tape.leaf(four);
  const PlackettLuce<double> p(s);
  Generator a(5), b(5), c(5);
  const Var<double> soft = p.relaxed_sample(some_relaxed_sort<double>, a, {3});
  const Var<double> hard = p.straight_through_sample(some_relaxed_sort<double>, b, {3});
  CHECK(hard.value() == permutation_matrix<double>(p.sample(c, {3})));
  CHECK(soft.shape() == Shape{3, 4, 4});

  const Array<double> u = Generator(6).normal<double>({3, 4, 4});
  tape.backward(soft, u);
  const Array<double> from_soft = s.grad();
  tape.backward(hard, u);
  CHECK(distance(s.grad(), 2 * from_soft) < 1e-14);
}

TEST_CASE("conditional_perturbed is the perturbed score, given its order") {
  constexpr std::size_t samples = 20000;
  const double euler = 0.5772156649015329;
  Generator random(11);
  const Array<double> s{0.5, -0.7, 1.1};
  const PlackettLuce<double> p(constant(s));

  // Given the order {1, 0, 2}: against those unconditional draws that happen to have it.
  const Indices b{1, 0, 2};
  const Array<double> z = p.perturbed(random, {10 * samples}).value();
  const Indices orders = argsort(z);
  Spread drawn;
  for (std::size_t r = 0; r < 10 * samples; ++r) {
    if (!std::equal(b.begin(), b.end(), orders.data() + 3 * r)) continue;
    const double* row = z.data() + 3 * r;
    drawn.add({row[0], row[1], row[2], row[0] * row[0], row[1] * row[1], row[2] * row[2],
               row[0] * row[1]});
  }
  Indices all_b = uninitialized<Index>({samples, 3});
  for (std::size_t i = 0; i < all_b.size(); ++i) all_b.data()[i] = b.data()[i % 3];
  const Array<double> e = exponential_noise<double>({samples, 3}, random);
  const Array<double> given = conditional_perturbed(constant(s), all_b, e).value();
  CHECK(argsort(given) == all_b);
  Spread conditional;
  for (std::size_t r = 0; r < samples; ++r) {
    const double* row = given.data() + 3 * r;
    conditional.add({row[0], row[1], row[2], row[0] * row[0], row[1] * row[1], row[2] * row[2],
                     row[0] * row[1]});
  }
  for (std::size_t i = 0; i < 7; ++i) {
    CAPTURE(i);  // first and second moments
    CHECK(conditional.mean().data()[i] == doctest::Approx(drawn.mean().data()[i]).epsilon(0.05));
  }

  // Over random orders it is Gumbel noise again.
  const Indices random_b = p.sample(random, {samples});
  const Array<double> z_again = conditional_perturbed(constant(s), random_b, e).value();
  Spread noise;
  for (std::size_t r = 0; r < samples; ++r) {
    const Array<double> row{z_again.data()[3 * r], z_again.data()[3 * r + 1],
                            z_again.data()[3 * r + 2]};
    noise.add(row - s);
  }
  CHECK(noise.deviation(full<double>({3}, euler)) < 4);
  CHECK(noise.variance() / 3 == doctest::Approx(M_PI * M_PI / 6).epsilon(0.05));
}

TEST_CASE("arrival_exponentials undoes conditional_perturbed, and is exponential") {
  Generator random(12);
  const Array<double> s{{0.5, -0.7, 1.1}, {3.0, -3.0, 0.0}};
  const Array<double> noise = gumbel_noise<double>({5000, 2, 3}, random);
  const PlackettLuce<double> p(constant(s));
  const Array<double> z = p.perturbed(noise).value();
  const Indices b = p.perturbed_order(noise);
  CHECK(b == argsort(z));
  const Array<double> e = arrival_exponentials(s, noise, b);
  CHECK(distance(conditional_perturbed(constant(s), b, e).value(), z) < 1e-13);
  Spread moments;
  for (std::size_t i = 0; i < e.size(); ++i) {
    const double x = e.data()[i];
    moments.add({x, x * x, x * x * x});
  }
  CHECK(moments.deviation({1.0, 2.0, 6.0}) < 4);
}

TEST_CASE_TEMPLATE("log_prob knows the odds of equal scores however large", T, float, double) {
  // After the first item three equal ones are left: 1/3, 1/2 and 1.
  Tape<T> tape;
  const Var<T> s = tape.leaf(Array<T>{T(5), T(-1e30), T(-1e30), T(-1e30)});
  const Var<T> y = log_prob(s, Indices{0, 1, 2, 3});
  CHECK(y.item() == doctest::Approx(-std::log(6)).epsilon(1e-7));
  tape.backward(y);
  CHECK(distance(convert<double>(s.grad()), {0.0, 2.0 / 3, 1.0 / 6, -5.0 / 6}) < 1e-7);
  const Var<T> prefix = log_prob(s, Indices{0, 1});
  CHECK(prefix.item() == doctest::Approx(-std::log(3)).epsilon(1e-7));
  tape.backward(prefix);
  CHECK(distance(convert<double>(s.grad()), {0.0, 4.0 / 3, -1.0 / 6, -7.0 / 6}) < 1e-6);
  // Masked first, an offset, and both: 1/4 of four equal ones, and so on.
  CHECK(log_prob(constant(full<T>({4}, T(-1e30))), Indices{2, 0, 3, 1}).item() ==
        doctest::Approx(-std::log(24)));
  CHECK(log_prob(constant(full<T>({4}, T(1e30))), Indices{2, 0}).item() ==
        doctest::Approx(-std::log(12)));
  const Array<T> outlier{T(-1e30), T(1e30), T(-1e30)};
  CHECK(log_prob(constant(outlier), Indices{1, 2, 0}).item() == doctest::Approx(-std::log(2)));
}

TEST_CASE_TEMPLATE("log_prob has the small gradient of a choice that is almost certain", T, float,
                   double) {
  // (0, -d, -2 d), in order: q = 1 / (1 + e^d + ..) is the chance of the others.
  Tape<T> tape;
  const Var<T> s = tape.leaf(Array<T>{T(0), T(-40), T(-80)});
  tape.backward(log_prob(s, Indices{0, 1, 2}));
  // The first is not chosen with e^-40, the second neither, given that the first is gone.
  const double q = std::exp(-40.0);
  CHECK(relative_distance(convert<double>(s.grad()), {q, -q + q, -q}, 1e-25) < 1e-6);
  const Var<T> two = tape.leaf(Array<T>{T(0), T(-40)});
  tape.backward(log_prob(two, Indices{0, 1}));
  CHECK(relative_distance(convert<double>(two.grad()), {q, -q}, 0) < 1e-6);
  tape.backward(log_prob(two, Indices{0}));
  CHECK(relative_distance(convert<double>(two.grad()), {2 * q, -2 * q}, 0) < 1e-6);
}

TEST_CASE_TEMPLATE("samples of equal and of masked scores have their exact probabilities", T, float,
                   double) {
  constexpr std::size_t samples = 12000;
  Generator random(14);
  const auto counts = [&](const Array<T>& s) {
    return frequencies(PlackettLuce<T>(constant(s)).sample(random, {samples}));
  };
  // Far below the first the others share, at any size; 22.46 is exceeded with probability 0.1 %
  // for 6 degrees of freedom, 20.5 for 5 and 13.8 for 2.
  for (const T low : {T(-1e8), T(-1e30)}) {
    const Array<double> n = counts({T(5), low, low});
    CHECK(n(0) + n(1) == samples);
    CHECK(std::abs(n(0) - samples / 2.0) < 4 * std::sqrt(samples / 4.0));
  }
  for (const T all : {T(1e8), T(-1e30), T(3e38)}) {
    CHECK(chi_square(counts(full<T>({3}, all)), full<double>({6}, samples / 6.0)) < 20.5);
  }
  // An offset changes no probability.
  const Array<double> expected = probabilities({0.0, 8.0, 8.0}) * double(samples);
  const Array<double> n = counts({T(1e8), T(1e8) + 8, T(1e8) + 8});
  double statistic = 0;
  for (std::size_t r = 0; r < 6; ++r) {
    if (expected(r) > 3) statistic += std::pow(n(r) - expected(r), 2) / expected(r);
  }
  CHECK(statistic < 20.5);
}

TEST_CASE_TEMPLATE("relaxed and straight-through samples do not see an offset", T, float, double) {
  const auto samples = [](const Array<T>& scores, bool hard) {
    Tape<T> tape;
    const Var<T> s = tape.leaf(scores);
    Generator random(5);
    const PlackettLuce<T> p(s);
    const Var<T> P = hard ? p.straight_through_sample(some_relaxed_sort<T>, random, {20})
                          : p.relaxed_sample(some_relaxed_sort<T>, random, {20});
    tape.backward(P, convert<T>(Generator(6).normal<double>(P.shape())));
    return std::array<Array<T>, 2>{P.value(), s.grad()};
  };
  for (const bool hard : {false, true}) {
    const auto a = samples({T(0), T(8), T(16)}, hard);
    const auto b = samples({T(1e8), T(1e8) + 8, T(1e8) + 16}, hard);
    CHECK(a[0] == b[0]);
    CHECK(a[1] == b[1]);
  }
  // The permutation of masked items is drawn, too.
  const PlackettLuce<T> masked(constant(Array<T>{T(5), T(-1e30), T(-1e30)}));
  Generator random(8);
  const Array<T> P = masked.straight_through_sample(some_relaxed_sort<T>, random, {1000}).value();
  double second = 0;
  for (std::size_t r = 0; r < 1000; ++r) second += double(P(r, 1, 1));
  CHECK(std::abs(second - 500) < 4 * std::sqrt(250.0));
}

TEST_CASE_TEMPLATE("arrivals of masked items, and under an offset", T, float, double) {
  Generator random(21);
  for (const Array<T>& s : {Array<T>{T(5), T(-1e30), T(-1e30)}, Array<T>{T(1e8), T(1e8), T(1e8)},
                            Array<T>{T(-1e30), T(1), T(1e30)}}) {
    const PlackettLuce<T> p(constant(s));
    const Array<T> noise = gumbel_noise<T>({5000, 3}, random);
    const Array<T> e = arrival_exponentials(s, noise, p.perturbed_order(noise));
    Spread moments;
    for (std::size_t r = 0; r < 5000; ++r) {
      const double a = double(e(r, 0)), b = double(e(r, 1)), c = double(e(r, 2));
      moments.add({a, b, c, a * a, b * b, c * c, a * b, a * c, b * c});
    }
    CHECK(moments.deviation({1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0}) < 4);
  }
  // How far below the first the others are changes nothing, once it is far.
  const Array<T> E{T(0.3), T(1.7), T(0.9)};
  const auto gradient = [&](T low) {
    Tape<T> tape;
    const Var<T> s = tape.leaf(Array<T>{T(0), low, low});
    const Var<T> z = conditional_perturbed(s, Indices{0, 2, 1}, E);
    tape.backward(z, {T(0.7), T(-0.4), T(1.9)});
    CHECK(z.value()(2) == doctest::Approx(double(low)).epsilon(0.02));
    return convert<double>(s.grad());
  };
  CHECK(distance(gradient(T(-1e30)), gradient(T(-90))) < 1e-7);
}

TEST_CASE("entropy and divergence: unbiased values and gradients") {
  Tape<double> tape;
  const Array<double> q_scores{-0.4, 0.8, 0.1, 0.2};
  const auto exact = [&](bool divergence) {
    const Var<double> s = tape.leaf(four), t = tape.leaf(q_scores);
    const Var<double> log_p = log_prob(s, all_orders(4)), log_q = log_prob(t, all_orders(4));
    const Var<double> y = divergence ? sum(exp(log_p) * (log_p - log_q)) : -sum(exp(log_p) * log_p);
    tape.backward(y);
    return std::array<Array<double>, 3>{scalar(y.item()), s.grad(), t.grad()};
  };
  for (const bool divergence : {false, true}) {
    CAPTURE(divergence);
    const auto expected = exact(divergence);
    std::array<Spread, 3> estimates;
    Generator random(13);
    for (int i = 0; i < 2000; ++i) {
      Tape<double> step;
      const Var<double> s = step.leaf(four), t = step.leaf(q_scores);
      const PlackettLuce<double> p(s), q(t);
      const Var<double> y = divergence ? p.divergence(q, random, 4) : p.entropy(random, 4);
      step.backward(y);
      estimates[0].add(scalar(y.item()));
      estimates[1].add(s.grad());
      estimates[2].add(t.grad());
    }
    for (std::size_t i = 0; i < 3; ++i) CHECK(estimates[i].deviation(expected[i]) < 4);
  }
}

TEST_CASE("Plackett-Luce refuses what has no meaning") {
  const Var<double> s = constant(zeros<double>({2, 3}));
  CHECK(error_of([&] { PlackettLuce<double>(constant(scalar(1.0))); }) ==
        "invalid_argument: PlackettLuce: log_scores are 0-d; need (..., n)");
  CHECK(error_of([&] {
          PlackettLuce<double>(constant(Array<double>{0.0, -INFINITY}));
        }) == "invalid_argument: PlackettLuce: log-score 1 of row 0 is -inf; need finite numbers");
  CHECK(error_of([&] {
          log_prob(s, Indices{0, 1, 2});
        }) ==
        "invalid_argument: PlackettLuce::log_prob: order is (3), log_scores are (2, 3); need order "
        "(samples..., ..., k) for log_scores (..., n) with k <= n");
  CHECK(error_of([&] {
          log_prob(s, Indices{{0, 1}, {2, 2}});
        }) == "invalid_argument: PlackettLuce::log_prob: row 1 of order has item 2 twice");
  CHECK(error_of([&] {
          log_prob(s, Indices{{0, 1}, {3, 2}});
        }) ==
        "invalid_argument: PlackettLuce::log_prob: row 1 of order has item 3; need 0 <= item < 3");
  CHECK(error_of([&] {
          conditional_perturbed(s, Indices{{0, 1}, {2, 1}}, zeros<double>({2, 2}));
        }) == "invalid_argument: conditional_perturbed: order is (2, 2); need all of 3 items");
  CHECK(error_of([&] {
          arrival_exponentials(Array<double>{0.0, 0.0}, Array<double>{1.0, 2.0}, Indices{0, 1});
        }) ==
        "invalid_argument: arrival_exponentials: row 0 of log_scores + noise does not sort to its "
        "order at place 1");
  Generator random(1);
  CHECK(error_of([&] { PlackettLuce<double>(s).entropy(random, 1); }) ==
        "invalid_argument: PlackettLuce::entropy: need at least 2 samples, got 1");
  CHECK(error_of([] { all_orders(9); }) ==
        "invalid_argument: all_orders: n is 9; need n <= 8, whose 40,320 orders are the most that "
        "is held");
}
