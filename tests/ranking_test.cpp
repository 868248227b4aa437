#include "ops/ranking.hpp"

#include <cmath>
#include <functional>

#include "gradcheck/derivatives.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/fast_soft_sort.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

using Numbers = std::vector<double>;

// A loss by name; what stands beside scores and labels is fixed.
struct Loss {
  const char* name;
  std::function<Var<double>(const Var<double>&, const Array<double>&, const OptionalMask&)> f64;
  std::function<Var<float>(const Var<float>&, const Array<float>&, const OptionalMask&)> f32;
  bool of_gains;

  template <class F>
  Loss(const char* name, bool of_gains, F f) : name(name), f64(f), f32(f), of_gains(of_gains) {}
};

std::vector<Loss> losses(double tau = 0.7) {
  return {
      {"list_mle_loss", false,
       [](auto& s, auto& y, auto& mask) { return list_mle_loss(s, y, mask); }},
      {"list_net_loss", false,
       [](auto& s, auto& y, auto& mask) { return list_net_loss(s, y, mask); }},
      {"pairwise_logistic_loss", false,
       [](auto& s, auto& y, auto& mask) { return pairwise_logistic_loss(s, y, mask); }},
      {"lambda_loss", true,
       [](auto& s, auto& y, auto& mask) {
         return lambda_loss(s, y, LambdaWeights::ndcg_loss2, mask);
       }},
      {"lambda_loss", true,
       [](auto& s, auto& y, auto& mask) {
         return lambda_loss(s, y, LambdaWeights::lambda_rank, mask);
       }},
      {"neural_ndcg_loss", true,
       [=](auto& s, auto& y, auto& mask) { return neural_ndcg_loss(s, y, tau, 3, mask); }},
      {"pi_rank_loss", true,
       [=](auto& s, auto& y, auto& mask) { return pi_rank_loss(s, y, tau, 3, mask); }},
      {"spearman_loss", false,
       [=](auto& s, auto& y, auto& mask) { return spearman_loss(s, y, tau, mask); }},
  };
}

// --- One set, as the formulas are written: places count from 1.

double d(std::size_t place) { return 1 / std::log2(1.0 + double(place)); }
double gain_of(double label) { return std::pow(2, label) - 1; }

double naive_dcg(const Numbers& labels_in_order, std::size_t k) {
  double dcg = 0;
  for (std::size_t i = 1; i <= std::min(k, labels_in_order.size()); ++i) {
    dcg += d(i) * gain_of(labels_in_order[i - 1]);
  }
  return dcg;
}

double max_dcg(Numbers labels, std::size_t k) {
  double most = 0;  // of all orders
  std::sort(labels.begin(), labels.end());
  do most = std::max(most, naive_dcg(labels, k));
  while (std::next_permutation(labels.begin(), labels.end()));
  return most;
}

// How many are larger, or equal and in front, and itself.
std::size_t place_of(const Numbers& x, std::size_t j) {
  std::size_t place = 1;
  for (std::size_t k = 0; k < x.size(); ++k) place += x[k] > x[j] || (x[k] == x[j] && k < j);
  return place;
}

double naive_list_mle(const Numbers& s, const Numbers& y) {
  double loss = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    double rest = 0;
    for (std::size_t j = 0; j < s.size(); ++j) {
      if (place_of(y, j) >= place_of(y, i)) rest += std::exp(s[j] - s[i]);
    }
    loss += std::log(rest);
  }
  return loss;
}

double naive_list_net(const Numbers& s, const Numbers& y) {
  double loss = 0, s_sum = 0, y_sum = 0;
  for (std::size_t j = 0; j < s.size(); ++j) s_sum += std::exp(s[j]), y_sum += std::exp(y[j]);
  for (std::size_t j = 0; j < s.size(); ++j) {
    loss -= std::exp(y[j]) / y_sum * std::log(std::exp(s[j]) / s_sum);
  }
  return loss;
}

using Weight = std::function<double(std::size_t i, std::size_t j)>;
double naive_pairs(const Numbers& s, const Numbers& y, const Weight& w) {
  double loss = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    for (std::size_t j = 0; j < s.size(); ++j) {
      if (y[i] > y[j]) loss += w(i, j) * std::log(1 + std::exp(s[j] - s[i]));
    }
  }
  return loss;
}

double naive_lambda(const Numbers& s, const Numbers& y, bool loss2) {
  return naive_pairs(s, y, [&](std::size_t i, std::size_t j) {
    const std::size_t ri = place_of(s, i), rj = place_of(s, j), m = ri > rj ? ri - rj : rj - ri;
    const double G = (gain_of(y[i]) - gain_of(y[j])) / max_dcg(y, y.size());
    return G * (loss2 ? d(m) - d(m + 1) : std::abs(d(ri) - d(rj))) / std::log(2.0);
  });
}

// NeuralSort's P_hat, and so many times its columns and rows normalised.
double naive_soft_ndcg(const Numbers& s, const Numbers& y, double tau, std::size_t k, int times) {
  const std::size_t n = s.size();
  std::vector<Numbers> P(n, Numbers(n));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double A = 0;
      for (std::size_t l = 0; l < n; ++l) A += std::abs(s[j] - s[l]);
      P[i][j] = std::exp(((double(n) - 1 - 2 * double(i)) * s[j] - A) / tau);
    }
  }
  const auto normalise = [&](bool rows) {
    for (std::size_t a = 0; a < n; ++a) {
      double total = 0;
      for (std::size_t b = 0; b < n; ++b) total += rows ? P[a][b] : P[b][a];
      for (std::size_t b = 0; b < n; ++b) (rows ? P[a][b] : P[b][a]) /= total;
    }
  };
  normalise(true);
  for (int t = 0; t < times; ++t) {
    if (t > 0) normalise(true);
    normalise(false);
  }
  double dcg = 0;
  for (std::size_t i = 0; i < std::min(n, k); ++i) {
    for (std::size_t j = 0; j < n; ++j) dcg += d(i + 1) * P[i][j] * gain_of(y[j]);
  }
  return dcg / max_dcg(y, k);
}

Numbers row_of(const Array<double>& x, std::size_t row) {
  const std::size_t n = x.shape().back();
  return {x.data() + row * n, x.data() + (row + 1) * n};
}

// Scores and labels of three sets of five; labels have ties, the last set's scores, too.
const Array<double> some_scores{
    {0.3, -1.2, 0.8, 0.1, 2.0}, {1.5, -0.2, 0.4, -2.0, 0.9}, {0.5, 0.5, -0.5, 0.0, 0.5}};
const Array<double> some_labels{{1, 0, 2, 0, 4}, {0, 3, 3, 1, 0}, {0, 1, 0, 2, 1}};

}  // namespace

TEST_CASE("ranking losses pass gradcheck, and float agrees with double") {
  std::vector<OpRow> rows;
  for (const Loss& loss : losses()) {
    OpRow row(loss.name, {{2, 3, 5}}, distinct, [](auto& x) { return x[0]; });
    const Array<double> y{{{1, 0, 2, 0, 4}, {0, 3, 3, 1, 0}, {0, 1, 0, 2, 1}},
                          {{0, 0, 0, 0, 0}, {1, 1, 1, 1, 1}, {4, 3, 2, 1, 0}}};
    row.f64 = [=](auto& x) { return loss.f64(x[0], y, {}); };
    row.f32 = [=](auto& x) { return loss.f32(x[0], convert<float>(y), {}); };
    rows.push_back(row);
  }
  check_rows(rows);
}

TEST_CASE("ranking losses are their formulas") {
  const Var<double> s = constant(some_scores);
  const Array<double>& y = some_labels;
  const Array<double> mle = list_mle_loss(s, y).value(), net = list_net_loss(s, y).value(),
                      pairs = pairwise_logistic_loss(s, y).value(),
                      loss2 = lambda_loss(s, y).value(),
                      rank = lambda_loss(s, y, LambdaWeights::lambda_rank).value();
  REQUIRE(mle.shape() == Shape{3});
  for (std::size_t row = 0; row < 3; ++row) {
    CAPTURE(row);
    const Numbers s_row = row_of(some_scores, row), y_row = row_of(y, row);
    const auto is = [](double value, double expected) {
      CHECK(value == doctest::Approx(expected).epsilon(1e-12));
    };
    is(mle(row), naive_list_mle(s_row, y_row));
    is(net(row), naive_list_net(s_row, y_row));
    is(pairs(row), naive_pairs(s_row, y_row, [](std::size_t, std::size_t) { return 1; }));
    is(loss2(row), naive_lambda(s_row, y_row, true));
    is(rank(row), naive_lambda(s_row, y_row, false));
    for (const std::size_t k : {1u, 3u, 5u, 9u}) {
      for (const double tau : {0.3, 2.0}) {
        is(pi_rank_loss(s, y, tau, k).value()(row), 1 - naive_soft_ndcg(s_row, y_row, tau, k, 0));
        is(neural_ndcg_loss(s, y, tau, k).value()(row),
           1 - naive_soft_ndcg(s_row, y_row, tau, k, 20));
      }
    }
  }
}

TEST_CASE("pairwise and lambda losses of two documents, by hand") {
  const Var<double> s = constant(Array<double>{0.0, 1.0});
  const Array<double> y{2, 1};  // gains 3 and 1, max DCG 3 + 1 / log2(3)
  const double gap = std::log(1 + std::exp(1.0));
  CHECK(pairwise_logistic_loss(s, y).item() == doctest::Approx(gap));
  const double w = 2 / (3 + 1 / std::log2(3.0)) * (1 - 1 / std::log2(3.0)) / std::log(2.0);
  CHECK(lambda_loss(s, y).item() == doctest::Approx(w * gap));
  CHECK(lambda_loss(s, y, LambdaWeights::lambda_rank).item() == doctest::Approx(w * gap));
}

TEST_CASE("as tau goes to 0, losses of NDCG become 1 - NDCG, and Spearman's 1 - the coefficient") {
  const Array<double> s{{0.3, -1.2, 0.8, 0.1, 2.0}, {1.5, -0.2, 0.4, -2.0, 0.9}};
  const Array<double> y{{1, 0, 2, 0, 4}, {0, 3, 3, 1, 0}};
  for (const std::size_t k : {std::size_t(1), std::size_t(3), all_places}) {
    const Array<double> exact = ndcg(s, y, k);
    const Array<double> soft = pi_rank_loss(constant(s), y, 1e-3, k).value();
    const Array<double> scaled = neural_ndcg_loss(constant(s), y, 1e-3, k).value();
    for (std::size_t row = 0; row < 2; ++row) {
      CHECK(soft(row) == doctest::Approx(1 - exact(row)).epsilon(1e-12));
      CHECK(scaled(row) == doctest::Approx(1 - exact(row)).epsilon(1e-12));
    }
  }
  // Ranks of s: 3 5 2 4 1. Of the labels: 3 5 2 4 1, then 5 1 2 3 4 with differences 2 4 0 1 3.
  const Array<double> distinct{{1, -1, 2, 0, 4}, {0, 4, 3, 2, 1}};
  const Var<double> same =
      constant(Array<double>{{0.3, -1.2, 0.8, 0.1, 2.0}, {0.3, -1.2, 0.8, 0.1, 2.0}});
  const Array<double> loss = spearman_loss(same, distinct, 1e-3).value();
  CHECK(loss(0) == doctest::Approx(0).epsilon(1e-12));
  CHECK(loss(1) == doctest::Approx(6.0 * (4 + 16 + 0 + 1 + 9) / 120).epsilon(1e-12));
  // Equal labels share the mean of their ranks: 2.5, 1, 2.5 and 4 beside 1, 2, 3, 4.
  const Var<double> falling = constant(Array<double>{3.0, 2.0, 1.0, 0.0});
  CHECK(spearman_loss(falling, Array<double>{1, 2, 1, 0}, 1e-3).item() ==
        doctest::Approx(6 * (2.25 + 1 + 0.25) / 60));
}

TEST_CASE("Spearman's loss is that of soft ranks") {
  const Var<double> s = constant(some_scores);
  const Array<double> r = fast_soft_rank(s, 0.7).value();
  const Array<double> t{{3, 4.5, 2, 4.5, 1}, {4.5, 1.5, 1.5, 3, 4.5}, {4.5, 2.5, 4.5, 1, 2.5}};
  const Array<double> loss = spearman_loss(s, some_labels, 0.7).value();
  for (std::size_t row = 0; row < 3; ++row) {
    double sum = 0;
    for (std::size_t j = 0; j < 5; ++j) sum += (r(row, j) - t(row, j)) * (r(row, j) - t(row, j));
    CHECK(loss(row) == doctest::Approx(6 * sum / 120).epsilon(1e-12));
  }
  CHECK(spearman_loss(constant(Array<double>{7.0}), Array<double>{1}, 1).item() == 0);
}

TEST_CASE("NDCG and reciprocal rank by hand") {
  const Array<double> s{
      {0.9, 0.8, 0.7, 0.6}, {4, 3, 2, 1}, {1, 2, 3, 4}, {-INFINITY, 0, 1, INFINITY}};
  const Array<double> y{{0, 2, 0, 1}, {0, 0, 0, 0}, {1, 0, 0, 0}, {3, 0, 0, 1}};
  const double d2 = 1 / std::log2(3.0), d4 = 1 / std::log2(5.0);
  const Array<double> all = ndcg(s, y), first = ndcg(s, y, 1), two = ndcg(s, y, 2);
  CHECK(all(0) == doctest::Approx((3 * d2 + d4) / (3 + d2)));
  CHECK(all(1) == 1);
  CHECK(all(2) == doctest::Approx(d4));
  CHECK(all(3) == doctest::Approx((1 + 7 * d4) / (7 + d2)));
  CHECK(first(0) == 0);
  CHECK(first(1) == 1);
  CHECK(first(3) == doctest::Approx(1.0 / 7));
  CHECK(two(0) == doctest::Approx(3 * d2 / (3 + d2)));
  CHECK(reciprocal_rank(s, y) == Array<double>{0.5, 0, 0.25, 1});
  CHECK(ndcg(Array<float>{1, 3, 2}, Array<float>{0, 2, 1}, 5)() == 1);
}

TEST_CASE("metrics of equal scores are means over all their orders") {
  const Array<double> s{1, 2, 1, 1, 0, 0}, y{0, 0, 1, 3, 2, 0};
  // All orders that agree with the scores, as permutations of places 1 .. 3 and 4 .. 5.
  std::vector<std::size_t> order{1, 0, 2, 3, 4, 5};
  double count = 0, rr = 0;
  Numbers mean(6, 0);
  std::vector<std::size_t> middle{0, 2, 3}, end{4, 5};
  do {
    do {
      Numbers labels{y(1)};
      for (std::size_t j : middle) labels.push_back(y(j));
      for (std::size_t j : end) labels.push_back(y(j));
      ++count;
      for (std::size_t k = 1; k <= 6; ++k) mean[k - 1] += naive_dcg(labels, k) / max_dcg(labels, k);
      std::size_t place = 1;
      while (labels[place - 1] == 0) ++place;
      rr += 1 / double(place);
    } while (std::next_permutation(end.begin(), end.end()));
  } while (std::next_permutation(middle.begin(), middle.end()));
  REQUIRE(count == 12);
  for (std::size_t k = 1; k <= 6; ++k) {
    CHECK(ndcg(s, y, k)() == doctest::Approx(mean[k - 1] / count).epsilon(1e-13));
  }
  CHECK(reciprocal_rank(s, y)() == doctest::Approx(rr / count).epsilon(1e-13));
}

TEST_CASE("list_mle_loss: documents in random order average over the orders of equal labels") {
  const Array<double> s{0.5, -1.0, 2.0};
  const Var<double> both =
      (list_mle_loss(constant(s), Array<double>{1, 1, 0}) +
       list_mle_loss(constant(Array<double>{-1.0, 0.5, 2.0}), Array<double>{1, 1, 0})) /
      2;
  const double total = std::exp(0.5) + std::exp(-1.0) + std::exp(2.0);
  const double first = std::log(total) - 0.5 + std::log(std::exp(-1.0) + std::exp(2.0)) + 1;
  const double second = std::log(total) + 1 + std::log(std::exp(0.5) + std::exp(2.0)) - 0.5;
  CHECK(both.item() == doctest::Approx((first + second) / 2).epsilon(1e-13));
}

TEST_CASE("a masked document changes nothing, and has gradient 0") {
  const Array<bool> valid{{true, false, true, true, false},
                          {false, false, false, false, false},
                          {true, true, true, true, true}};
  const ItemMask mask(valid);
  Array<double> s = some_scores, y = some_labels;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (!valid.data()[i]) s.data()[i] = i % 2 ? NAN : INFINITY, y.data()[i] = -1;
  }
  const Array<double> s0{0.3, 0.8, 0.1}, y0{1, 2, 0}, s2{0.5, 0.5, -0.5, 0.0, 0.5},
      y2{0, 1, 0, 2, 1};
  for (const Loss& loss : losses()) {
    CAPTURE(loss.name);
    Tape<double> tape, alone;
    const Var<double> all = tape.leaf(s), x0 = alone.leaf(s0), x2 = alone.leaf(s2);
    const Var<double> value = loss.f64(all, y, mask);
    const Var<double> v0 = loss.f64(x0, y0, {}), v2 = loss.f64(x2, y2, {});
    CHECK(value.value() == Array<double>{v0.item(), 0.0, v2.item()});
    tape.backward(value, Array<double>{1.0, 1.0, 1.0});
    alone.backward(v0 + v2);
    const Array<double> g0 = x0.grad(), g2 = x2.grad();
    CHECK(all.grad() == Array<double>{{g0(0), 0, g0(1), g0(2), 0},
                                      {0, 0, 0, 0, 0},
                                      {g2(0), g2(1), g2(2), g2(3), g2(4)}});
  }
  CHECK(ndcg(s, y, 2, mask) == Array<double>{ndcg(s0, y0, 2)(), 1, ndcg(s2, y2, 2)()});
  CHECK(reciprocal_rank(s, y, mask) ==
        Array<double>{reciprocal_rank(s0, y0)(), 0, reciprocal_rank(s2, y2)()});
}

TEST_CASE("losses without anything to learn are 0 or constant") {
  Tape<double> tape;
  const Var<double> s = tape.leaf({0.5, -1.0, 2.0});
  const Array<double> nothing{0, 0, 0};
  for (const Loss& loss : losses()) {
    CAPTURE(loss.name);
    if (!loss.of_gains) continue;
    const Var<double> value = loss.f64(s, nothing, {});
    CHECK(value.item() == 0);
    tape.zero_grad();
    tape.backward(value);
    CHECK(s.grad() == zeros<double>({3}));
  }
  CHECK(pairwise_logistic_loss(s, nothing).item() == 0);
}

TEST_CASE("far scores: nothing overflows, and a certain order has its tiny loss") {
  const Array<double> y{2, 1, 0};
  CHECK(pairwise_logistic_loss(constant(Array<double>{80, 40, 0}), y).item() ==
        doctest::Approx(2 * std::exp(-40.0)).epsilon(1e-13));
  CHECK(list_mle_loss(constant(Array<double>{80, 40, 0}), y).item() ==
        doctest::Approx(2 * std::exp(-40.0)).epsilon(1e-13));
  for (const Loss& loss : losses()) {
    CAPTURE(loss.name);
    Tape<float> tape;
    const Var<float> s = tape.leaf({-1e30f, 0.0f, 1e30f});
    const Var<float> value = loss.f32(s, convert<float>(y), {});
    tape.backward(value);
    CHECK(std::isfinite(value.item()));
    for (const float g : s.grad()) CHECK(std::isfinite(g));
  }
}

TEST_CASE("ranking losses that are composed have second derivatives") {
  const Array<double> s{0.3, -1.2, 0.8}, y{2, 0, 1};
  const auto check = [&](const auto& f) {
    const Array<double> H = hessian(f, s);
    const auto gradient_at = [&](std::size_t j, double h) {
      Tape<double> tape;
      Array<double> at = s;
      at(j) += h;
      const Var<double> x = tape.leaf(at);
      tape.backward(f(x));
      return x.grad();
    };
    for (std::size_t j = 0; j < 3; ++j) {
      const Array<double> up = gradient_at(j, 1e-5), down = gradient_at(j, -1e-5);
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(H(i, j) == doctest::Approx((up(i) - down(i)) / 2e-5).epsilon(1e-7));
      }
    }
  };
  const auto labels = [&](const auto& x) {
    return convert<typename std::decay_t<decltype(x.value())>::value_type>(y);
  };
  check([&](const auto& x) { return list_mle_loss(x, labels(x)); });
  check([&](const auto& x) { return list_net_loss(x, labels(x)); });
  check([&](const auto& x) { return pairwise_logistic_loss(x, labels(x)); });
  check([&](const auto& x) { return lambda_loss(x, labels(x)); });
}

TEST_CASE("what ranking losses and metrics refuse") {
  const Array<double> y{1, 0};
  for (const Loss& loss : losses()) {
    CAPTURE(loss.name);
    const std::string op = std::string("invalid_argument: ") + loss.name + ": ";
    const auto error = [&](const Array<double>& s, const Array<double>& labels) {
      return error_of([&] { loss.f64(constant(s), labels, {}); });
    };
    const std::string finite = "; need finite scores (a mask leaves out items that are not there)";
    CHECK(error({NAN, 1}, y) == op + "score 0 of row 0 is nan" + finite);
    CHECK(error({{0, 1}, {1, INFINITY}}, {{1, 0}, {0, 1}}) ==
          op + "score 1 of row 1 is inf" + finite);
    CHECK(error({0, 1e308}, y) == op + "score 1 of row 0 is 1e+308; need scores within "
                                       "+-8.98847e+307, half of the largest number");
    CHECK(error({0, 1}, {1, 0, 2}) == op + "shapes differ: scores is (2), labels is (3)");
    CHECK(error(scalar(1.0), scalar(1.0)) == op + "scores are 0-d; need (..., n)");
    CHECK(error(zeros<double>({2, 0}), zeros<double>({2, 0})) ==
          op + "scores are (2, 0); need (.., n) with n >= 1");
    const std::string need =
        loss.of_gains ? "; need labels between 0 and 1000" : "; need finite labels";
    CHECK(error({0, 1}, {1, NAN}) == op + "label 1 of row 0 is nan" + need);
    CHECK(error({0, 1}, {-INFINITY, 1}) == op + "label 0 of row 0 is -inf" + need);
    if (loss.of_gains) CHECK(error({0, 1}, {1, -1}) == op + "label 1 of row 0 is -1" + need);
    CHECK(error_of([&] {
            loss.f64(constant(Array<double>{0, 1}), y, ItemMask(Array<bool>{true}));
          }).find("the mask is (1); need one of shape (2), that of the scores") !=
          std::string::npos);
  }
  const Var<double> s = constant(Array<double>{0.0, 1.0});
  CHECK(error_of([&] { pi_rank_loss(s, y, 0); }) ==
        "invalid_argument: pi_rank_loss: tau must be > 0 and finite, got 0");
  CHECK(error_of([&] { neural_ndcg_loss(s, y, NAN); }) ==
        "invalid_argument: neural_ndcg_loss: tau must be > 0 and finite, got nan");
  CHECK(error_of([&] { spearman_loss(s, y, -1); }) ==
        "invalid_argument: spearman_loss: strength must be > 0 and finite, got -1");
  CHECK(error_of([&] { pi_rank_loss(s, y, 1, 0); }) ==
        "invalid_argument: pi_rank_loss: k must be at least 1, got 0");
  CHECK(error_of([&] { ndcg(s.value(), y, 0); }) ==
        "invalid_argument: ndcg: k must be at least 1, got 0");
  CHECK(error_of([&] {
          ndcg(zeros<double>({2, 0}), zeros<double>({2, 0}));
        }) == "invalid_argument: ndcg: scores are (2, 0); need (.., n) with n >= 1");
  CHECK(error_of([&] {
          ndcg(Array<double>{0.0, NAN}, y);
        }) == "invalid_argument: ndcg: score 1 of row 0 is NaN");
  CHECK(
      error_of([&] {
        reciprocal_rank(s.value(), Array<double>{0, -2});
      }) ==
      "invalid_argument: reciprocal_rank: label 1 of row 0 is -2; need labels between 0 and 1000");
  CHECK(error_of([&] { ndcg(s.value(), y, 1, ItemMask(Array<bool>{true})); }) ==
        "invalid_argument: ndcg: the mask is (1); need one of shape (2), that of the scores");
  CHECK(error_of([&] { ndcg(scalar(1.0), scalar(1.0)); }) ==
        "invalid_argument: ndcg: scores are 0-d; need (.., n)");
}
