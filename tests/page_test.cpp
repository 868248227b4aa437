// What the page's JavaScript is answered (apps/page). The browser has tests of its own: apps/page/test.py.
#include "apps/page/page.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/estimators/study.hpp"
#include "apps/page/program.hpp"
#include "apps/tools/relax.hpp"
#include "models/by_name.hpp"

using namespace tapesort;
using Json = nlohmann::json;

namespace {

Json ask(Page& page, const Json& question) { return Json::parse(page.answer(question.dump())); }
Json ask(const Json& question) {
  Page page;
  return ask(page, question);
}

// The text of the error that a program causes.
std::string error_of(const std::string& program) {
  Tape<double> tape;
  try {
    evaluate(program, tape);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "none";
}

std::vector<double> numbers(const Array<double>& x) { return {x.begin(), x.end()}; }

}  // namespace

TEST_CASE("page: a program is recorded in reading order, and differentiated") {
  Tape<double> tape;
  const Evaluated e = evaluate("a = 2;  # a leaf\nb = a * a;\nexp(b) + b", tape);
  CHECK(e.result.item() == std::exp(4.0) + 4);
  tape.backward(e.result);
  CHECK(e.names[0].first.grad()() == doctest::Approx(4 * (std::exp(4.0) + 1)).epsilon(1e-15));
  REQUIRE(e.names.size() == 2);
  CHECK(e.names[0].second == "a");
  CHECK(e.names[1].second == "b");
  std::vector<std::string> ops;
  for (std::size_t i = 0; i < tape.size(); ++i) ops.push_back(tape.node(i).op());
  CHECK(ops == std::vector<std::string>{"leaf", "mul", "exp", "add"});
}

TEST_CASE("page: what a program may be written of") {
  const struct {
    const char* program;
    std::vector<double> value;
  } rows[] = {
      {"a = 3; 1 - 2 * a / 4 + 1", {0.5}},
      {"a = 2; -a^2", {-4}},
      {"a = 2; 2^a^3 + 0", {256}},
      {"a = 2; (1 + a) * --a", {6}},
      {"a = -1.5e1; a", {-15}},
      {"a = .5; a * 2;", {1}},
      {"a = 1; a = a + 1; a * a", {4}},
      {"a = -[1, -2]; a", {-1, 2}},
      {"a = [[1, 2], [3, 4]]; a + [10, 20]", {11, 22, 13, 24}},
      {"A = [[1, 2], [3, 4]]; x_1 = [1, 1]; A @ x_1", {3, 7}},
      {"a = 2;\n\n# nothing\n a # the end", {2}},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.program));
    Tape<double> tape;
    CHECK(numbers(evaluate(row.program, tape).result.value()) == row.value);
  }
}

TEST_CASE("page: a number with a name is a leaf, unless it is a constant") {
  Tape<double> tape;
  const Evaluated e = evaluate("a = 2; c = constant(3); d = 2 * 2; a * c * d", tape);
  CHECK(e.names[0].first.needs_grad());
  CHECK_FALSE(e.names[1].first.needs_grad());
  CHECK_FALSE(e.names[2].first.needs_grad());
  CHECK(e.result.item() == 24);
}

TEST_CASE("page: every function of the programs") {
  const struct {
    const char *name, *call;
    std::vector<double> value;
  } rows[] = {
      {"abs", "abs(-x)", {1, 4}},
      {"clip", "clip(x, 2, 3)", {2, 3}},
      {"constant", "x + constant([1, 2])", {2, 6}},
      {"cumsum", "cumsum(x, 0)", {1, 5}},
      {"exp", "exp(x - x)", {1, 1}},
      {"fast_soft_rank", "fast_soft_rank(x, 0.001)", {2, 1}},
      {"fast_soft_sort", "fast_soft_sort(x, 0.001)", {4, 1}},
      {"lap_sum", "lap_sum(x, 0.001)", {0, 1, 1, 0}},
      {"log", "log(x / x)", {0, 0}},
      {"log_softmax", "log_softmax(x - x)", {-std::log(2.0), -std::log(2.0)}},
      {"logsumexp", "logsumexp(x - x, 0)", {std::log(2.0)}},
      {"matmul", "matmul(x, x)", {17}},
      {"max", "max(x)", {4}},
      {"maximum", "maximum(x, 2)", {2, 4}},
      {"mean", "mean(x)", {2.5}},
      {"min", "min(x, 0)", {1}},
      {"minimum", "minimum(x, 2)", {1, 2}},
      {"mse", "mse(x, [1, 2])", {2}},
      {"neural_sort", "neural_sort(x, 0.001)", {0, 1, 1, 0}},
      {"neural_sort_ranks", "neural_sort_ranks(x, 0.001)", {2, 1}},
      {"neural_sort_values", "neural_sort_values(x, 0.001)", {4, 1}},
      {"pow", "pow(x, 2)", {1, 16}},
      {"relu", "relu(x - 2)", {0, 2}},
      {"reshape", "reshape(x, [2, 1])", {1, 4}},
      {"sigmoid", "sigmoid(x - x)", {0.5, 0.5}},
      {"sinkhorn", "sinkhorn([[1, 0], [0, 1]] * x, 0.001)", {1, 0, 0, 1}},
      {"slice", "slice(x, 0, 1, 2)", {4}},
      {"soft_sort", "soft_sort(x, 0.001)", {0, 1, 1, 0}},
      {"softmax", "softmax(x - x)", {0.5, 0.5}},
      {"softplus", "softplus(x - x)", {std::log(2.0), std::log(2.0)}},
      {"sqrt", "sqrt(x)", {1, 2}},
      {"square", "square(x)", {1, 16}},
      {"stop_gradient", "x * stop_gradient(x)", {1, 16}},
      {"sum", "sum(x, [0])", {5}},
      {"tanh", "tanh(x - x)", {0, 0}},
      {"transpose", "transpose(x)", {1, 4}},
      {"var", "var(x)", {2.25}},
  };
  std::set<std::string> tried, listed;
  for (const auto& row : rows) {
    CAPTURE(std::string(row.call));
    tried.insert(row.name);
    Tape<double> tape;
    const Evaluated e = evaluate("x = [1, 4]; " + std::string(row.call), tape);
    const std::vector<double> value = numbers(e.result.value());
    REQUIRE(value.size() == row.value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      CHECK(value[i] == doctest::Approx(row.value[i]).epsilon(1e-12));
    }
  }
  for (const std::string& signature : function_signatures()) {
    listed.insert(signature.substr(0, signature.find('(')));
  }
  CHECK(tried == listed);
}

TEST_CASE("page: errors of a program say where, what, and what was expected") {
  const struct {
    const char *program, *error;
  } rows[] = {
      {"", "line 1, column 1: expected a statement, as a = 2; a * a"},
      {"2 * 3", "line 1, column 1: the result depends on no leaf"},
      {"a = 2;\nb = a *",
       "line 2, column 8: expected a number, an array, a name or (, found the end"},
      {"a = 2; a b", "line 1, column 10: expected ; or an operator, found 'b'"},
      {"a = 2; (a", "line 1, column 10: expected ), found the end"},
      {"a = 2; exp(a, a)", "line 1, column 8: expected exp(x), found 2 arguments"},
      {"a = 2; exp(a", "line 1, column 13: expected , or ), found the end"},
      {"a = 2; sing(a)", "line 1, column 8: there is no function sing"},
      {"a = 2; exp", "line 1, column 8: the function exp needs its arguments in parentheses"},
      {"a = 2; a + x", "line 1, column 12: there is no name x yet; write it first, as x = 2;"},
      {"a = [1, 2; a", "line 1, column 10: expected , or ], found ';'"},
      {"a = [1, [2]]; a", "line 1, column 9: expected a number, as its neighbours are"},
      {"a = [[1], 2]; a", "line 1, column 11: expected a list, as its neighbours are"},
      {"a = [[1], [2, 3]]; a", "line 1, column 11: a list of 2, but its neighbours have 1"},
      {"a = [1, x]; a", "line 1, column 9: expected a number, found 'x'"},
      {"a = [1, 2]; a + [1, 2, 3]", "line 1, column 15: add: "},
      {"a = [1, 2]; a @ [[1, 2, 3]]", "line 1, column 15: matmul: "},
      {"a = [1, 2]; neural_sort(a, 0)", "line 1, column 13: "},
      {"a = [1, 2]; max(a, 0.5)", "line 1, column 13: axis must be an integer, got 0.5"},
      {"a = 2; a $ 1", "line 1, column 10: expected ; or an operator, found '$'"},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.program));
    CHECK(error_of(row.program).substr(0, std::string(row.error).size()) == row.error);
  }
  CHECK(error_of("a = 1; " + std::string(5000, '(')) ==
        "line 1, column 108: parentheses are nested more than 100 deep");
  CHECK(error_of("a = 1; " + std::string(5000, '-') + "a").find("deep") != std::string::npos);
  CHECK(error_of(std::string(20000, ' ')) == "a program has at most 10000 characters");
}

TEST_CASE("page: relax answers what the command relax prints") {
  const std::vector<double> list{0.3, -1.2, 2.5, 0.3, 0.9};
  Array<double> scores = uninitialized<double>({list.size()});
  std::copy(list.begin(), list.end(), scores.begin());
  for (int m = 0; m <= 2 * int(Method::k_subset) + 1; ++m) {
    const bool masked = m % 2 == 1;
    Relaxation r;
    r.method = Method(m / 2);
    r.tau = 0.7;
    CAPTURE(std::string(name_of(r.method)));
    CAPTURE(masked);
    RelaxRequest request{r, 0, {scores}, {}, {zeros<double>({5})}};
    if (r.has_top_k()) request.k = 2;
    Array<bool> valid{true, true, true, true, true};
    valid(3) = !masked;
    request.masks.emplace_back(valid);
    const bool matrix = r.has_matrix(), sinkhorn = r.method == Method::sinkhorn;
    const char* kind = matrix           ? "cell"
                       : r.has_sorted() ? "value"
                       : r.has_ranks()  ? "ranks"
                                        : "mass";
    const Json answer =
        ask({{"ask", "relax"},
             {"method", name_of(r.method)},
             {"tau", r.tau},
             {"scores", list},
             {"valid", {true, true, true, !masked, true}},
             {"loss",
              {{"kind", kind}, {"place", 1}, {"item", 2}, {"k", 2}, {"order", {2, 4, 0, 1, 3}}}}});
    Array<double>&input = request.sets[0], &weights = request.weights[0];
    if (sinkhorn) {
      input = uninitialized<double>({5, 5});
      for (std::size_t i = 0; i < 5; ++i) {
        for (std::size_t j = 0; j < 5; ++j) input(i, j) = (4.0 - 2.0 * double(i)) * list[j];
      }
    }
    weights(1) = 1;
    if (request.k > 0 && !matrix && !r.has_sorted()) weights = Array<double>{0, 0, -1, 0, 0};
    if (matrix) {
      weights = zeros<double>({5, 5});
      weights(1, 2) = -1;
    }
    const Relaxed<double> expected = relax<double>(request, 0, true);
    const auto flat = [](const Json& nested) {
      std::vector<double> all;
      for (const Json& row : nested) {
        if (row.is_array()) {
          for (const Json& x : row) all.push_back(x);
        } else {
          all.push_back(row);
        }
      }
      return all;
    };
    CHECK(answer.contains("P") == matrix);
    if (expected.P) CHECK(flat(answer["P"]) == numbers(*expected.P));
    CHECK(answer.contains("sorted") == bool(expected.sorted));
    if (expected.sorted) CHECK(flat(answer["sorted"]) == numbers(*expected.sorted));
    CHECK(answer.contains("ranks") == bool(expected.ranks));
    if (expected.ranks) CHECK(flat(answer["ranks"]) == numbers(*expected.ranks));
    CHECK(answer.contains("masses") == bool(expected.top_k));
    if (expected.top_k) CHECK(flat(answer["masses"]) == numbers(*expected.top_k));
    if (kind == std::string("ranks")) continue;  // the loss is another one
    std::vector<double> grad = numbers(*expected.grad);
    if (sinkhorn) {  // the gradient in the scores of its input
      std::vector<double> of_scores(5);
      for (std::size_t i = 0; i < 5; ++i) {
        for (std::size_t j = 0; j < 5; ++j)
          of_scores[j] += (4.0 - 2.0 * double(i)) * grad[i * 5 + j];
      }
      grad = of_scores;
    }
    for (std::size_t j = 0; j < 5; ++j) {
      if (sinkhorn) {
        CHECK(double(answer["grad"][j]) == doctest::Approx(grad[j]).epsilon(1e-13));
      } else {
        CHECK(double(answer["grad"][j]) == grad[j]);
      }
    }
  }
}

TEST_CASE("page: losses and their gradients") {
  const auto loss = [](const std::vector<double>& scores, const char* method, const char* kind) {
    return ask(
        {{"ask", "relax"},
         {"method", method},
         {"tau", 0.8},
         {"scores", scores},
         {"valid", {true, true, false, true}},
         {"loss", {{"kind", kind}, {"place", 0}, {"item", 1}, {"k", 1}, {"order", {3, 0, 1, 2}}}}});
  };
  std::size_t defined = 0;
  for (const char* method :
       {"neural_sort", "neural_sort_smooth", "soft_sort", "sinkhorn", "odd_even", "bitonic",
        "fast_soft_sort", "fast_soft_rank", "sparse_top_k", "lap_sum", "k_subset"}) {
    for (const char* kind : {"cross_entropy", "ranks", "value", "cell", "mass"}) {
      CAPTURE(std::string(method));
      CAPTURE(std::string(kind));
      const std::vector<double> scores{0.4, -0.3, 7, 1.1};  // of which the third is masked
      const Json answer = loss(scores, method, kind);
      REQUIRE_FALSE(answer.contains("error"));
      if (!answer.contains("loss")) continue;
      ++defined;
      CHECK(double(answer["grad"][2]) == 0);
      for (std::size_t j = 0; j < 4; ++j) {
        const double h = 1e-5;
        std::vector<double> up = scores, down = scores;
        up[j] += h;
        down[j] -= h;
        const double slope =
            (double(loss(up, method, kind)["loss"]) - double(loss(down, method, kind)["loss"])) /
            (2 * h);
        CHECK(double(answer["grad"][j]) == doctest::Approx(slope).epsilon(1e-7));
      }
    }
  }
  // sinkhorn: of the matrix and its masses; fast_soft_sort, .._rank, sparse_top_k, k_subset: one each
  CHECK(defined == 6 * 5 + 3 + 4);
}

TEST_CASE("page: races are the orders that the command pl samples") {
  const std::vector<double> s{1, 0.5, 0, -0.5};
  Array<double> log_scores = uninitialized<double>({4});
  std::copy(s.begin(), s.end(), log_scores.begin());
  const PlackettLuce<double> p(constant(log_scores));
  Generator random = Generator(7).split(0);
  const Indices drawn = p.sample(random, {500});
  std::vector<std::size_t> counts(24);
  const Indices all = all_orders(4);
  for (std::size_t r = 0; r < 500; ++r) {
    for (std::size_t k = 0; k < 24; ++k) {
      counts[k] += std::equal(all.data() + 4 * k, all.data() + 4 * k + 4, drawn.data() + 4 * r);
    }
    if (r >= 10) continue;
    const Json race = ask({{"ask", "race"}, {"log_scores", s}, {"seed", 7}, {"race", r}});
    CHECK(race["order"] ==
          Json(std::vector<Index>(drawn.data() + 4 * r, drawn.data() + 4 * r + 4)));
    for (std::size_t j = 0; j < 3; ++j) {  // they arrive in this order
      CHECK(race["times"][int(race["order"][j])] < race["times"][int(race["order"][j + 1])]);
    }
  }
  const Json orders = ask({{"ask", "orders"}, {"log_scores", s}, {"seed", 7}, {"samples", 500}});
  CHECK(orders["counts"] == Json(counts));
  CHECK(orders["log_prob"] == Json(numbers(p.log_prob(all).value())));
}

TEST_CASE("page: estimators have the bias and variance that the command estimators prints") {
  StudySettings settings;
  settings.n = 4, settings.tau = 0.5, settings.samples = 3, settings.seed = 5;
  settings.warm_up = 20, settings.estimates = 100;
  Page page;
  const Json begun = ask(page, {{"ask", "study"},
                                {"cost", "tour"},
                                {"n", 4},
                                {"tau", 0.5},
                                {"samples", 3},
                                {"warm_up", 20},
                                {"seed", 5},
                                {"spread", 1}});
  REQUIRE_FALSE(begun.contains("error"));
  for (int i = 0; i < 5; ++i) ask(page, {{"ask", "estimate"}, {"estimates", 23}});
  const Json answer = ask(page, {{"ask", "estimate"}, {"estimates", 5}});

  Generator for_cost = Generator(5).split(1), for_scores = Generator(5).split(2);
  const Cost cost = by_name(costs(), std::string("tour"), "test", "cost").make(4, for_cost);
  const Array<double> scores = for_scores.normal<double>({4});
  const Truth truth = true_gradient(cost, scores, 5);
  CHECK(answer["gradient"] == Json(numbers(truth.gradient)));
  std::size_t row = 0;
  for (const Estimator& estimator : make_estimators(cost, settings)) {
    CAPTURE(estimator.name);
    const Json& said = answer["estimators"][row++];
    const Quality expected = measure(estimator, scores, truth, settings);
    CHECK(said["estimator"] == estimator.name);
    CHECK(said["estimates"] == 100);
    CHECK(said["bias"] == expected.bias);
    CHECK(said["noise"] == expected.noise);
    CHECK(said["variance"] == expected.variance);
  }
  CHECK(row == answer["estimators"].size());
}

TEST_CASE("page: trainings learn") {
  const struct {
    const char* task;
    double before, after;  // accuracy: below, above
  } rows[] = {{"sort", 0.5, 0.7}, {"neighbours", 0.6, 0.9}};
  for (const auto& row : rows) {
    CAPTURE(std::string(row.task));
    Page page;
    const Json begun = ask(page, {{"ask", "training"},
                                  {"task", row.task},
                                  {"tau", 1},
                                  {"learning_rate", 0.05},
                                  {"n", 5},
                                  {"k", 5},
                                  {"seed", 3}});
    REQUIRE_FALSE(begun.contains("error"));
    CHECK(begun["accuracy"] < row.before);
    const Json trained = ask(page, {{"ask", "train"}, {"steps", 200}});
    CHECK(trained["losses"].size() == 200);
    CHECK(trained["accuracy"] > row.after);
    for (const Json& place : trained["P"]) {
      double total = 0;
      for (const Json& p : place) total += double(p);
      CHECK(total == doctest::Approx(1).epsilon(1e-12));
    }
  }
}

TEST_CASE("page: a large set is sorted without a matrix") {
  const Json hard = ask({{"ask", "million"}, {"n", 20000}, {"tau", 1e-9}, {"seed", 1}});
  REQUIRE(hard["place"].size() > 100);
  CHECK(hard["place"].front() == 1);
  CHECK(hard["place"].back() == 20000);
  for (std::size_t i = 0; i < hard["place"].size(); ++i) {
    CHECK(double(hard["sorted"][i]) == doctest::Approx(double(hard["score"][i])).epsilon(1e-9));
    const double share = int(hard["place"][i]) <= 200 ? 1.0 / 200 : 0;
    CHECK(double(hard["grad"][i]) == doctest::Approx(share).epsilon(1e-6));
  }
}

TEST_CASE("page: what goes wrong is an answer") {
  CHECK(ask({{"ask", "sing"}})["error"] == "page: there is no question sing");
  CHECK(Json::parse(Page().answer("[")).contains("error"));
  CHECK(ask({{"ask", "train"}, {"steps", 1}})["error"] == "train: ask for a training first");
  CHECK(ask({{"ask", "estimate"}, {"estimates", 1}})["error"] == "estimate: ask for a study first");
  CHECK(std::string(ask({{"ask", "relax"}, {"method", "bubble"}})["error"]).find("bubble") !=
        std::string::npos);
}
