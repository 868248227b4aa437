// A replay as JSON. (README.md has the format.)
#include <cmath>
#include <cstdio>

#include "replay/formula.hpp"
#include "replay/replay.hpp"

namespace tapesort {
namespace {

// Without <, so that the text may stand in a page.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '<') {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", unsigned(c));
      result += code;
    } else {
      result += c;
    }
  }
  return result + '"';
}

template <class List, class Write> std::string list(const List& items, const Write& write) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ",") + write(item);
  return "[" + text + "]";
}

struct Writer {
  const Replay& replay;
  bool single = replay.type == "float";

  std::string number(double x) const {
    if (std::isnan(x)) return "\"NaN\"";
    if (std::isinf(x)) return x < 0 ? "\"-Infinity\"" : "\"Infinity\"";
    return detail::digits(x, single);
  }
  std::string numbers(const std::vector<double>& row) const {
    return list(row, [&](double x) { return number(x); });
  }
  std::string rows(const std::vector<std::vector<double>>& matrix) const {
    if (matrix.empty()) return "null";
    return "{\"rows\":" + list(matrix, [&](const auto& row) { return numbers(row); }) + "}";
  }
  static std::string shape(const Shape& extents) {
    return list(extents, [](std::size_t extent) { return std::to_string(extent); });
  }
  std::string figures(const Figures& x) const {
    if (!x.data.empty() || element_count(x.shape) == 0) return "{\"data\":" + numbers(x.data) + "}";
    return "{\"mean\":" + number(x.mean) + ",\"low\":" + number(x.low) +
           ",\"high\":" + number(x.high) + "}";
  }
  std::string figures(const std::optional<Figures>& x) const { return x ? figures(*x) : "null"; }

  std::string node(std::size_t id, bool earlier) const {
    const Replay::Node& node = replay.nodes[id];
    static constexpr const char* kinds[] = {"leaf", "parameter", "constant", "operator"};
    const auto or_null = [](const std::string& text) {
      return text.empty() ? "null" : quoted(text);
    };
    const std::vector<Replay::Input> none, &inputs = earlier ? none : node.inputs;
    std::string text = "{\"id\":" + std::to_string(id);
    text += ",\"kind\":" + quoted(earlier ? "earlier" : kinds[int(node.kind)]);
    text += ",\"op\":" + quoted(node.op);
    text += ",\"name\":" + or_null(node.name);
    text += ",\"formula\":" + or_null(node.formula);
    text += ",\"shape\":" + shape(node.value.shape);
    text += ",\"value\":" + figures(node.value);
    text += ",\"cotangent\":" + figures(node.cotangent);
    text += ",\"inputs\":" + list(inputs, [](auto& x) { return std::to_string(x.node); });
    text += ",\"stretched\":" +
            list(inputs, [&](auto& x) { return x.stretched ? shape(*x.stretched) : "null"; });
    text += ",\"derivatives\":" + list(inputs, [&](auto& x) { return or_null(x.derivative); });
    text += ",\"jacobians\":" + list(inputs, [&](auto& x) { return rows(x.jacobian); });
    return text + "}";
  }

  std::string step(const Replay::Step& step) const {
    return "{\"node\":" + std::to_string(step.node) +
           ",\"cotangent\":" + figures(replay.nodes[step.node].cotangent) + ",\"contributions\":" +
           list(step.contributions, [&](auto& c) { return contribution(c); }) + "}";
  }

  std::string contribution(const Replay::Contribution& c) const {
    std::string text = "{\"input\":" + std::to_string(c.input) + ",\"to\":" + std::to_string(c.to);
    text += ",\"contribution\":" + figures(c.contribution) + ",\"stretched\":";
    text += c.stretched
                ? "{\"shape\":" + shape(c.stretched->shape) + "," + figures(*c.stretched).substr(1)
                : "null";
    return text + ",\"before\":" + figures(c.before) + ",\"after\":" + figures(c.after) + "}";
  }
};

}  // namespace

std::string to_json(const Replay& replay) {
  constexpr std::size_t most = 256;
  const Writer writer{replay};
  const std::size_t size = replay.nodes.size(), after = replay.result.value_or(0) + 1,
                    first = size <= most || after < most ? 0 : after - most,
                    end = std::min(size, first + most);
  std::vector<std::size_t> shown;
  std::vector<bool> needed(size);
  for (std::size_t i = first; i < end; ++i) {
    needed[i] = true;
    for (const Replay::Input& input : replay.nodes[i].inputs) needed[input.node] = true;
  }
  for (std::size_t i = 0; i < end; ++i) {
    if (needed[i]) shown.push_back(i);
  }
  std::vector<Replay::Step> steps;
  for (const Replay::Step& step : replay.steps) {
    if (step.node >= first) steps.push_back(step);
  }
  return "{\"type\":" + quoted(replay.type) +
         ",\"result\":" + (replay.result ? std::to_string(*replay.result) : "null") +
         ",\"total\":" + std::to_string(size) +
         ",\"nodes\":" + list(shown, [&](std::size_t i) { return writer.node(i, i < first); }) +
         ",\"steps\":" + list(steps, [&](const Replay::Step& step) { return writer.step(step); }) +
         "}\n";
}

}  // namespace tapesort
