#include "apps/training/session.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/training/finite.hpp"
#include "engine/check.hpp"
#include "engine/parameter.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

using nlohmann::json;

constexpr int deepest = 8;  // levels of JSON

}  // namespace

Session::Session(Task& task, Optimizer<float>& optimizer, const TrainerOptions& options)
    : task_(task.name()),
      state_(task.state()),
      optimizer_(optimizer),
      options_(options),
      all_steps_(options.epochs * task.steps_per_epoch()) {
  add_to_checkpoint(best_, state_);
}

void Session::step(double loss) {
  ++result.steps;
  ++result.unvalidated;
  result.loss_sum += loss;
}

void Session::validated(double validation, double learning_rate) {
  // After the last step the mean is validated, without a step of its own.
  const double loss = result.unvalidated > 0 || result.epochs.empty()
                          ? result.loss_sum / double(result.unvalidated)
                          : result.epochs.back().loss;
  result.epochs.push_back({loss, validation, result.seconds, result.steps, learning_rate});
  result.loss_sum = 0;
  result.unvalidated = 0;
  const bool first = result.epochs.size() == 1;
  if (!first && !result.averaged && !(validation > result.best_validation)) return;
  result.best_validation = validation;
  result.best_epoch = result.epochs.size();
  best_ = {};
  add_to_checkpoint(best_, state_);
}

void Session::average() {
  const float share = 1 / float(++averaged_);
  for (const auto& [name, now] : state_.arrays()) {
    Array<float>& mean = mean_.arrays[name];
    if (averaged_ == 1) mean = zeros<float>(now->shape());
    for (std::size_t i = 0; i < mean.size(); ++i) {
      mean.data()[i] += (now->data()[i] - mean.data()[i]) * share;
    }
  }
}

bool Session::take_mean() {
  if (averaged_ == 0 || result.averaged) return false;
  restore("the mean state", mean_, state_);
  result.averaged = true;
  return true;
}

State<float> Session::everything(bool with_mean) {
  State<float> all = state_;
  for (const auto& buffer : optimizer_.memory()) all.buffers.push_back(buffer);
  for (auto& [name, array] : best_.arrays) all.buffers.push_back({"best." + name, &array});
  if (!with_mean) return all;
  for (auto& [name, array] : mean_.arrays) all.buffers.push_back({"mean." + name, &array});
  return all;
}

void Session::check() {
  try {
    for (const auto& [name, array] : everything(averaged_ > 0).arrays()) {
      require_finite(name, *array);
    }
  } catch (const NonFiniteError& error) {
    fault(task_, ": after ", result.steps, " steps ", error.what(),
          "; try a smaller learning rate");
  }
}

void Session::save() {
  check();
  Checkpoint<float> checkpoint;
  add_to_checkpoint(checkpoint, everything(averaged_ > 0));
  json epochs = json::array();
  for (const auto& e : result.epochs) {
    epochs.push_back({e.loss, e.validation, e.seconds, e.step, e.learning_rate});
  }
  const json progress{{"epochs", epochs},
                      {"steps", result.steps},
                      {"optimizer_steps", optimizer_.steps()},
                      {"seconds", result.seconds},
                      {"loss_sum", result.loss_sum},
                      {"unvalidated", result.unvalidated},
                      {"best_validation", result.best_validation},
                      {"best_epoch", result.best_epoch},
                      {"averaged", averaged_},
                      {"mean_taken", result.averaged ? 1u : 0u},
                      {"seed", options_.seed}};
  checkpoint.metadata = {{"progress", text_of(progress)}, {"settings", options_.settings}};
  save_checkpoint(options_.checkpoint, checkpoint);
}

void Session::load() {
  const std::string& file = options_.checkpoint;
  const Checkpoint<float> checkpoint = load_checkpoint<float>(file);
  const auto parsed = [&](const char* key) {
    const auto found = checkpoint.metadata.find(key);
    if (found == checkpoint.metadata.end()) {
      fault(file, ": holds a model but no training to resume");
    }
    return parse_strict_json(file + ": " + key, found->second, deepest);
  };
  const json settings = parsed("settings"), progress = parsed("progress");
  const json own = parse_strict_json("settings", options_.settings, deepest);
  // More epochs change nothing of what was done, unless the learning rate or a mean looked ahead.
  const bool may_grow = own.value("schedule", json()) == "constant" && options_.average == 0;
  for (const auto& [key, now] : own.items()) {
    const json then = settings.contains(key) ? settings[key] : json();
    const bool more = key == "epochs" && may_grow && then.is_number() && now > then;
    if (then == now || more) continue;
    fault(file, ": was made with ", key, " = ", text_of(then), ", this run has ", text_of(now),
          "; resume with the same settings, or start anew elsewhere");
  }

  const auto need = [&](bool ok, const char* what, const json& value, const auto&... expected) {
    if (ok) return;
    fault(file, ": its training cannot be resumed: ", what, " is ", shown(value), "; expected ",
          expected...);
  };
  need(progress.is_object(), "progress", progress, "an object");
  const auto count = [&](const char* key, std::size_t least, std::size_t most) {
    const json value = progress.value(key, json());
    const std::size_t number = value.is_number_unsigned() ? value.get<std::size_t>() : 0;
    need(value.is_number_unsigned() && number >= least && number <= most, key, value,
         "a whole number, ", least, " .. ", most);
    return number;
  };
  const auto number = [&](const char* key) {
    const json value = progress.value(key, json());
    need(value.is_number(), key, value, "a number");
    return value.get<double>();
  };
  TrainingResult loaded;
  loaded.steps = count("steps", 0, all_steps_);
  loaded.seconds = number("seconds");
  need(loaded.seconds >= 0, "seconds", loaded.seconds, "a number >= 0");
  const json epochs = progress.value("epochs", json());
  need(epochs.is_array() && epochs.size() <= loaded.steps, "epochs", epochs,
       "a list, at most one entry a step");
  for (const json& e : epochs) {
    const bool five = e.is_array() && e.size() == 5 && e[3].is_number_unsigned() &&
                      std::all_of(e.begin(), e.end(), [](const json& x) { return x.is_number(); });
    need(five, "an epoch", e, "[loss, validation, seconds, step, learning rate]");
    loaded.epochs.push_back({e[0], e[1], e[2], e[3], e[4]});
  }
  loaded.best_validation = number("best_validation");
  loaded.best_epoch = count("best_epoch", epochs.empty() ? 0 : 1, epochs.size());
  loaded.loss_sum = number("loss_sum");
  loaded.unvalidated = count("unvalidated", 0, loaded.steps);
  const std::size_t averaged = count("averaged", 0, loaded.steps);
  loaded.averaged = count("mean_taken", 0, 1) == 1;
  const std::size_t optimizer_steps =
      count("optimizer_steps", loaded.steps, std::numeric_limits<std::size_t>::max());

  if (averaged > 0) mean_ = best_;  // for its names and shapes
  restore(file, checkpoint, everything(averaged > 0));
  averaged_ = averaged;
  optimizer_.set_steps(optimizer_steps);
  result = std::move(loaded);
}

}  // namespace tapesort
