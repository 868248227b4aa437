#include <estimators.hpp>

#include "../test_tools.hpp"

using course::check;
using course::check_near;
using course::differences;

namespace {

const Vector s{0.5, -1, 2}, c{3, 1, 10};

Vector times(double a, Vector x) {
  for (double& one : x) one *= a;
  return x;
}

double expected(const Vector& scores) {
  double sum = 0;
  const Vector p = softmax(scores);
  for (std::size_t j = 0; j < p.size(); ++j) sum += p[j] * c[j];
  return sum;
}

}  // namespace

TASK("9.1") {
  const Vector p = softmax(s);
  Vector plain, variance, falling = differences(expected, s);
  for (double& one : falling) one = -one;
  for (std::size_t j = 0; j < 3; ++j) {
    plain.push_back(p[j] * c[j]);
    variance.push_back(p[j] * (1 - p[j]) * c[j]);
  }
  check_near(
      "The gradient for scores (0.5, -1, 2) and costs (3, 1, 10)", exact_gradient(s, c),
      differences(expected, s),
      {{plain, "The mean cost is missing: p_j (c_j - mean)."},
       {falling, "The sign is wrong: p_j (c_j - mean), which raises the expected cost."},
       {variance, "Only p_j's own score is looked at; all p change with it: p_j (c_j - mean)."}},
      1e-6);
}

TASK("9.2") {
  const Vector p = softmax(s);
  const auto with = [&](double cost) {
    return Vector{cost * (1 - p[0]), -cost * p[1], -cost * p[2]};
  };
  check_near(
      "The estimate for choice 0 of cost 3 without a baseline", score_function(s, 0, 3, 0), with(3),
      {{Vector{3, 0, 0},
        "Only the choice is rewarded: the gradient of log p_J is 1 - p_J there and -p_j "
        "elsewhere."},
       {with(1), "It has not been multiplied by the cost."},
       {times(p[0], with(3)),
        "No p in front: the choice has been drawn with that probability already."},
       {with(-3),
        "The sign is wrong: this is the gradient of the cost, which the training goes against."}});
  check_near(
      "The estimate for choice 0 of cost 3 with b = 2", score_function(s, 0, 3, 2), with(1),
      {{with(3), "b has not been taken from the cost."},
       {{with(3)[0] - 2, with(3)[1] - 2, with(3)[2] - 2},
        "b is taken from the cost alone: the bracket (c_J - b) comes first, then the gradient of "
        "log p_J."},
       {with(5), "b has been added; it is subtracted."}});
  Vector mean(3);
  for (std::size_t j = 0; j < 3; ++j) {
    const Vector one = score_function(s, j, c[j], 7);
    for (std::size_t k = 0; k < 3; ++k) mean[k] += p[j] * one[k];
  }
  check_near("The mean of the estimate over all choices, with any b,", mean,
             differences(expected, s), {}, 1e-6);
}

TASK("9.3") {
  const Vector scores{0.5, -1, 2, 0, 1}, costs{3, 1, 10, 4, 2}, p = softmax(scores);
  const std::vector<std::size_t> choices{0, 2, 2, 1};
  const Vector by_item{3, 10, 10, 1}, by_draw{3, 1, 10, 4};  // c[choices[i]], and c[i]
  // With these costs of the draws in the total of the baseline, and in the bracket.
  const auto by = [&](auto baseline, const Vector& in_total, const Vector& own) {
    Vector mean(5);
    double total = 0;
    for (double one : in_total) total += one;
    for (std::size_t i = 0; i < 4; ++i) {
      const double weight = own[i] - baseline(total, own[i]);
      for (std::size_t k = 0; k < 5; ++k)
        mean[k] += weight * ((k == choices[i] ? 1 : 0) - p[k]) / 4;
    }
    return mean;
  };
  const auto others = [](double total, double own) { return (total - own) / 3; };
  const Vector right = by(others, by_item, by_item);
  const char* cost = "The cost of choices[i] is c[choices[i]]; c[i] is that of item i.";
  check_near("The estimate for 5 items from the choices (0, 2, 2, 1)",
             leave_one_out(scores, choices, costs), right,
             {{by([](double total, double) { return total / 4; }, by_item, by_item),
               "The baseline is the mean of all costs, with the choice's own among them. Then it "
               "depends on "
               "the choice, and the expectation is wrong by a factor (S - 1) / S. Leave it out."},
              {by([](double total, double own) { return (total - own) / 4; }, by_item, by_item),
               "The other draws are S - 1, not S."},
              {by([](double, double) { return 0.0; }, by_item, by_item), "There is no baseline."},
              {by(others, by_draw, by_draw), cost},
              {by(others, by_draw, by_item), cost},
              {by(others, by_item, by_draw), cost},
              {times(4, right), "It is a mean over the S choices: divide by S."}});
}

TASK("9.4") {
  const Vector g{0.3, 1.1, -0.4};
  const auto relaxed = [&](const Vector& scores) {
    Vector moved;
    for (std::size_t j = 0; j < 3; ++j) moved.push_back((scores[j] + g[j]) / 0.5);
    return expected(moved);
  };
  const Vector right = differences(relaxed, s);
  const auto cool = [](const Vector& scores) { return expected(times(2, scores)); };
  check_near(
      "The gradient at the noise (0.3, 1.1, -0.4), tau = 0.5,", reparameterised(s, c, g, 0.5),
      right,
      {{times(0.5, right), "1 / tau is missing: the chain rule through (s + g) / tau."},
       {times(0.25, right), "It has been multiplied by tau; it is to be divided."},
       {differences(cool, s), "The noise has not been added."},
       {differences(expected, s), "The noise has not been added, and tau is not looked at."}},
      1e-6);
}

TASK("9.5") {
  const Quality q = quality({{1, 0}, {3, 0}, {2, 3}}, {0, -1});
  const char* own =
      "The distance is to be taken from the estimates' own mean (2, 1), not from what is right.";
  check_near("The squared bias of (1, 0), (3, 0), (2, 3) for (0, -1)", q.squared_bias, 8,
             {{0, "The mean is (2, 1), and (0, -1) was asked for."},
              {4, "That is the mean over the elements of a distance; it is their sum."},
              {std::sqrt(8), "That is the distance; it is to be squared."},
              {16, "The squares are summed, not the elements: 2^2 + 2^2."},
              {8.0 / 3, "The bias is that of the mean; no division."}});
  check_near(
      "Their variance", q.variance, 2 / 3.0 + 2,
      {{2 / 3.0 + 2 + 8, own},
       {(2 / 3.0 + 2 + 8) * 3, own},
       {3 * (2 / 3.0 + 2), "It is a mean over the estimates: divide by their number, S."},
       {(2 / 3.0 + 2) / 2, "That is the mean over the elements of a distance; it is their sum."},
       {1 + 3, "Divide by S here, not by S - 1."}});
}

int main(int, char** argv) { return course::run(argv[1]); }
