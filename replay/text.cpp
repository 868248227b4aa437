// A replay as a table, as steps, and in Graphviz's language.
#include <cstdio>

#include "engine/check.hpp"
#include "replay/replay.hpp"

namespace tapesort {
namespace {

template <class... Numbers> std::string formatted(const char* format, Numbers... numbers) {
  char text[64];
  std::snprintf(text, sizeof text, format, numbers...);
  return text;
}

std::string number(double x) { return std::isnan(x) ? "nan" : formatted("%.4g", x); }

std::string range(const Figures& x) {
  double mean = x.mean, low = x.low, high = x.high;
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    mean += x.data[i] / double(x.data.size());
    low = i == 0 ? x.data[i] : std::min(low, x.data[i]);
    high = i == 0 ? x.data[i] : std::max(high, x.data[i]);
  }
  return "mean " + number(mean) + " in [" + number(low) + ", " + number(high) + "]";
}

// "1 2", for columns of a table.
std::string summary(const Figures& x) {
  if (element_count(x.shape) == 0) return "empty";
  if (x.data.size() > 4 || x.data.empty()) return range(x);
  std::string text;
  for (double value : x.data) text += (text.empty() ? "" : " ") + number(value);
  return text;
}

// "((1, 2), (3, 4))", of up to eight numbers.
std::string nested(const Figures& x) {
  if (element_count(x.shape) == 0) return "empty";
  if (x.data.size() > 8 || x.data.empty()) return range(x);
  std::size_t next = 0;
  const auto put = [&](const auto& self, std::size_t axis) -> std::string {
    if (axis == x.shape.size()) return number(x.data[next++]);
    std::string text;
    for (std::size_t i = 0; i < x.shape[axis]; ++i) text += (i ? ", " : "") + self(self, axis + 1);
    return "(" + text + ")";
  };
  return put(put, 0);
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 0, ' ') + ' ';
}

// "3 mul", "0 leaf a".
std::string heading(const Replay& replay, std::size_t i) {
  const Replay::Node& node = replay.nodes[i];
  return std::to_string(i) + " " + node.op + (node.name.empty() ? "" : " " + node.name);
}

std::string quoted(
    const std::string& text) {  // for Graphviz, without the quotes; \n stays a new line
  std::string result;
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

std::string to_table(const Replay& replay) {
  const auto row = [](const std::string& index, const std::string& name, const std::string& op,
                      const std::string& shape, const std::string& formula,
                      const std::string& value, const std::string& cotangent) {
    return std::string(index.size() < 5 ? 5 - index.size() : 0, ' ') + index + "  " +
           padded(name, 12) + padded(op, 16) + padded(shape, 16) + padded(formula, 24) +
           padded(value, 34) + cotangent + "\n";
  };
  std::string text = row("index", "name", "op", "shape", "formula", "value", "cotangent");
  for (std::size_t i = 0; i < replay.nodes.size(); ++i) {
    const Replay::Node& node = replay.nodes[i];
    const auto or_none = [](const std::string& text) { return text.empty() ? "-" : text; };
    text += row(std::to_string(i), or_none(node.name), node.op, to_text(node.value.shape),
                or_none(node.formula), summary(node.value),
                node.cotangent ? summary(*node.cotangent) : "-");
  }
  return text;
}

std::string to_steps(const Replay& replay) {
  std::string text = "forward\n";
  for (std::size_t i = 0; i < replay.nodes.size(); ++i) {
    const Replay::Node& node = replay.nodes[i];
    text += to_message(heading(replay, i), ": ",
                       node.formula.empty() ? to_text(node.value.shape) : node.formula, " = ",
                       nested(node.value), "\n");
  }
  text += "reverse\n";
  for (const Replay::Step& step : replay.steps) {
    text += heading(replay, step.node) + ": ybar " + nested(*replay.nodes[step.node].cotangent);
    for (const Replay::Contribution& c : step.contributions) {
      text += to_message(&c == &step.contributions[0] ? " -> " : ", ", "input ", c.input,
                         " += ", nested(c.contribution));
      if (c.stretched) text += ", the sum of " + nested(*c.stretched);
      text += " (" + replay.label(c.to);
      if (c.before) {
        text += ": " + nested(*c.before) + " + " + nested(c.contribution) + " = " + nested(c.after);
      }
      text += ")";
    }
    text += "\n";
  }
  return text;
}

std::string to_dot(const Replay& replay) {
  std::string nodes, edges;
  for (std::size_t i = 0; i < replay.nodes.size(); ++i) {
    const Replay::Node& node = replay.nodes[i];
    const std::string id = std::to_string(i);
    nodes += "  " + id + " [label=\"" + quoted(id + ": " + node.op);
    if (!node.name.empty()) nodes += " " + quoted(node.name);
    if (!node.formula.empty()) nodes += "\\n" + quoted(node.formula);
    nodes += "\\n" + to_text(node.value.shape) + "\\n" + summary(node.value);
    if (node.cotangent) nodes += "\\ncotangent " + summary(*node.cotangent);
    nodes += "\"";
    if (node.kind == Replay::Kind::constant) nodes += ", shape=plaintext";
    if (node.kind == Replay::Kind::leaf || node.kind == Replay::Kind::parameter)
      nodes += ", shape=box";
    nodes += "];\n";
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      const Replay::Input& input = node.inputs[k];
      std::string from = std::to_string(input.node);
      if (input.stretched) {
        const std::string stretch = "s" + id + "_" + std::to_string(k);
        nodes += "  " + stretch + " [label=\"stretched to " + to_text(*input.stretched) +
                 "\", shape=box, style=dashed];\n";
        edges += "  " + from + " -> " + stretch + ";\n";
        from = stretch;
      }
      edges += "  " + from + " -> " + id + ";\n";
    }
  }
  return "digraph tape {\n  rankdir=LR;\n" + nodes + edges + "}\n";
}

}  // namespace tapesort
