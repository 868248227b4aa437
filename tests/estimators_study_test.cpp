#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/estimators/results.hpp"
#include "models/by_name.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/hard.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("every cost is the same number on orders and on their matrices") {
  for (const CostEntry& entry : costs()) {
    for (const std::size_t n : {2, 5}) {
      CAPTURE(entry.name);
      CAPTURE(n);
      Generator random(3);
      const Cost cost = entry.make(n, random);
      const Indices orders = all_orders(n);
      const Array<double> on_orders = cost.of_orders(orders).value();
      CHECK(on_orders.shape() == Shape{orders.shape()[0]});
      const Var<double> P = constant(permutation_matrix<double>(orders));
      CHECK(distance(on_orders, cost.of_matrices(P).value()) < 1e-14);
    }
  }
}

TEST_CASE("the toy's best order is the identity") {
  Generator random(3);
  const Indices orders = all_orders(6);
  const Array<double> costs = tapesort::by_name(tapesort::costs(), "target", "test", "cost")
                                  .make(6, random)
                                  .of_orders(orders)
                                  .value();
  CHECK(std::min_element(costs.begin(), costs.end()) == costs.begin());  // lexicographic order
  // |I - T|^2 for T with 1/6 + 0.05 on the diagonal and 1/6 - 0.01 elsewhere
  const double on = 1 - 1.0 / 6 - 0.05, off = 1.0 / 6 - 0.01;
  CHECK(costs(0) == doctest::Approx(6 * on * on + 30 * off * off).epsilon(1e-14));
}

TEST_CASE("a study of the estimators tells which are biased, and minimises") {
  EstimatorOptions options;
  options.study.n = 4;
  options.study.estimates = 1000;
  options.study.warm_up = 100;
  options.study.tau = 5;
  options.steps = 100;
  const EstimatorResults results = study_estimators(options);
  REQUIRE(results.table.size() == 9);
  CHECK(results.gradient_length > 0.01);
  for (const Quality& q : results.table) {
    CAPTURE(q.name);
    CHECK((q.name == "exact") == (q.variance == 0));
    const bool biased = q.name == "relaxed" || q.name == "straight-through";
    // An unbiased estimator's squared bias is noise^2 times a mean of squares of normal numbers.
    CHECK((q.bias > 3 * q.noise) == biased);
    CHECK(q.microseconds > 0);
  }
  REQUIRE(results.sweep.size() == 5);
  CHECK(results.sweep[2].tau == 5);
  CHECK(results.sweep[2].table[0].bias == results.table[4].bias);  // the same seed, the same noise

  REQUIRE(results.descents.size() == 9);
  CHECK(results.descents[0].step.front() == 0);
  CHECK(results.descents[0].step.back() == 100);
  CHECK(results.descents[0].cost.back() < results.descents[0].cost.front() - 0.1);
  CHECK(results.descents[0].cost.back() > results.lowest_cost);
  for (const Descent& d : results.descents) CHECK(d.cost[0] == results.descents[0].cost[0]);

  const std::string text = to_text(options, results);
  const nlohmann::json row = to_json(options, results);
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(text.find(results.table[i].name) != std::string::npos);
    CHECK(row["estimators"][i]["estimator"] == results.table[i].name);
    CHECK(row["estimators"][i]["variance"] == results.table[i].variance);
  }
  CHECK(row["descents"][0]["expected cost"].size() == results.descents[0].step.size());
}

TEST_CASE("a study beyond enumeration compares with a sampled reference") {
  EstimatorOptions options;
  options.cost = "linear";
  options.study.n = 9;
  options.study.estimates = 100;
  options.study.warm_up = 20;
  options.steps = 0;
  const EstimatorResults results = study_estimators(options);
  CHECK(results.table.front().name == "REINFORCE");
  CHECK(results.table.front().bias < 3 * results.table.front().noise);
  CHECK(results.descents.empty());
  CHECK(to_json(options, results).dump().find("\"lowest cost\":null") != std::string::npos);
}

TEST_CASE("a study that leaves the range of numbers stops, and names the estimator") {
  Generator random(1);
  const Cost cost = tapesort::by_name(tapesort::costs(), "linear", "test", "cost").make(3, random);
  StudySettings settings;
  settings.n = 3;
  const Estimator exact = make_estimators(cost, settings).front();
  const std::string explodes = error_of([&] { descend(exact, cost, 5, 1.7e308, settings); });
  CAPTURE(explodes);
  CHECK(explodes.rfind("exception: estimators: exact: ", 0) == 0);

  Estimator faulty{"faulty", false, false,
                   [](const Var<double>& s, Generator&) { return sum(sqrt(s - s)); }};
  const Truth truth{zeros<double>({3}), 0};
  CHECK(error_of([&] {
          measure(faulty, zeros<double>({3}), truth, settings);
        }).rfind("exception: estimators: faulty: the gradient holds ", 0) == 0);
  CHECK(error_of([&] {
          measure(faulty, zeros<double>({3}), truth, settings);
        }).find(": the pullback of sqrt (") != std::string::npos);
}
