#include "engine/print.hpp"

#include <cstdio>
#include <limits>
#include <ostream>

#include "engine/instantiate.hpp"

namespace tapesort {
namespace {

template <class... Numbers> std::string formatted(const char* format, Numbers... numbers) {
  char text[160];
  std::snprintf(text, sizeof text, format, numbers...);
  return text;
}

template <class T> std::string summary(const Array<T>& x) {
  if (x.size() == 0) return "empty";
  std::string text;
  if (x.size() <= 4) {
    for (T value : x) text += (text.empty() ? "" : " ") + formatted("%.4g", double(value));
    return text;
  }
  double sum = 0, low = std::numeric_limits<double>::infinity(), high = -low;
  for (T value : x) {
    sum += double(value);
    low = std::min(low, double(value));
    high = std::max(high, double(value));
  }
  return formatted("mean %.4g in [%.4g, %.4g]", sum / double(x.size()), low, high);
}

template <class T> std::string input_list(const Node<T>& node) {
  std::string text;
  for (std::size_t i = 0; i < node.inputs().size(); ++i) {
    const Var<T>& input = node.input(i);
    text += (text.empty() ? "" : " ") + (input.needs_grad() ? std::to_string(input.node()->index())
                                                            : "c" + to_text(input.shape()));
  }
  return text.empty() ? "-" : text;
}

}  // namespace

template <class T> std::ostream& arrays::operator<<(std::ostream& out, const Array<T>& array) {
  const T* next = array.data();
  const auto put = [&](const auto& self, std::size_t axis) -> void {
    if (axis == array.dimension()) {
      out << +*next++;  // + makes a number of a byte
      return;
    }
    out << '{';
    for (std::size_t i = 0; i < array.shape()[axis]; ++i) {
      if (i > 0) out << ", ";
      self(self, axis + 1);
    }
    out << '}';
  };
  put(put, 0);
  return out;
}

template <class T> std::string to_table(const Tape<T>& tape) {
  std::string text = formatted("%5s  %-16s %-16s %-14s %-34s %s\n", "index", "op", "shape",
                               "inputs", "value", "cotangent");
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Node<T>& node = tape.node(i);
    text += formatted("%5zu  %-16s %-16s %-14s %-34s ", i, node.op(),
                      to_text(node.value().shape()).c_str(), input_list(node).c_str(),
                      summary(node.value()).c_str());
    text += (node.has_cotangent() ? summary(node.cotangent()) : "-") + "\n";
  }
  return text;
}

template <class T> std::string to_dot(const Tape<T>& tape) {
  std::string nodes, edges;
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Node<T>& node = tape.node(i);
    const std::string name = std::to_string(i);
    nodes += "  " + name + " [label=\"" + name + ": " + node.op() + "\\n" +
             to_text(node.value().shape()) + "\"" +
             (node.inputs().size() == 0 ? ", shape=box" : "") + "];\n";
    for (std::size_t k = 0; k < node.inputs().size(); ++k) {
      const Var<T>& input = node.input(k);
      std::string from;
      if (input.needs_grad()) {
        from = std::to_string(input.node()->index());
      } else {
        from = "c" + name + "_" + std::to_string(k);
        nodes += "  " + from + " [label=\"" + to_text(input.shape()) + "\", shape=plaintext];\n";
      }
      edges += "  " + from + " -> " + name + ";\n";
    }
  }
  return "digraph tape {\n  rankdir=LR;\n" + nodes + edges + "}\n";
}

INSTANTIATE(to_table)
INSTANTIATE(to_dot)
template std::ostream& arrays::operator<<(std::ostream&, const Array<float>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<double>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<Index>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<int>&);
template std::ostream& arrays::operator<<(std::ostream&, const Array<std::uint8_t>&);

}  // namespace tapesort
