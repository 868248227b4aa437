#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "apps/estimators/results.hpp"
#include "apps/option_checks.hpp"
#include "apps/report/result_row.hpp"

namespace tapesort {

void add_estimators(CLI::App& program) {
  struct Options : EstimatorOptions {
    std::string out = "estimators-out";
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "estimators", "compare estimators of the gradient of E f(z), z a random order");
  command->add_option("--n", o->study.n, "items; all that is exact needs n <= 8")
      ->check(whole(2, 1000))
      ->capture_default_str();
  command
      ->add_option(
          "--cost", o->cost,
          "f: target (squared distance to a doubly stochastic matrix), linear (an assignment), "
          "tour (length of a closed tour)")
      ->check(CLI::IsMember(cost_names()))
      ->capture_default_str();
  command
      ->add_option("--tau", o->study.tau, "temperature of NeuralSort, in units of the log-scores")
      ->check(temperature)
      ->capture_default_str();
  command->add_option("--samples", o->study.samples, "orders drawn for an estimate")
      ->check(whole(1, 100000))
      ->capture_default_str();
  command->add_option("--estimates", o->study.estimates, "by which bias and variance are measured")
      ->check(whole(20, 10000000))
      ->capture_default_str();
  command->add_option("--warm-up", o->study.warm_up, "steps of learning before that")
      ->check(whole(0, 1000000000))
      ->capture_default_str();
  command->add_option("--spread", o->spread, "standard deviation of the log-scores")
      ->check(number(0, 1e12))
      ->capture_default_str();
  command->add_option("--steps", o->steps, "of minimising E f; 0 for none")
      ->check(whole(0, 1000000000))
      ->capture_default_str();
  command->add_option("--lr", o->learning_rate, "learning rate of its Adam")
      ->check(learning_rate)
      ->capture_default_str();
  command->add_option("--seed", o->study.seed, "of everything random")
      ->check(any_seed)
      ->capture_default_str();
  command->add_option("--out", o->out, "folder for estimators.png and result.json; '' for none")
      ->check(CLI::Validator(
          [](const std::string& text) { return text.empty() ? "" : file_name(text); }, ""))
      ->capture_default_str();
  command->add_flag("--json", o->json, "print the result as one JSON object, and nothing else");
  command->callback([o] {
    const EstimatorResults results = study_estimators(*o);
    const nlohmann::json row = to_json(*o, results);
    std::printf("%s\n", (o->json ? row.dump() : to_text(*o, results)).c_str());
    if (o->out.empty()) return;
    std::filesystem::create_directories(o->out);
    write_result(o->out + "/result.json", row);
    draw(results, o->out + "/estimators.png");
    if (!o->json) std::printf("picture and result: %s\n", o->out.c_str());
  });
}

}  // namespace tapesort
