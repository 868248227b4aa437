#include <cmath>

#include "apps/estimators/spread.hpp"
#include "apps/page/answers.hpp"
#include "engine/check.hpp"
#include "models/by_name.hpp"
#include "ops/reduce.hpp"

namespace tapesort {

// The numbers are those of `tapesort estimators` with the same settings: the same streams of random
// numbers, in the same order.
Study::Study(const Json& question) {
  settings_.n = question.at("n");
  settings_.tau = question.at("tau");
  settings_.samples = question.at("samples");
  settings_.warm_up = question.at("warm_up");
  settings_.seed = question.at("seed");
  require(settings_.n >= 2 && settings_.n <= 6, "estimators: the page has 2 to 6 items, got ",
          settings_.n);
  require(settings_.samples >= 2 && settings_.samples <= 100,
          "estimators: need 2 to 100 samples an estimate, got ", settings_.samples);
  const Generator random(settings_.seed);
  Generator for_cost = random.split(1), for_scores = random.split(2);
  const std::string cost_name = question.at("cost");
  const Cost cost = by_name(costs(), cost_name, "estimators", "cost").make(settings_.n, for_cost);
  scores_ = for_scores.normal<double>({settings_.n}, 0, question.at("spread").get<double>());
  truth_ = true_gradient(cost, scores_, settings_.seed).gradient;
  for (Estimator& estimator : make_estimators(cost, settings_)) {
    const std::size_t warm_up = estimator.learns ? settings_.warm_up : 20;
    contenders_.push_back({std::move(estimator), random.split(4), warm_up, 0, {}});
  }
}

Json Study::more(std::size_t estimates) {
  Json rows = Json::array();
  for (Contender& contender : contenders_) {
    for (std::size_t i = 0; i < estimates; ++i) {
      Tape<double> tape;
      const Var<double> s = tape.leaf(scores_);
      tape.backward(contender.estimator.estimate(s, contender.random));
      if (contender.warm_up > 0) {
        --contender.warm_up;
      } else {
        contender.spread.add(s.grad());
        ++contender.estimates;
      }
    }
    Json row{{"estimator", contender.estimator.name}, {"estimates", contender.estimates}};
    if (contender.estimates >= 2) {
      row["bias"] = norm(constant<double>(contender.spread.mean() - truth_)).item();
      row["noise"] = std::sqrt(contender.spread.squared_error());
      row["variance"] = contender.spread.variance();
      row["mean"] = to_json(contender.spread.mean());
    }
    rows.push_back(std::move(row));
  }
  return {{"log_scores", to_json(scores_)},
          {"gradient", to_json(truth_)},
          {"length", norm(constant(truth_)).item()},
          {"estimators", std::move(rows)}};
}

}  // namespace tapesort
