#include "ops/masked_plackett_luce.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/control_variate.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "ops/sorting/neural_sort.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

const Array<double> scores{{0.3, NAN, -1.2, 0.9}, {INFINITY, 0.5, NAN, NAN}, {NAN, NAN, NAN, NAN}};
const ItemMask mask(Array<bool>{
    {true, false, true, true}, {false, true, false, false}, {false, false, false, false}});

// The orders of the first set's valid items 0, 2 and 3, then the masked one.
std::vector<std::vector<Index>> orders_of_first() {
  std::vector<std::vector<Index>> orders;
  std::vector<Index> order{0, 2, 3};
  do {
    orders.push_back({order[0], order[1], order[2], 1});
  } while (std::next_permutation(order.begin(), order.end()));
  return orders;
}

// By the definition.
double probability(const std::vector<Index>& order) {
  double p = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    double left = 0;
    for (std::size_t j = i; j < 3; ++j) left += std::exp(scores(0, std::size_t(order[j])));
    p *= std::exp(scores(0, std::size_t(order[i]))) / left;
  }
  return p;
}

// Every set with this order of the first one.
Indices whole(const std::vector<Index>& first) {
  Indices order{{0, 0, 0, 0}, {1, -7, 99, 1}, {-1, -1, -1, -1}};
  std::copy(first.begin(), first.end(), order.data());
  return order;
}

}  // namespace

TEST_CASE("masked Plackett-Luce has the probabilities of the valid items' orders") {
  const MaskedPlackettLuce<double> p(constant(scores), mask);
  double total = 0;
  for (const auto& order : orders_of_first()) {
    const Array<double> log_p = p.log_prob(whole(order)).value();
    CHECK(std::exp(log_p(0)) == doctest::Approx(probability(order)).epsilon(1e-13));
    CHECK(log_p(1) == 0);
    CHECK(log_p(2) == 0);
    total += std::exp(log_p(0));
  }
  CHECK(total == doctest::Approx(1).epsilon(1e-14));
  // The first place alone, and samples in front.
  const Array<double> first = p.log_prob(with_shape(Indices{3, 1, 0, 0, 1, 0}, {2, 3, 1})).value();
  const double all = std::exp(0.3) + std::exp(-1.2) + std::exp(0.9);
  CHECK(first(0, 0) == doctest::Approx(0.9 - std::log(all)).epsilon(1e-13));
  CHECK(first(1, 0) == doctest::Approx(0.3 - std::log(all)).epsilon(1e-13));
  CHECK(first(0, 1) == 0);
  CHECK(p.mode() == Indices{{3, 0, 2, 1}, {1, 0, 2, 3}, {0, 1, 2, 3}});
}

TEST_CASE("masked Plackett-Luce's gradients") {
  const auto on_scores = [](const auto& x, const auto& f) {
    using T = std::decay_t<decltype(x[0].item())>;
    return f(MaskedPlackettLuce<T>(x[0], mask));
  };
  check_rows({{"masked log_prob",
               {{3, 4}},
               anywhere,
               [=](const auto& x) {
                 return on_scores(x, [](const auto& p) { return p.log_prob(whole({2, 0, 3, 1})); });
               }},
              {"masked log_prob, samples",
               {{3, 4}},
               anywhere,
               [=](const auto& x) {
                 return on_scores(x, [](const auto& p) {
                   return p.log_prob(Indices{{{3, 0}, {1, 0}, {0, 0}}, {{0, 2}, {1, 0}, {0, 0}}});
                 });
               }},
              {"masked relaxed_sample", {{3, 4}}, distinct, [=](const auto& x) {
                 return on_scores(x, [](const auto& p) {
                   Generator random(3);
                   return p.relaxed_sample([](const auto& s) { return neural_sort(s, 1.0); },
                                           random, {2});
                 });
               }}});
  Tape<double> tape;
  const Var<double> s = tape.leaf(scores);
  tape.backward(sum(MaskedPlackettLuce<double>(s, mask).log_prob(whole({3, 2, 0, 1}))));
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (!mask.valid().data()[i]) CHECK(s.grad().data()[i] == 0);
  }
}

TEST_CASE("masked Plackett-Luce draws orders of the valid items by their probabilities") {
  const MaskedPlackettLuce<double> p(constant(scores), mask);
  Generator random(1);
  const std::size_t count = 20000;
  const Indices z = p.sample(random, {count});
  CHECK(z.shape() == Shape{count, 3, 4});
  std::map<std::vector<Index>, double> seen;
  for (std::size_t i = 0; i < count; ++i) {
    seen[{z(i, 0, 0), z(i, 0, 1), z(i, 0, 2), z(i, 0, 3)}] += 1;
    CHECK(z(i, 1, 0) == 1);
  }
  double chi_square = 0;
  std::size_t orders = 0;
  for (const auto& order : orders_of_first()) {
    const double expected = probability(order) * double(count);
    chi_square += (seen[order] - expected) * (seen[order] - expected) / expected;
    ++orders;
  }
  CHECK(seen.size() == orders);  // no others
  CHECK(chi_square < 20.5);      // 99.9 % of 5 degrees of freedom
}

TEST_CASE("masked relaxed samples are those of the valid items") {
  const RelaxedSort<double> sort = [](const Var<double>& s) { return neural_sort(s, 0.5); };
  const ItemMask one(Array<bool>{true, false, true, true});
  const Var<double> s = constant(Array<double>{0.3, NAN, -1.2, 0.9}),
                    valid = constant(Array<double>{0.3, -1.2, 0.9});
  for (const bool hard : {false, true}) {
    Generator a(5), b(5);
    const MaskedPlackettLuce<double> masked_p(s, one);
    const PlackettLuce<double> p(valid);
    const Array<double> P = (hard ? masked_p.straight_through_sample(sort, a, {2})
                                  : masked_p.relaxed_sample(sort, a, {2}))
                                .value();
    const Array<double> expected =
        (hard ? p.straight_through_sample(sort, b, {2}) : p.relaxed_sample(sort, b, {2})).value();
    REQUIRE(P.shape() == Shape{2, 4, 4});
    const std::size_t items[] = {0, 2, 3};
    double total = 0;
    for (std::size_t k = 0; k < 2; ++k) {
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) {
          CHECK(P(k, i, items[j]) == expected(k, i, j));
          total += P(k, i, items[j]);
        }
      }
    }
    CHECK(sum(constant(P)).item() == doctest::Approx(total).epsilon(1e-14));  // elsewhere 0
  }
}

TEST_CASE("estimators of masked sets see the valid items alone") {
  // The cost of an order: the label of its first item, weighed by the place of item 0 of the valid.
  const Array<double> labels{{1.0, NAN, 4.0, 2.0}, {NAN, 3.0, NAN, NAN}, {NAN, NAN, NAN, NAN}};
  const auto cost_of = [](const Array<double>& labels) -> OrderCost<double> {
    return [labels](const Indices& orders) {
      const std::size_t S = orders.shape()[0], g = orders.shape()[1], m = orders.shape()[2];
      REQUIRE(labels.shape() == Shape{g, m});
      Array<double> cost = zeros<double>({S, g});
      for (std::size_t i = 0; i < S * g; ++i) {
        cost.data()[i] = labels.data()[i % g * m + std::size_t(orders.data()[i * m])];
      }
      return constant(cost);
    };
  };
  Tape<double> tape;
  const Var<double> s = tape.leaf(scores);
  const auto expectation = [&](auto estimator) {
    return masked(
        mask, By::set,
        [&](const Var<double>& s, const Array<double>& labels) {
          return estimator(s, cost_of(labels));
        },
        s, labels);
  };
  const Var<double> exact = expectation(
      [](const Var<double>& s, const OrderCost<double>& f) { return exact_expectation(s, f); });
  double expected = 0;
  for (const auto& order : orders_of_first()) {
    expected += probability(order) * labels(0, std::size_t(order[0]));
  }
  CHECK(exact.value()(0) == doctest::Approx(expected).epsilon(1e-13));
  CHECK(exact.value()(1) == 3);
  CHECK(exact.value()(2) == 0);
  tape.backward(sum(exact));
  const Array<double> gradient = s.grad();
  // E label of the first item has d / ds_j = p_j (label_j - E).
  const double all = std::exp(0.3) + std::exp(-1.2) + std::exp(0.9);
  for (std::size_t j : {0u, 2u, 3u}) {
    const double p = std::exp(scores(0, j)) / all;
    CHECK(gradient(0, j) == doctest::Approx(p * (labels(0, j) - expected)).epsilon(1e-12));
  }
  tape.zero_grad();
  Generator random(2);
  const Var<double> estimate = expectation([&](const Var<double>& s, const OrderCost<double>& f) {
    return reinforce(s, f, 20000, random, Baseline::leave_one_out);
  });
  tape.backward(sum(estimate));
  CHECK(estimate.value()(0) == doctest::Approx(expected).epsilon(0.03));
  CHECK(distance(s.grad(), gradient) < 0.03);
}

TEST_CASE("masked Plackett-Luce says what does not fit") {
  const MaskedPlackettLuce<double> p(constant(scores), mask);
  CHECK(error_of([&] {
          p.log_prob(whole({0, 1, 2, 3}));
        }) ==
        "invalid_argument: masked: row 0 has item 1 at place 1; need one of its 3 valid items of 0 "
        ".. 3");
  CHECK(error_of([&] {
          p.log_prob(whole({0, 0, 2, 3}));
        }) == "invalid_argument: PlackettLuce::log_prob: row 0 of order has item 0 twice");
  CHECK(error_of([&] {
          p.log_prob(Indices{0, 1});
        }) ==
        "invalid_argument: MaskedPlackettLuce::log_prob: order is (2), the mask is (3, 4); need "
        "(samples.., .., k)");
  CHECK(error_of([&] {
          MaskedPlackettLuce<double>(constant(scores), ItemMask::of_lengths({2, 0, 0}, 4));
        }).find("PlackettLuce: log-score 1 of row 0 is nan") != std::string::npos);
}
