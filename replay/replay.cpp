#include "replay/replay.hpp"

#include <limits>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/observe.hpp"
#include "replay/formula.hpp"

namespace tapesort {
namespace {

template <class T> Figures figures(const Array<T>& x) {
  Figures shown{x.shape(), {}};
  if (x.size() <= 64) {
    shown.data.assign(x.begin(), x.end());
    return shown;
  }
  shown.low = std::numeric_limits<double>::infinity(), shown.high = -shown.low;
  for (T value : x) {
    shown.mean += double(value) / double(x.size());
    shown.low = std::min(shown.low, double(value));
    shown.high = std::max(shown.high, double(value));
  }
  return shown;
}

// Whether the cotangent that J gives is the one that the pullback gave, up to rounding.
template <class T>
bool agrees(const std::vector<std::vector<double>>& J, const Array<T>& ybar, const Array<T>& xbar) {
  for (std::size_t j = 0; j < xbar.size(); ++j) {
    double sum = 0, size = 0;
    for (std::size_t i = 0; i < ybar.size(); ++i) {
      const double term = J[i][j] * double(ybar.data()[i]);
      sum += term;
      size += std::abs(term);
    }
    const double given = double(xbar.data()[j]);
    const double tolerance = 1e3 * double(std::numeric_limits<T>::epsilon()) * size;
    if (!(std::abs(sum - given) <= tolerance) && !(std::isnan(sum) && std::isnan(given)))
      return false;
  }
  return true;
}

}  // namespace

template <class T> struct Replay::Recorder {
  using Node = tapesort::Node<T>;
  Replay& replay;
  std::vector<Node*> order{};
  std::unordered_map<const Node*, std::size_t> places{};  // in it

  // --- Reading order

  // Appends `last` and all that it depends on, inputs first. (Without recursion: tapes are long.)
  void visit(Node* last) {
    std::vector<std::pair<Node*, std::size_t>> path;  // a node, and which of its inputs is next
    if (places.count(last) == 0) path.push_back({last, 0});
    while (!path.empty()) {
      auto& [node, next] = path.back();
      if (next < node->inputs_.size()) {
        Node* input = node->inputs_[next++].node();
        if (places.count(input) == 0) path.push_back({input, 0});
      } else {
        places.emplace(node, order.size());
        order.push_back(node);
        path.pop_back();
      }
    }
  }

  void visit_all(const Tape<T>& tape) {
    std::vector<bool> used(tape.size());
    for (const Var<T>& node : tape.nodes_) {
      for (const Var<T>& input : node.node()->inputs_) {
        if (input.needs_grad()) used[input.node()->index_] = true;
      }
    }
    for (const Var<T>& node : tape.nodes_) {
      if (!used[node.node()->index_]) visit(node.node());
    }
  }

  // What is known before the reverse sweep.
  void describe(const Names<T>& names) {
    constexpr bool single = std::is_same_v<T, float>;
    replay.type = single ? "float" : "double";
    for (Node* node : order) {
      const Kind kind = node->tape_ == nullptr                        ? Kind::constant
                        : !node->inputs_.empty()                      ? Kind::op
                        : node->op() == std::string_view("parameter") ? Kind::parameter
                                                                      : Kind::leaf;
      replay.nodes.push_back({kind, node->op(), node->name(), "", figures(node->value()), {}, {}});
    }
    for (const auto& [var, name] : names) {
      if (var.node() == nullptr) misuse("Replay: the Var named ", name, " is empty");
      const auto place = places.find(var.node());
      if (place != places.end()) replay.nodes[place->second].name = name;
    }
    const auto number = [](double x) { return std::isnan(x) ? "" : detail::digits(x, single); };
    for (std::size_t y = 0; y < order.size(); ++y) {
      Replay::Node& shown = replay.nodes[y];
      if (shown.kind != Kind::op) continue;
      std::vector<std::string> inputs;
      for (const Var<T>& input : order[y]->inputs_) {
        const std::size_t x = places.at(input.node());
        const bool is_number = replay.nodes[x].kind == Kind::constant && input.dimension() == 0 &&
                               replay.nodes[x].name.empty();
        inputs.push_back(is_number ? detail::digits(double(input.item()), single)
                                   : replay.label(x));
        shown.inputs.push_back({x, {}, {}, {}});
      }
      const Op& op = order[y]->op_;
      const detail::Formula formula = detail::formula_of(op.name, inputs, number(op.numbers[0]),
                                                         number(op.numbers[1]), replay.label(y));
      shown.formula = formula.text;
      for (std::size_t i = 0; i < formula.derivatives.size(); ++i) {
        Input& input = shown.inputs[i];
        input.derivative = formula.derivatives[i];
        if (replay.nodes[input.node].value.shape != shown.value.shape) {
          input.stretched = shown.value.shape;
        }
      }
    }
  }

  // --- The reverse sweep

  struct Arrival {
    std::size_t input;
    Array<T> sent, contribution;  // the same, but where the input had been stretched
  };

  // Stands in for an input while a pullback runs, and takes what is meant for it.
  struct Use final : Node {
    Use(const Var<T>& x, std::size_t i, std::vector<Arrival>& list)
        : Node(x.node()->op_, {}, Array<T>()), input(x), place(i), arrivals(list) {
      this->borrows_ = true;
      this->tape_ = x.node()->tape_;
    }
    const Array<T>& borrowed() const override { return input.value(); }
    void receive(std::unique_ptr<typename Node::Cotangent> held) override {
      Array<T> sent = std::move(held->array), contribution = sent;
      if (sent.shape() != input.shape()) contribution = sum_to_shape(sent, input.shape());
      arrivals.push_back({place, std::move(sent), std::move(contribution)});
    }
    Var<T> input;
    std::size_t place;
    std::vector<Arrival>& arrivals;
  };

  // What y's pullback sends to its inputs, given ybar. y is as before when this returns or throws.
  std::vector<Arrival> pull(Node& y, Array<T> ybar) {
    std::vector<Arrival> arrivals;
    struct Lent {
      Node& y;
      InputVars<T> inputs;
      std::unique_ptr<typename Node::Cotangent> cotangent;
      void exchange() {
        std::swap(y.inputs_, inputs);
        std::swap(y.cotangent_, cotangent);
      }
      ~Lent() { exchange(); }
    } lent{y, y.inputs_,
           std::make_unique<typename Node::Cotangent>([&] { return std::move(ybar); })};
    for (std::size_t i = 0; i < lent.inputs.size(); ++i) {
      Var<T>& input = lent.inputs[i];
      if (input.needs_grad()) input = Var<T>(new Use(input, i, arrivals));
    }
    lent.exchange();
    const Unobserved unobserved;
    y.tape_->run_pullback(y);
    return arrivals;
  }

  void find_jacobians(std::size_t y, const Array<T>& ybar, const std::vector<Arrival>& given) {
    const std::size_t m = ybar.size();
    std::vector<Input>& inputs = replay.nodes[y].inputs;
    std::vector<Array<T>> xbar(inputs.size());
    bool any = false;
    for (const Arrival& arrival : given) {
      const std::size_t n = arrival.contribution.size();
      if (m > 16 || m * n > 64) continue;
      any = true;
      auto& J = inputs[arrival.input].jacobian;
      if (J.empty()) {
        J.assign(m, std::vector<double>(n));
        xbar[arrival.input] = arrival.contribution;
      } else {
        add_into(xbar[arrival.input], arrival.contribution);
      }
    }
    for (std::size_t i = 0; any && i < m; ++i) {
      Array<T> one = zeros<T>(ybar.shape());
      one.data()[i] = 1;
      for (const Arrival& arrival : pull(*order[y], std::move(one))) {
        auto& J = inputs[arrival.input].jacobian;
        for (std::size_t j = 0; !J.empty() && j < J[i].size(); ++j) {
          J[i][j] += double(arrival.contribution.data()[j]);
        }
      }
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      auto& J = inputs[i].jacobian;
      if (!J.empty() && !agrees(J, ybar, xbar[i])) J.clear();
    }
  }

  // From the node at `last` down to the first.
  void sweep(std::size_t last) {
    std::vector<std::optional<Array<T>>> bars(last + 1);
    bars[last] = full<T>(order[last]->value().shape(), T(1));
    for (std::size_t y = last + 1; y-- > 0;) {
      if (!bars[y]) continue;
      const Array<T> ybar = *std::exchange(bars[y], std::nullopt);
      replay.nodes[y].cotangent = figures(ybar);
      Step step{y, {}};
      if (replay.nodes[y].kind == Kind::op) {
        const std::vector<Arrival> arrivals = pull(*order[y], ybar);
        for (const Arrival& arrival : arrivals) {
          Input& input = replay.nodes[y].inputs[arrival.input];
          std::optional<Array<T>>& xbar = bars[input.node];
          Contribution c{arrival.input, input.node, figures(arrival.contribution), {}, {}, {}};
          if (arrival.sent.shape() != arrival.contribution.shape()) {
            c.stretched = figures(arrival.sent);
            input.stretched = arrival.sent.shape();
          }
          if (xbar) {
            c.before = figures(*xbar);
            add_into(*xbar, arrival.contribution);
          } else {
            xbar = arrival.contribution;
          }
          c.after = figures(*xbar);
          step.contributions.push_back(std::move(c));
        }
        find_jacobians(y, ybar, arrivals);
      }
      replay.steps.push_back(std::move(step));
    }
  }
};

template <class T> Replay::Replay(const Tape<T>& tape, const Converted<Names<T>>& names) {
  Recorder<T> recorder{*this};
  if (tape.size() > 0) {
    recorder.visit(tape.nodes_.back().node());
    result = recorder.order.size() - 1;
    recorder.visit_all(tape);
  }
  recorder.describe(names);
  if (result) recorder.sweep(*result);
}

template <class T> Replay::Replay(const Var<T>& var, const Converted<Names<T>>& names) {
  if (detail::tape_of("Replay", InputVars<T>{var}) == nullptr) {
    misuse("Replay: ", var.node()->op(), " of shape ", var.shape(),
           " needs no gradient, so nothing was recorded; compute it from a leaf of a tape that "
           "records");
  }
  Recorder<T> recorder{*this};
  recorder.visit(var.node());
  result = recorder.order.size() - 1;
  recorder.describe(names);
  recorder.sweep(*result);
}

std::string Replay::label(std::size_t node) const {
  return nodes[node].name.empty() ? "v" + std::to_string(node) : nodes[node].name;
}

template Replay::Replay(const Tape<float>&, const Names<float>&);
template Replay::Replay(const Tape<double>&, const Names<double>&);
template Replay::Replay(const Var<float>&, const Names<float>&);
template Replay::Replay(const Var<double>&, const Names<double>&);

}  // namespace tapesort
