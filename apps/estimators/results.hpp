// The options and the results of `tapesort estimators`; as text, as JSON and as a picture.
#pragma once

#include "apps/estimators/study.hpp"
#include "apps/program/options.hpp"

namespace tapesort {

struct EstimatorOptions {
  StudySettings study;
  std::string cost = "target";
  double spread = 1;  // standard deviation of the log-scores
  std::size_t steps = 2000;
  double learning_rate = 0.05;
  Command command;  // its settings are told with the results
};

struct EstimatorResults {
  double gradient_length;
  std::vector<Quality> table;  // every estimator at study.tau
  struct AtTau {
    double tau;
    std::vector<Quality> table;  // those that use tau
  };
  std::vector<AtTau> sweep;  // tau / 16 .. 16 tau
  std::vector<Descent> descents;
  double lowest_cost;  // over all orders; NaN for n > 8
};

EstimatorResults study_estimators(const EstimatorOptions& options);

std::string to_text(const EstimatorOptions& options, const EstimatorResults& results);
nlohmann::json to_json(const EstimatorOptions& options, const EstimatorResults& results);
// Bias and standard deviation over tau, and the descents. False when it could not be drawn.
bool draw(const EstimatorResults& results, const std::string& file);

}  // namespace tapesort
