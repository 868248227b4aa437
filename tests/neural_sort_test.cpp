#include "ops/sorting/neural_sort.hpp"

#include <cmath>
#include <limits>

#include "apps/bench/sort_reference.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "golden.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/logits.hpp"
#include "ops/sorting/neural_sort/chebyshev.hpp"
#include "ops/sorting/neural_sort/formula.hpp"
#include "ops/sorting/permutation.hpp"
#include "relative_distance.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

const Array<double> truth{{3.0, 9.0, 1.0, 5.0, 7.0}, {2.0, 2.0, 8.0, 2.0, 8.0}};
template <class T> Array<T> truth_of(const Var<T>&) { return convert<T>(truth); }

// Value and gradient of op at s, for cotangents w.
template <class T, class Op>
std::pair<Array<double>, Array<double>> run(const Array<double>& s, const Array<double>& w, Op op) {
  Tape<T> tape;
  const Var<T> x = tape.leaf(convert<T>(s));
  const Var<T> y = op(x);
  tape.backward(y, convert<T>(w));
  return {convert<double>(y.value()), convert<double>(x.grad())};
}

// The fused operator is held to the same thing made of the formula's P_hat.
template <class Fused, class Composed>
void check_against_formula(const Array<double>& s, double tau, Direction direction, Fused fused,
                           Composed composed) {
  Generator random(7);
  Tape<double> tape(Recording::off);
  const Array<double> w = random.normal<double>(fused(tape.constant(s)).shape());
  const auto a = run<double>(s, w, fused);
  const auto b = run<double>(
      s, w, [&](const auto& x) { return composed(x, neural_sort_formula(x, tau, direction)); });
  CHECK(distance(a.first, b.first) < 1e-11);
  CHECK(distance(a.second, b.second) < 1e-11);
  const auto f = run<float>(s, w, fused);
  CHECK(distance(f.first, b.first) < 5e-6);
  CHECK(distance(f.second, b.second) < 1e-4);  // as promised
}

}  // namespace

TEST_CASE("NeuralSort's operators pass gradcheck, and float agrees with double") {
  const auto up = Direction::ascending;
  check_rows({
      {"neural_sort_formula",
       {{5}},
       distinct,
       [](const auto& x) { return neural_sort_formula(x[0], 0.3); }},
      {"neural_sort_formula, batch",
       {{2, 3, 4}},
       distinct,
       [](const auto& x) { return neural_sort_formula(x[0], 1.0); }},
      {"neural_sort_formula, ascending",
       {{2, 5}},
       distinct,
       [=](const auto& x) { return neural_sort_formula(x[0], 0.3, up); }},
      {"neural_sort", {{2, 3, 4}}, distinct, [](const auto& x) { return neural_sort(x[0], 0.3); }},
      {"neural_sort, ascending",
       {{2, 5}},
       distinct,
       [=](const auto& x) {
         return neural_sort(x[0], {0.3, up});
       }},
      {"neural_sort, n = 1",
       {{2, 1}},
       distinct,
       [](const auto& x) { return neural_sort(x[0], 0.3); }},
      {"neural_sort, more than a register",
       {{2, 37}},
       distinct,
       [](const auto& x) { return neural_sort(x[0], 5.0); }},
      {"neural_sort_values",
       {{2, 3, 4}},
       distinct,
       [](const auto& x) { return neural_sort_values(x[0], 0.5); }},
      {"neural_sort_values, ascending",
       {{2, 21}},
       distinct,
       [=](const auto& x) {
         return neural_sort_values(x[0], {1.0, up});
       }},
      {"neural_sort_values, interpolated",
       {{400}},
       distinct,
       [](const auto& x) { return neural_sort_values(x[0], 500.0); }},
      {"neural_sort_payload",
       {{2, 5}, {2, 5, 3}},
       distinct,
       [](const auto& x) { return neural_sort_payload(x[0], x[1], 0.7); }},
      {"neural_sort_payload, seven columns",
       {{6}, {6, 7}},
       distinct,
       [=](const auto& x) {
         return neural_sort_payload(x[0], x[1], {0.7, up});
       }},
      {"neural_sort_ranks",
       {{2, 7}},
       distinct,
       [](const auto& x) { return neural_sort_ranks(x[0], 0.4); }},
      {"neural_sort_ranks, mean",
       {{2, 7}},
       distinct,
       [=](const auto& x) {
         return neural_sort_ranks(x[0], {0.4, up}, Ranks::mean);
       }},
      {"top_k_mass", {{2, 7}}, distinct, [](const auto& x) { return top_k_mass(x[0], 3, 0.4); }},
      {"top_k_mass, ascending",
       {{9}},
       distinct,
       [=](const auto& x) {
         return top_k_mass(x[0], 2, {0.4, up});
       }},
      {"top_k_mass, of many",
       {{2, 50}},
       distinct,
       [](const auto& x) { return top_k_mass(x[0], 4, 3.0); }},
      {"neural_sort_quantile",
       {{2, 7}},
       distinct,
       [](const auto& x) {
         return neural_sort_quantile(x[0], {0, 0.3, 0.5, 1}, 0.4);
       }},
      {"neural_sort_median, ascending",
       {{2, 6}},
       distinct,
       [=](const auto& x) {
         return neural_sort_median(x[0], {0.4, up});
       }},
      {"neural_sort_cross_entropy",
       {{2, 5}},
       distinct,
       [](const auto& x) { return neural_sort_cross_entropy(x[0], truth_of(x[0]), 0.4); }},
      {"neural_sort_cross_entropy, ascending",
       {{2, 5}},
       distinct,
       [=](const auto& x) {
         return neural_sort_cross_entropy(x[0], truth_of(x[0]), {0.4, up});
       }},
  });
}

TEST_CASE("P_hat agrees with the published implementation") {
  const nlohmann::json file = golden("neuralsort.json");
  for (const auto& c : file["cases"]) {
    CAPTURE(c["n"].get<int>());
    CAPTURE(c["tau"].get<double>());
    const double tau = c["tau"];
    const bool hard = c["hard"];
    const Array<double> s = to_array<double>(c["scores"]), w = to_array<double>(c["W"]);
    const auto check = [&](const auto& result) {
      CHECK(distance(result.first, to_array<double>(c["P"])) < 1e-12);
      CHECK(distance(result.second, to_array<double>(c["dscores"])) < 1e-12);
    };
    check(run<double>(s, w, [&](const auto& x) {
      return hard ? neural_sort_hard(x, tau) : neural_sort(x, tau);
    }));
    if (!hard) {
      check(run<double>(s, w, [&](const auto& x) { return neural_sort_formula(x, tau); }));
    }
  }
}

TEST_CASE("top_k_mass on negative squared distances is the published kNN layer") {
  const nlohmann::json file = golden("dknn_layer.json");
  for (const auto& c : file["cases"]) {
    Tape<double> tape;
    const Array<double> q = to_array<double>(c["query"]), x = to_array<double>(c["neighbors"]);
    const std::size_t M = c["M"], N = c["N"], p = c["p"];
    const Var<double> query = tape.leaf(with_shape(q, {M, 1, p})), near = tape.leaf(x);
    const Var<double> top =
        top_k_mass(-sum(square(query - near), -1), c["k"], c["tau"].get<double>());
    tape.backward(top, with_shape(to_array<double>(c["W"]), {M, N}));
    CHECK(distance(top.value(), with_shape(to_array<double>(c["top_k"]), {M, N})) < 1e-12);
    CHECK(distance(with_shape(query.grad(), {M, p}), to_array<double>(c["dquery"])) < 1e-12);
    CHECK(distance(near.grad(), to_array<double>(c["dneighbors"])) < 1e-12);
  }
}

TEST_CASE("neural_sort_cross_entropy is the published sorting loss") {
  int compared = 0;
  const nlohmann::json file = golden("sort_loss.json");
  for (const auto& c : file["cases"]) {
    const double loss = c["loss"], tau = c["tau"];
    // The published loss takes log(P + 1e-20): the same as long as no element is nearly as small.
    if (loss > 5) continue;
    ++compared;
    Tape<double> tape;
    const Var<double> s = tape.leaf(to_array<double>(c["scores"]));
    const Var<double> mine =
        mean(neural_sort_cross_entropy(s, to_array<double>(c["true_scores"]), tau));
    tape.backward(mine);
    CHECK(mine.item() == doctest::Approx(loss).epsilon(1e-12));
    CHECK(distance(s.grad(), to_array<double>(c["dscores"])) < 1e-12);
  }
  CHECK(compared == 3);
}

TEST_CASE("fused operators are what the formula's P_hat gives") {
  Generator random(3);
  const auto X = [&](std::size_t n, auto zero) {
    return constant(convert<decltype(zero)>(Generator(5).normal<double>({n, 3})));
  };
  for (std::size_t n : {1, 2, 7, 40, 300}) {
    for (double tau : {2.0, 0.1, 30.0}) {
      for (Direction direction : {Direction::descending, Direction::ascending}) {
        CAPTURE(n);
        CAPTURE(tau);
        Array<double> s = random.normal<double>({n});
        if (n == 40) {  // ties
          for (std::size_t i = 0; i < n; ++i) s.data()[i] = std::round(2 * s.data()[i]);
        }
        const NeuralSortOptions options(tau, direction);
        Array<double> places = uninitialized<double>({n});
        for (std::size_t i = 0; i < n; ++i) places.data()[i] = double(i + 1);
        const std::size_t k = (n + 2) / 3;
        const auto check = [&](auto fused, auto composed) {
          check_against_formula(s, tau, direction, fused, composed);
        };
        check([&](const auto& x) { return neural_sort(x, options); },
              [&](const auto&, const auto& P) { return P; });
        check([&](const auto& x) { return neural_sort_values(x, options); },
              [&](const auto& x, const auto& P) { return matmul(P, x); });
        check([&](const auto& x) { return neural_sort_payload(x, X(n, x.value()(0)), options); },
              [&](const auto&, const auto& P) { return matmul(P, X(n, 0.0)); });
        check([&](const auto& x) { return neural_sort_ranks(x, options); },
              [&](const auto&, const auto& P) { return matmul(transpose(P), constant(places)); });
        check([&](const auto& x) { return neural_sort_ranks(x, options, Ranks::mean); },
              [&](const auto&, const auto& P) {
                return matmul(transpose(P), constant(places)) / sum(P, 0);
              });
        check([&](const auto& x) { return top_k_mass(x, k, options); },
              [&](const auto&, const auto& P) { return sum(slice(P, 0, 0, Index(k)), 0); });
        check([&](const auto& x) { return neural_sort_median(x, options); },
              [&](const auto& x, const auto& P) {
                const Var<double> y = matmul(P, x);
                return mean(slice(y, 0, Index((n - 1) / 2), Index(n / 2 + 1)));
              });
      }
    }
  }
}

TEST_CASE(
    "values and gradients are exact for all kinds of scores, with and without interpolation") {
  const int before = threads();
  for (const ScoreKind& kind : score_kinds()) {
    for (double tau : {100.0, 10.0, 1.0, 0.01, 1e-4}) {
      for (bool interpolate : {true, false}) {
        CAPTURE(kind.name);
        CAPTURE(tau);
        CAPTURE(interpolate);
        Generator random(11);
        const Array<float> scores = convert<float>(draw_scores(kind, 1200, random));
        set_threads(interpolate ? 1 : 2);
        const SortErrors errors = sort_errors(scores, tau, interpolate, random);
        CHECK(errors.value <= 1);
        CHECK(errors.gradient < 2e-5);
      }
    }
  }
  set_threads(before);
  Generator random(12);
  for (const ScoreKind& kind : score_kinds()) {
    for (double tau : {100.0, 1.0}) {
      INFO(kind.name, ", tau ", tau);
      const SortErrors errors = sort_errors(draw_scores(kind, 1200, random), tau, true, random);
      CHECK(errors.value < 1e-8);
      CHECK(errors.gradient < 1e-12);
    }
  }
}

TEST_CASE_TEMPLATE("interpolation gives polynomials back, and spread is its transpose", Nodes,
                   band::Chebyshev<24>, band::Chebyshev<48>) {
  using Values = typename Nodes::Values;
  const std::size_t nodes = std::tuple_size_v<Values>, length = 3 * nodes + 1;
  Generator random(3);
  const Array<double> c = random.normal<double>({nodes}), a = random.normal<double>({length});
  const auto polynomial = [&](double z) {  // sum_k c_k T_k(z)
    double sum = 0;
    for (std::size_t k = 0; k < nodes; ++k) sum += c(k) * std::cos(double(k) * std::acos(z));
    return sum;
  };
  Values f;
  for (std::size_t t = 0; t < nodes; ++t) {
    f[t] = polynomial(Nodes::node(int(t)));
  }
  for (int t = 0; t + 1 < int(nodes); ++t) {
    CHECK(Nodes::node(t) - Nodes::node(t + 1) ==
          doctest::Approx(Nodes::step(Nodes::step_at(t))).epsilon(1e-12));
    CHECK(Nodes::step_at(t) == Nodes::step_at(int(nodes) - 2 - t));
  }
  // The error of an interpolation is in proportion to this product, which is 1 for Chebyshev nodes.
  double largest = 0;
  for (int i = -1000; i <= 1000; ++i) {
    double product = std::pow(2.0, double(nodes - 1));
    for (std::size_t t = 0; t < nodes; ++t) product *= i / 1000.0 - Nodes::node(int(t));
    largest = std::max(largest, std::abs(product));
  }
  CHECK(largest < 3.1);
  double through_rows = 0, through_nodes = 0, error = 0;
  Nodes::evaluate(f, length, [&](std::size_t i, double y) {
    error = std::max(error, std::abs(y - polynomial((2 * double(i) + 1) / double(length) - 1)));
    through_rows += a(i) * y;
  });
  CHECK(error < 1e-12);
  const Values fbar = Nodes::spread(length, [&](std::size_t i) { return a(i); });
  for (std::size_t t = 0; t < nodes; ++t) through_nodes += fbar[t] * f[t];
  CHECK(through_nodes == doctest::Approx(through_rows).epsilon(1e-12));
}

TEST_CASE("the result does not depend on the number of threads beyond the order of summation") {
  const int before = threads();
  Generator random(21);
  const Array<double> s = random.normal<double>({6000}), w = random.normal<double>({6000});
  const auto op = [](const auto& x) { return neural_sort_values(x, 20.0); };
  set_threads(1);
  const auto one = run<float>(s, w, op);
  set_threads(2);
  const auto two = run<float>(s, w, op), again = run<float>(s, w, op);
  set_threads(before);
  CHECK(one.first == two.first);
  CHECK(distance(one.second, two.second) < 1e-5);
  CHECK(two.second == again.second);
}

TEST_CASE("a row of P_hat is largest at the item that the sort puts there, in float") {
  Generator random(4);
  const Array<float> s = random.normal<float>({1500});
  const Var<float> P = neural_sort(constant(s), 1);
  CHECK(argmax(P.value()) == argsort(s));
}

TEST_CASE("P_hat: rows sum to one, tau -> 0 is the permutation, ascending reverses the rows") {
  const Array<double> scores{0.2, 0.5, 0.1};  // a 3-cycle
  const auto P = [&](double tau, Direction direction) {
    return neural_sort(constant(scores), {tau, direction}).value();
  };
  const Array<double> soft = P(0.3, Direction::descending), up = P(0.3, Direction::ascending);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(soft(i, 0) + soft(i, 1) + soft(i, 2) == doctest::Approx(1).epsilon(1e-14));
    for (std::size_t j = 0; j < 3; ++j) CHECK(std::abs(up(i, j) - soft(2 - i, j)) < 1e-15);
  }
  CHECK(distance(P(1e-4, Direction::descending), permutation_matrix<double>(argsort(scores))) <
        1e-12);
}

TEST_CASE("NeuralSort at the extremes is finite and what the limit says") {
  const auto values = [](const Array<float>& s, double tau) {
    Tape<float> tape;
    const Var<float> x = tape.leaf(s);
    const Var<float> y = neural_sort_values(x, tau);
    if (y.size() > 0) tape.backward(y, full<float>(y.shape(), 1.0f));
    for (float g : x.grad()) CHECK(std::isfinite(g));
    return y.value();
  };
  CHECK(values(zeros<float>({0}), 1).size() == 0);
  CHECK(values(zeros<float>({2, 0}), 1).shape() == Shape{2, 0});
  CHECK(values({3.0f}, 1e-30) == Array<float>{3.0f});
  CHECK(values(full<float>({700}, 7.0f), 0.1) == full<float>({700}, 7.0f));
  CHECK(values({1e38f, -1e38f, 0.0f}, 1) == Array<float>{1e38f, 0.0f, -1e38f});
  CHECK(values({1e38f, -1e38f, 0.0f}, 1e-300) == Array<float>{1e38f, 0.0f, -1e38f});
  CHECK(values({2.0f, 3.0f, 1.0f}, 1e-30) == Array<float>{3.0f, 2.0f, 1.0f});
  CHECK(distance(convert<double>(values({2.0f, 3.0f, 1.0f}, 1e30)), full<double>({3}, 2.0)) < 1e-6);
  // Half of 1,000 tied scores at 0, half at 1, far apart in units of tau.
  Array<float> halves = zeros<float>({1000});
  for (std::size_t i = 0; i < 1000; i += 2) halves(i) = 1;
  const Array<float> sorted = values(halves, 1e-6);
  for (std::size_t i = 0; i < 1000; ++i) CHECK(sorted(i) == (i < 500 ? 1.0f : 0.0f));
  CHECK(distance(neural_sort(constant(full<double>({4}, 7.0)), 0.1).value(),
                 full<double>({4, 4}, 0.25)) < 1e-15);
  CHECK(neural_sort(constant(zeros<double>({2, 0})), 1).shape() == Shape{2, 0, 0});
}

TEST_CASE("quantiles at tau -> 0 are NumPy's, and the loss at the true order is small") {
  const Var<double> s = constant(Array<double>{0.2, 0.5, 0.1, 0.9});
  CHECK(distance(neural_sort_quantile(s, {0, 0.25, 0.5, 1}, 1e-4).value(),
                 Array<double>{0.1, 0.175, 0.35, 0.9}) < 1e-12);
  CHECK(distance(neural_sort_quantile(s, {0, 0.25, 0.5, 1}, {1e-4, Direction::ascending}).value(),
                 Array<double>{0.1, 0.175, 0.35, 0.9}) < 1e-12);
  CHECK(neural_sort_cross_entropy(s, s.value(), 1e-4).item() < 1e-12);
  CHECK(neural_sort_cross_entropy(s, Array<double>{1.0, 2.0, 4.0, 3.0}, 1e-4).item() > 1000);
}

TEST_CASE("neural_sort_cross_entropy gives tied truth its share of every place") {
  const Array<double> s{0.3, 0.1, 0.7, 0.5}, tied{2.0, 1.0, 2.0, 0.0};
  // Items 0 and 2 share the places 1 and 2.
  const Array<double> Q{
      {0.5, 0.0, 0.5, 0.0}, {0.5, 0.0, 0.5, 0.0}, {0.0, 1.0, 0.0, 0.0}, {0.0, 0.0, 0.0, 1.0}};
  const auto a = run<double>(
      s, scalar(1.0), [&](const auto& x) { return neural_sort_cross_entropy(x, tied, 0.4); });
  const auto b = run<double>(s, scalar(1.0), [&](const auto& x) {
    return sum(constant(Q) * log(neural_sort_formula(x, 0.4))) / -4;
  });
  CHECK(distance(a.first, b.first) < 1e-12);
  CHECK(distance(a.second, b.second) < 1e-12);
}

TEST_CASE_TEMPLATE("NeuralSort's small gradients where rows are almost certain", T, float, double) {
  // Of two scores d apart a row is (1, e^-d) / (1 + e^-d), the loss at the true order its log.
  const double e = std::exp(-40.0), p = e / (1 + e);
  const Array<double> s{40.0, 0.0};
  const auto gradient = [&](const Array<double>& w, auto op) { return run<T>(s, w, op).second; };
  const auto loss = run<T>(
      s, scalar(1.0), [&](const auto& x) { return neural_sort_cross_entropy(x, x.value(), 1); });
  CHECK(relative_distance(loss.first, scalar(std::log1p(e)), 0) < 1e-6);
  CHECK(relative_distance(loss.second, {-p, p}, 0) < 1e-6);
  const auto matrix = [](const auto& x) { return neural_sort(x, 1); };
  const auto formula = [](const auto& x) { return neural_sort_formula(x, 1); };
  const Array<double> w{{3.0, 1.0}, {0.0, 0.0}};  // 3 - 2 p_01
  CHECK(relative_distance(gradient(w, matrix), {2 * p, -2 * p}, 0) < 1e-6);
  CHECK(relative_distance(gradient(w, formula), {2 * p, -2 * p}, 0) < 1e-6);
  CHECK(gradient(full<double>({2, 2}, 0.1), matrix) == zeros<double>({2}));
  CHECK(gradient(full<double>({2, 2}, 0.1), formula) == zeros<double>({2}));
}

TEST_CASE("NeuralSort's float gradients agree with double where all rows are almost certain") {
  const Array<double> s{2.5, 0.0, 5.25, 1.0, 4.0, 7.0, 3.25, 6.0};
  Generator random(3);
  const auto check = [&](auto op, double tolerance) {
    const auto value = run<double>(s, random.normal<double>(op(constant(s)).shape()), op);
    const Array<double> w = random.normal<double>(value.first.shape());
    const Array<double> exact = run<double>(s, w, op).second, single = run<float>(s, w, op).second;
    double largest = 0;
    for (double g : exact) largest = std::max(largest, std::abs(g));
    CHECK(largest > 0);
    CHECK(relative_distance(single, exact, largest) < tolerance);
  };
  for (const double tau : {0.2, 0.05, 0.02}) {
    CAPTURE(tau);
    check([&](const auto& x) { return neural_sort_values(x, tau); }, 1e-6);
    check([&](const auto& x) { return neural_sort_ranks(x, tau); }, 1e-4);
    check([&](const auto& x) { return neural_sort_ranks(x, tau, Ranks::mean); }, 1e-6);
    // Of the first two items: the third is as near as any is, so that what the two rows exchange
    // with each other, and cancels, is no larger than what is left.
    check([&](const auto& x) { return top_k_mass(x, 2, tau); }, 1e-4);
    check([&](const auto& x) { return neural_sort_quantile(x, {0.3}, tau); }, 1e-6);
    check([&](const auto& x) { return neural_sort_cross_entropy(x, x.value(), tau); }, 1e-6);
    check([&](const auto& x) { return neural_sort(x, tau); }, 1e-6);
  }
}

TEST_CASE("NeuralSort's float gradients agree with double in a long set") {
  Generator random(5);
  const Array<double> s = convert<double>(random.normal<float>({100000}));
  const auto check = [&](auto op, double tolerance) {
    const Array<double> w = Generator(6).normal<double>(op(constant(s)).shape());
    CHECK(distance(run<float>(s, w, op).second / 1e3, run<double>(s, w, op).second / 1e3) <
          tolerance);
  };
  check([](const auto& x) { return neural_sort_ranks(x, 1e-3, Ranks::mean); }, 1e-6);
  check([](const auto& x) { return neural_sort_ranks(x, 1e-3); }, 1e-4);
  check([](const auto& x) { return top_k_mass(x, 30000, 1e-3); }, 1e-4);
  const auto loss = [](const auto& x) {
    return neural_sort_cross_entropy(x, x.value(), 1e-3) * std::decay_t<decltype(x.item())>(1e4);
  };
  check(loss, 1e-6);
}

TEST_CASE("P_hat of many tied scores: float rows sum to one, and gradients agree with double") {
  for (const std::size_t n : {80, 600}) {
    Array<double> scores = uninitialized<double>({n});
    for (std::size_t i = 0; i < n; ++i) scores(i) = double(i % 3);
    Generator random(4);
    const Array<double> cotangent = random.normal<double>({n, n});
    const auto gradient = [&](auto zero) {
      using T = decltype(zero);
      Tape<T> tape;
      const Var<T> s = tape.leaf(convert<T>(scores)), P_hat = neural_sort(s, {100.0});
      CHECK(is_row_stochastic(P_hat.value(), 3e-6));
      tape.backward(P_hat, convert<T>(cotangent));
      return convert<double>(s.grad());
    };
    const Array<double> exact = gradient(0.0), rounded = gradient(0.0f);
    double largest = 0;
    for (const double g : exact) largest = std::max(largest, std::abs(g));
    CHECK(distance(rounded, exact) < 1e-5 * largest);
  }
}

TEST_CASE_TEMPLATE("NeuralSort at a small tau is the permutation, or names tau", T, float, double) {
  const Array<double> s{2.0, 3.0, 1.0}, masked{2.0, -1e30, 1.0};
  const double tau = std::numeric_limits<double>::min();
  const auto matrix = run<T>(s, Generator(1).normal<double>({3, 3}),
                             [&](const auto& x) { return neural_sort(x, tau); });
  CHECK(matrix.first == Array<double>{{0.0, 1.0, 0.0}, {1.0, 0.0, 0.0}, {0.0, 0.0, 1.0}});
  CHECK(matrix.second == zeros<double>({3}));
  for (const double small : {tau, 1e-38, 1e-10}) {
    CAPTURE(small);
    for (const Array<double>& x : {s, masked}) {
      const auto loss = run<T>(x, scalar(1.0), [&](const auto& scores) {
        return neural_sort_cross_entropy(scores, scores.value(), small);
      });
      CHECK(loss.first.data()[0] == 0);
      CHECK(loss.second == zeros<double>({3}));
    }
  }
  const Var<T> scores = constant(convert<T>(s));
  CHECK(error_of([&] {
          neural_sort_values(scores, 1e-310);
        }).find("neural_sort_values: tau is 1e-310; need one between") != std::string::npos);
  CHECK(error_of([&] {
          neural_sort_formula(scores, double(std::numeric_limits<T>::min()) / 100);
        }).find("neural_sort_formula: tau is ") != std::string::npos);
  CHECK(error_of([] {
          neural_sort_formula(constant(Array<float>{3e38f, -3e38f}), 1);
        }) ==
        "invalid_argument: neural_sort_formula: the logit in row 0, column 0 overflows; "
        "neural_sort takes such scores");
}

TEST_CASE("NeuralSort refuses what it cannot sort, and says why") {
  const Var<float> s = constant(Array<float>{1.0f, 2.0f});
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              inf = std::numeric_limits<float>::infinity();
  CHECK(error_of([&] { neural_sort(s, 0); }) ==
        "invalid_argument: neural_sort: tau must be > 0 and finite, got 0");
  CHECK(error_of([&] { neural_sort_values(s, std::nan("")); }) ==
        "invalid_argument: neural_sort_values: tau must be > 0 and finite, got nan");
  CHECK(error_of([&] { neural_sort_formula(s, -1); }) ==
        "invalid_argument: neural_sort_formula: tau must be > 0 and finite, got -1");
  CHECK(error_of([&] { neural_sort(constant(scalar(1.0)), 1); }) ==
        "invalid_argument: neural_sort: scores are 0-d; need (..., n)");
  CHECK(error_of([&] { top_k_mass(s, 3, 1); }) ==
        "invalid_argument: top_k_mass: k must be in 0 .. n, got 3 for n = 2");
  CHECK(error_of([&] { neural_sort_quantile(s, {1.5}, 1); }) ==
        "invalid_argument: neural_sort_quantile: fraction 1.5 is outside 0 .. 1");
  CHECK(error_of([&] { neural_sort_payload(s, s, 1); }) ==
        "invalid_argument: neural_sort_payload: payload is (2), scores are (2); need payload "
        "(..., n, d) for scores (..., n)");
  CHECK(error_of([&] { neural_sort_cross_entropy(s, zeros<float>({3}), 1); }) ==
        "invalid_argument: neural_sort_cross_entropy: shapes differ: truth is (3), scores is (2)");
  CHECK(error_of([&] {
          neural_sort_ranks(constant(Array<float>{{0.0f, 1.0f}, {nan, 2.0f}}), 1);
        }) ==
        "invalid_argument: neural_sort_ranks: score 0 of row 1 is nan; need scores within "
        "+-1.70141e+38 (a large negative one stands for -infinity)");
  CHECK(error_of([&] {
          neural_sort_values(constant(Array<float>{0.0f, -inf}), 1);
        }) ==
        "invalid_argument: neural_sort_values: score 1 of row 0 is -inf; need scores within "
        "+-1.70141e+38 (a large negative one stands for -infinity)");
}

TEST_CASE(
    "smooth NeuralSort is its formula, smooth at ties, and NeuralSort as the smoothing ends") {
  check_rows({{"neural_sort_smooth",
               {{2, 5}},
               anywhere,
               [](const auto& x) { return neural_sort_smooth(x[0], 0.7, 0.3); }},
              {"neural_sort_smooth, ascending", {{2, 5}}, anywhere, [](const auto& x) {
                 return neural_sort_smooth(x[0], 0.7, 0.3, Direction::ascending);
               }}});
  const double b = 0.4, tau = 0.8;
  const Array<double> s{1.0, 0.2, 1.0, -0.5};
  const std::size_t n = s.size();
  const Array<double> P_hat = neural_sort_smooth(constant(s), tau, b).value();
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> e(n);
    double total = 0;
    for (std::size_t j = 0; j < n; ++j) {
      double logit = (double(n) - 1 - 2 * double(i)) * s(j);
      for (std::size_t k = 0; k < n; ++k) logit -= std::hypot(s(j) - s(k), b);
      total += e[j] = std::exp(logit / tau);
    }
    for (std::size_t j = 0; j < n; ++j) {
      CHECK(P_hat(i, j) == doctest::Approx(e[j] / total).epsilon(1e-13));
    }
  }
  CHECK(distance(neural_sort_smooth(constant(s), tau, 1e-12).value(),
                 neural_sort(constant(s), tau).value()) < 1e-11);
  // Across a tie its gradient hardly changes; NeuralSort's jumps.
  const auto jump = [&](auto op) {
    const auto gradient = [&](double h) {
      Tape<double> tape;
      const Var<double> x = tape.leaf({1.0 + h, 0.2, 1.0, -0.5});
      tape.backward(op(x), Generator(3).normal<double>({n, n}));
      return x.grad();
    };
    return distance(gradient(1e-7), gradient(-1e-7));
  };
  CHECK(jump([=](const auto& x) { return neural_sort_smooth(x, tau, b); }) < 1e-5);
  CHECK(jump([=](const auto& x) { return neural_sort(x, tau); }) > 0.1);
  // Far from ties and beyond the range of squares, float as double.
  const Array<float> far{3e30f, 1.0f, -2e30f};
  CHECK(distance(convert<double>(neural_sort_smooth(constant(far), 1e30, 0.5).value()),
                 neural_sort_smooth(constant(convert<double>(far)), 1e30, 0.5).value()) < 1e-5);
  CHECK(error_of([&] { neural_sort_smooth(constant(s), 1.0, -1.0); }) ==
        "invalid_argument: neural_sort_logits: smoothing must be >= 0 and finite, got -1");
}
