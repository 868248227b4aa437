#include "apps/page/page.hpp"

#include "apps/page/answers.hpp"
#include "apps/page/program.hpp"
#include "engine/check.hpp"
#include "replay/replay.hpp"

namespace tapesort {
namespace {

// The tape of a program, replayed (replay/README.md has the format).
std::string recorded(const std::string& program) {
  Tape<double> tape;
  const Evaluated evaluated = evaluate(program, tape);
  return to_json(Replay(evaluated.result, evaluated.names));
}

Json answer_of(const Json& question, std::unique_ptr<Study>& study,
               std::unique_ptr<Training>& training) {
  const std::string ask = question.at("ask");
  if (ask == "functions") return function_signatures();
  if (ask == "relax") return relaxed(question);
  if (ask == "million") return million(question);
  if (ask == "race") return race(question);
  if (ask == "orders") return orders(question);
  if (ask == "study") {
    study = std::make_unique<Study>(question);
    return study->more(0);
  }
  if (ask == "estimate") {
    require(study != nullptr, "estimate: ask for a study first");
    return study->more(question.at("estimates"));
  }
  if (ask == "training") {
    training = make_training(question);
    return training->state();
  }
  require(ask == "train", "page: there is no question ", ask);
  require(training != nullptr, "train: ask for a training first");
  const std::size_t steps = question.at("steps");
  Json losses = Json::array();
  for (std::size_t i = 0; i < steps; ++i) losses.push_back(training->step());
  Json state = training->state();
  state["losses"] = std::move(losses);
  return state;
}

}  // namespace

Page::Page() = default;
Page::~Page() = default;

std::string Page::answer(const std::string& question) {
  try {
    const Json asked = Json::parse(question);
    if (asked.at("ask") == "tape") return recorded(asked.at("program"));
    return answer_of(asked, study_, training_).dump();
  } catch (const std::exception& error) {
    return Json{{"error", error.what()}}.dump();
  }
}

}  // namespace tapesort
