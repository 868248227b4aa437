#include "apps/estimators/results.hpp"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/program/program.hpp"
#include "apps/report/plot.hpp"
#include "apps/report/printed.hpp"
#include "apps/report/result_row.hpp"
#include "models/by_name.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/strict_json.hpp"
#include "ops/reduce.hpp"

namespace tapesort {
namespace {

template <class Row> const Row* find(const std::vector<Row>& rows, const std::string& name) {
  for (const Row& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// In this order in every panel, so that an estimator keeps its colour.
const std::vector<std::string> drawn{"relaxed",         "straight-through", "REBAR", "REINFORCE",
                                     "+ leave-one-out", "RELAX, learnt",    "exact"};

nlohmann::json to_json(const std::vector<Quality>& table) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Quality& q : table) {
    rows.push_back({{"estimator", q.name},
                    {"bias", q.bias},
                    {"noise", q.noise},
                    {"variance", q.variance},
                    {"microseconds", q.microseconds},
                    {"variance x microseconds", q.variance * q.microseconds}});
  }
  return rows;
}

}  // namespace

EstimatorResults study_estimators(const EstimatorOptions& options) {
  const StudySettings& study = options.study;
  const Generator random(study.seed);
  Generator for_cost = random.split(1), for_scores = random.split(2);
  const Cost cost = by_name(costs(), options.cost, "estimators", "cost").make(study.n, for_cost);
  const Array<double> scores = for_scores.normal<double>({study.n}, 0, options.spread);
  const Truth truth = true_gradient(cost, scores, study.seed);

  EstimatorResults results;
  results.gradient_length = norm(constant(truth.gradient)).item();
  for (const Estimator& estimator : make_estimators(cost, study)) {
    results.table.push_back(measure(estimator, scores, truth, study));
  }
  for (const double factor : {1.0 / 16, 0.25, 1.0, 4.0, 16.0}) {
    StudySettings at = study;
    at.tau = study.tau * factor;
    results.sweep.push_back({at.tau, {}});
    for (const Estimator& estimator : make_estimators(cost, at)) {
      if (!estimator.uses_tau) continue;
      results.sweep.back().table.push_back(measure(estimator, scores, truth, at));
    }
  }
  if (options.steps > 0) {
    for (const Estimator& estimator : make_estimators(cost, study)) {
      results.descents.push_back(
          descend(estimator, cost, options.steps, options.learning_rate, study));
    }
  }
  results.lowest_cost = std::nan("");
  if (study.n <= 8) {
    const Array<double> costs = cost.of_orders(all_orders(study.n)).value();
    results.lowest_cost = *std::min_element(costs.begin(), costs.end());
  }
  return results;
}

std::string to_text(const EstimatorOptions& options, const EstimatorResults& results) {
  const StudySettings& study = options.study;
  std::string text;
  text +=
      printed("The gradient of E f(z), z ~ Plackett-Luce: n %zu, f %s, tau %g, %zu samples an\n",
              study.n, options.cost.c_str(), study.tau, study.samples);
  text += printed(
      "estimate, %zu estimates, log-scores ~ N(0, %g^2), seed %llu. Its length is %.4g.\n\n",
      study.estimates, options.spread, static_cast<unsigned long long>(study.seed),
      results.gradient_length);
  text +=
      printed("estimator                bias     noise    variance   us/estimate  variance x us\n");
  for (const Quality& q : results.table) {
    text += printed("%-17s  %10.4g  %8.3g  %10.4g  %12.1f  %13.4g\n", q.name.c_str(), q.bias,
                    q.noise, q.variance, q.microseconds, q.variance * q.microseconds);
  }
  text += printed(
      "\nbias: |mean of the estimates - %s gradient|. An unbiased estimator shows about\n"
      "its noise. variance: summed over the log-scores. Learnt: after %zu steps of learning\n"
      "the control variate; the time includes such a step.\n",
      study.n <= 8 ? "exact" : "reference", study.warm_up);

  text += printed("\n                     ");
  for (const Quality& q : results.sweep.front().table) text += printed("%22s", q.name.c_str());
  text += printed("\n        tau          ");
  for (std::size_t i = 0; i < results.sweep.front().table.size(); ++i) {
    text += printed("      bias    variance");
  }
  for (const EstimatorResults::AtTau& at : results.sweep) {
    text += printed("\n%11g          ", at.tau);
    for (const Quality& q : at.table) text += printed("%10.4g  %10.4g", q.bias, q.variance);
  }
  text += printed("\n");
  if (results.descents.empty()) return text;

  text += printed("\nMinimising E f with Adam at rate %g from equal log-scores.",
                  options.learning_rate);
  if (study.n <= 8) text += printed(" The best order costs %.6g.", results.lowest_cost);
  const std::vector<double>& steps = results.descents.front().step;
  const std::size_t last = steps.size() - 1;
  const std::size_t shown[] = {0, last / 8, last / 4, last / 2, last};
  text += printed("\n\nE f after step   ");
  for (const std::size_t i : shown) text += printed("%11.0f", steps[i]);
  text += printed("    seconds\n");
  for (const Descent& descent : results.descents) {
    text += printed("%-17s", descent.name.c_str());
    for (const std::size_t i : shown) text += printed("%11.6g", descent.cost[i]);
    text += printed("%11.2f\n", descent.seconds);
  }
  return text;
}

nlohmann::json to_json(const EstimatorOptions& options, const EstimatorResults& results) {
  nlohmann::json row = result_row("estimators", options.command.settings(), options.study.seed);
  row["gradient length"] = results.gradient_length;
  row["estimators"] = to_json(results.table);
  row["over tau"] = nlohmann::json::array();
  for (const EstimatorResults::AtTau& at : results.sweep) {
    row["over tau"].push_back({{"tau", at.tau}, {"estimators", to_json(at.table)}});
  }
  row["descents"] = nlohmann::json::array();
  for (const Descent& d : results.descents) {
    row["descents"].push_back({{"estimator", d.name},
                               {"step", d.step},
                               {"expected cost", d.cost},
                               {"seconds", d.seconds}});
  }
  row["lowest cost"] = results.lowest_cost;  // NaN becomes null
  return row;
}

bool draw(const EstimatorResults& results, const std::string& file) {
  Plot bias{printed("Bias against tau (the gradient's length is %.3g)", results.gradient_length),
            "tau",
            "|mean - exact gradient|",
            true,
            true,
            {}};
  Plot deviation{"Spread of an estimate against tau", "tau", "standard deviation", true, true, {}};
  const bool exact = !std::isnan(results.lowest_cost);
  Plot descent{
      "Minimising the expected cost", "step", exact ? "E f - min f" : "E f", false, exact, {}};
  for (const std::string& name : drawn) {
    const std::string title = name[0] == '+' ? "REINFORCE " + name : name;
    Series of_bias{title, {}, {}, {}}, of_deviation = of_bias;
    for (const EstimatorResults::AtTau& at : results.sweep) {
      const Quality* with_tau = find(at.table, name);
      const Quality* q = with_tau ? with_tau : find(results.table, name);
      if (q == nullptr || q->variance == 0) continue;
      of_deviation.x.push_back(at.tau);
      of_deviation.y.push_back(std::sqrt(q->variance));
      of_bias.x.push_back(at.tau);
      of_bias.y.push_back(q->bias);
      of_bias.error.push_back(q->noise);
    }
    if (name == "relaxed" || name == "straight-through") bias.series.push_back(of_bias);
    if (!of_deviation.x.empty()) deviation.series.push_back(of_deviation);
    if (const Descent* d = find(results.descents, name)) {
      Series series{title, d->step, d->cost, {}};
      for (double& y : series.y) y -= exact ? results.lowest_cost : 0;
      descent.series.push_back(series);
    }
  }
  std::vector<Plot> panels{bias, deviation};
  if (!descent.series.empty()) panels.push_back(descent);
  return draw(panels, file);
}

void add_estimators(Command program) {
  struct Options : EstimatorOptions {
    std::string out = "estimators-out";
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  StudySettings& study = o->study;
  const Command command = o->command = program.command(
      "estimators", "compare estimators of the gradient of E f(z), z a random order");
  command.setting("--n", study.n, "items; all that is exact needs n <= 8", whole(2, 1000));
  command.setting("--cost", o->cost,
                  "f: target (squared distance to a doubly stochastic matrix), linear (an "
                  "assignment), tour (length of a closed tour)",
                  one_of(names_of(costs())));
  command.setting("--tau", study.tau, "temperature of NeuralSort, in units of the log-scores",
                  temperature);
  command.setting("--samples", study.samples, "orders drawn for an estimate", whole(1, 100000));
  command.setting("--estimates", study.estimates, "by which bias and variance are measured",
                  whole(20, 10000000));
  command.setting("--warm-up", study.warm_up, "steps of learning before that", whole(0, 1000000000),
                  "warm up");
  command.setting("--spread", o->spread, "standard deviation of the log-scores", number(0, 1e12));
  command.setting("--steps", o->steps, "of minimising E f; 0 for none", whole(0, 1000000000));
  command.setting("--lr", o->learning_rate, "learning rate of its Adam", learning_rate);
  command.add("--seed", study.seed, "of everything random", any_seed);
  command.add(
      "--out", o->out, "folder for estimators.png and result.json; '' for none",
      {[](const std::string& text) { return text.empty() ? "" : file_name.fault(text); }, ""});
  command.add("--json", o->json, "print the result as one JSON object, and nothing else");
  command.run([o] {
    const std::string result = o->out + "/result.json";
    if (!o->out.empty()) check_replaceable(result);
    const EstimatorResults results = study_estimators(*o);
    const nlohmann::json row = to_json(*o, results);
    std::printf("%s\n", (o->json ? text_of(row) : to_text(*o, results)).c_str());
    if (o->out.empty()) return;
    write_result(result, row);
    draw(results, o->out + "/estimators.png");
    if (!o->json) std::printf("picture and result: %s\n", o->out.c_str());
  });
}

}  // namespace tapesort
