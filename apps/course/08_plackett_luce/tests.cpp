#include <plackett_luce.hpp>
#include <random>

#include "../test_tools.hpp"

using course::check;
using course::check_near;

namespace {

Vector numbers(const Order& order) { return {order.begin(), order.end()}; }

// By the definition; `remove` whether those already placed leave the sum.
double by_definition(const Vector& s, const Order& order, bool remove = true) {
  double log_prob = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    double rest = 0;
    for (std::size_t q = remove ? i : 0; q < order.size(); ++q) rest += std::exp(s[order[q]]);
    log_prob += s[order[i]] - std::log(rest);
  }
  return log_prob;
}

const Vector s{0.5, -1, 2};

}  // namespace

TASK("8.1") {
  check_near("The time for u = 0.25 and rate 2", arrival(0.25, 2), std::log(4) / 2,
             {{-std::log(4) / 2, "A time is not negative: log u is, for u < 1."},
              {2 * std::log(4), "The higher the rate, the earlier it happens: divide by it."},
              {std::log(4), "The rate is missing."},
              {-std::log(0.75) / 2,
               "That is from 1 - u. It has the same distribution, but the later tasks "
               "compare with -log(u) / rate."},
              {std::exp(-0.5), "That is P(time > u). Solve exp(-rate t) = u for t."}});
}

TASK("8.2") {
  // Equal rates: the larger u, the earlier. A cycle of three, which is not its own inverse.
  check_near("The order for equal scores and u = (0.5, 0.1, 0.9)",
             numbers(race({0, 0, 0}, {0.5, 0.1, 0.9})), {2, 0, 1},
             {{{1, 0, 2}, "The last one stands first. The earliest arrival is at place 0."},
              {{1, 2, 0},
               "These are the places of the items. An order says which item stands at each place."},
              {{0, 1, 2}, "That is not sorted by the times."}});
  check_near("The order for scores (1, 3, 2) and u = (0.7, 0.2, 0.5)",
             numbers(race({1, 3, 2}, {0.7, 0.2, 0.5})), {1, 2, 0},
             {{{2, 0, 1}, "The rate is exp(s_j), not s_j."},
              {{0, 2, 1}, "The rate is exp(s_j): a large score arrives early."}});
}

TASK("8.3") {
  check_near("The noise for u = 0.25", gumbel(0.25), -std::log(std::log(4)),
             {{std::log(std::log(4)),
               "The sign is wrong: who arrives early has to get much, so it is -log(time)."},
              {std::log(4), "That is the time itself, at rate 1. The noise is -log of it."}});
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(1e-12, 1);
  for (int trial = 0; trial < 100; ++trial) {
    const Vector u{uniform(random), uniform(random), uniform(random)};
    // Without task 8.2: who has the larger s + G is the earlier one.
    for (std::size_t a = 0; a < 3; ++a) {
      for (std::size_t b = 0; b < 3; ++b) {
        const double time_a = -std::log(u[a]) / std::exp(s[a]),
                     time_b = -std::log(u[b]) / std::exp(s[b]);
        check((time_a < time_b) == (s[a] + gumbel(u[a]) > s[b] + gumbel(u[b])),
              "s + G does not sort as the arrival times do.");
      }
    }
  }
}

TASK("8.4") {
  const Order order{2, 0, 1};
  // With a sum that is not that of the items left: over places from .. to, and `more` besides.
  const auto by_sum = [&](auto from, auto to, double more, std::size_t places) {
    double log_prob = 0;
    for (std::size_t i = 0; i < places; ++i) {
      double sum = more;
      for (std::size_t q = from(i); q < to(i); ++q) sum += std::exp(s[order[q]]);
      log_prob += s[order[i]] - std::log(sum);
    }
    return log_prob;
  };
  const auto here = [](std::size_t i) { return i; };
  const auto next = [](std::size_t i) { return i + 1; };
  const auto front = [](std::size_t) -> std::size_t { return 0; };
  const auto end = [](std::size_t) -> std::size_t { return 3; };
  const char* own =
      "The item that gets the place is itself one of those left: add it to the sum first.";
  const double got = log_probability(s, order);
  check(got != INFINITY, std::string("log Pr came out as infinity. ") + own);
  check_near(
      "log Pr of the order (2, 0, 1) for scores (0.5, -1, 2)", got, by_definition(s, order),
      {{by_definition(s, order, false),
        "Each place is chosen from those that are left; you divide by the sum over all each time."},
       {std::exp(by_definition(s, order)), "That is the probability. Return its logarithm."},
       {by_definition(s, {0, 1, 2}),
        "The order is not looked at: place i has the score s[order[i]]."},
       {by_sum(here, end, 1, 3),
        "A sum that is 0 in the beginning has the logarithm -INFINITY; 0 is the logarithm of 1."},
       {by_sum(front, next, 0, 3),
        "The sum is over the items placed so far. It is over those that are left: begin with the "
        "last "
        "place."},
       {by_sum(next, end, 0, 2), own}});
  double total = 0;
  Order any{0, 1, 2};
  do {
    total += std::exp(log_probability(s, any));
  } while (std::next_permutation(any.begin(), any.end()));
  check_near("The sum of the probabilities of all six orders", total, 1);
  check_near("log Pr of (0, 1) for scores (1000, 999)", log_probability({1000, 999}, {0, 1}),
             -std::log1p(std::exp(-1)), {});
}

TASK("8.5") {
  const Order order{2, 0, 1};
  const auto by = [&](bool remove) {
    return course::differences([&](const Vector& x) { return by_definition(x, order, remove); }, s);
  };
  const Vector right = by(true), first = by(false);
  Vector plain = right;
  for (double& one : plain) one -= 1;
  // With k for order[k]: in the score read, in the gradient that -p goes to, in the one that 1 goes to.
  const auto mixed = [&](bool read, bool minus, bool plus) {
    Vector gradient(3);
    for (std::size_t i = 0; i < 3; ++i) {
      double sum = 0;
      for (std::size_t k = i; k < 3; ++k) sum += std::exp(s[read ? k : order[k]]);
      for (std::size_t k = i; k < 3; ++k)
        gradient[minus ? k : order[k]] -= std::exp(s[read ? k : order[k]]) / sum;
      gradient[plus ? i : order[i]] += 1;
    }
    return gradient;
  };
  const char* score = "The score at place k is s[order[k]], not s[k].";
  const char* place =
      "The gradient is by item: at place k it is gradient[order[k]], not gradient[k].";
  const char* both = "The item at place k is order[k], not k.";
  const Vector got = log_probability_gradient(s, order);
  check_near("The gradient of log Pr of the order (2, 0, 1)", got, right,
             {{plain, "The 1 is missing that a place gives the item which it has got."},
              {first, "Who has been placed is no longer left, and can get no place behind."},
              {mixed(true, false, false), score},
              {mixed(false, true, false), place},
              {mixed(false, false, true), place},
              {mixed(false, true, true), place},
              {mixed(true, true, false), both},
              {mixed(true, true, true), both},
              {{1, 1, 1}, "Only the numerators are there. The sums depend on the scores, too."},
              {{0, 0, 0}, "gradient is 0."}},
             1e-6);
  check_near("The sum of the gradient (a constant added to all scores changes nothing)",
             got[0] + got[1] + got[2], 0);
  const double p = 1 / (1 + std::exp(-1));
  check_near("The gradient of log Pr of (0, 1) for scores (1000, 999)",
             log_probability_gradient({1000, 999}, {0, 1}), {1 - p, p - 1});
}

int main(int, char** argv) { return course::run(argv[1]); }
