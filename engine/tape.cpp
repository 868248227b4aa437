#include "engine/tape.hpp"

#include <cmath>

#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"

namespace tapesort {
namespace {

template <class T> void add_into(Array<T>& sum, const Array<T>& term) {
  T* s = sum.data();
  const T* t = term.data();
  const auto add = [s, t](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) s[i] += t[i];
  };
  constexpr std::size_t grain = 1 << 18;  // less is done sooner than shared out
  sum.size() < 2 * grain ? add(0, sum.size(), 0) : parallel_for(sum.size(), grain, add);
}

template <class T> bool all_finite(const Array<T>& x) {
  return std::all_of(x.data(), x.data() + x.size(), [](T v) { return std::isfinite(v); });
}

template <class T> std::string shapes_of(const Var<T>* inputs, std::size_t count) {
  std::string text = count == 1 ? "input " : "inputs ";
  for (std::size_t i = 0; i < count; ++i) text += (i ? ", " : "") + to_text(inputs[i].shape());
  return count == 0 ? "no inputs" : text;
}

// A constant, or a leaf made from an Array: nothing to pass on.
template <class T> class PlainNode final : public Node<T> {
 public:
  using typename Node<T>::Kind;
  PlainNode(const char* op, Kind kind, Array<T> value) : Node<T>(op, kind, std::move(value)) {}
};

// A Parameter's value. On a tape, passing its cotangent on means adding it to the parameter's grad.
template <class T> class ParameterNode final : public Node<T> {
 public:
  using typename Node<T>::Kind;
  ParameterNode(Kind kind, std::shared_ptr<Loan<T>> loan)
      : Node<T>("parameter", kind, Array<T>()), loan_(std::move(loan)), changes_(loan_->changes) {
    this->borrows_ = true;
  }

 private:
  const Array<T>& borrowed() const override { return parameter().value; }
  void pull() override {
    Parameter<T>& p = parameter();
    require_same_shape("backward", "a parameter's value", p.value.shape(), "its grad",
                       p.grad.shape());
    add_into(p.grad, this->cotangent());
  }
  Parameter<T>& parameter() const {
    if (loan_->owner == nullptr) {
      throw std::logic_error(to_message("parameter ", loan_->name,
                                        " is gone; it must outlive the tapes and Vars that borrow "
                                        "its value"));
    }
    if (this->tape() != nullptr && loan_->changes != changes_) {
      throw std::logic_error(to_message("parameter ", loan_->owner->name,
                                        " has changed since this tape borrowed its value; use a "
                                        "new tape for each step"));
    }
    return *loan_->owner;
  }

  std::shared_ptr<Loan<T>> loan_;
  std::size_t changes_;  // when the loan began
};

}  // namespace

// --- Node

template <class T> void Node<T>::receive(Array<T> contribution) {
  if (contribution.shape() != value().shape()) {
    contribution = sum_to_shape(contribution, value().shape());
  }
  if (cotangent_) {
    add_into(cotangent_->array, contribution);
  } else {
    cotangent_.reset(new Cotangent{std::move(contribution)});
  }
}

template <class T> Array<T> Node<T>::take_cotangent() {
  if (cotangent_ == nullptr) no_cotangent();
  if (tape_->keep_cotangents_) return cotangent_->array;
  return std::move(std::unique_ptr<Cotangent>(std::move(cotangent_))->array);
}

template <class T> void Node<T>::no_input(std::size_t i) const {
  throw std::logic_error(to_message("input: ", op_, " of shape ", value().shape(), " has ",
                                    input_count_, " recorded inputs; there is no input ", i));
}

template <class T> void Node<T>::no_cotangent() const {
  throw std::logic_error(to_message("cotangent: ", op_, " of shape ", value().shape(),
                                    " has none; none has arrived, or it has been passed on, as by "
                                    "take_cotangent()"));
}

// --- Var

template <class T> const Node<T>& Var<T>::checked() const {
  if (node_ == nullptr) {
    throw std::logic_error(
        "Var: this Var is empty; assign an operator's result or a leaf to it first");
  }
  return *node_;
}

template <class T> Array<T> Var<T>::value() && {
  const Var last = std::move(*this);
  const Array<T>& value = last.checked().value();
  if (last.node_->references_ == 1 && !last.node_->borrows_) return std::move(last.node_->value_);
  return value;
}

template <class T> T Var<T>::item() const {
  require(size() == 1, "item: need one element, shape is ", shape());
  return *value().data();
}

template <class T> Array<T> Var<T>::grad() const {
  const Node<T>& node = checked();
  if (node.kind() == Node<T>::Kind::orphan) {
    throw std::logic_error(to_message("grad: the tape of this ", node.op(), " of shape ",
                                      node.value().shape(),
                                      " is gone; read gradients before the tape ends"));
  }
  if (node.kind() != Node<T>::Kind::leaf) {
    throw std::logic_error(to_message(
        "grad: only leaves made from an Array hold a gradient, this is ", node.op(), " of shape ",
        node.value().shape(), "; read Parameter::grad, or make the value a leaf"));
  }
  return node.has_cotangent() ? node.cotangent() : zeros<T>(node.value().shape());
}

template <class T> Var<T> constant(Array<T> value) {
  if (Profile* profile = Profile::active()) profile->other("between operators");
  return unrecorded<T>("constant", std::move(value));
}

template <class T> Var<T> unrecorded(const char* op, Array<T> value) {
  return Var<T>(new PlainNode<T>(op, Node<T>::Kind::constant, std::move(value)));
}

// --- Tape

// From the end, so that a node's inputs are still held by the tape when the node lets go of them:
// however long the chain, no destructor runs inside another.
template <class T> Tape<T>::~Tape() {
  while (!nodes_.empty()) {
    Node<T>* node = nodes_.back().node();
    if (node->references_ > 1) {  // somebody outside still holds it
      node->kind_ = Node<T>::Kind::orphan;
      node->tape_ = nullptr;
      node->cotangent_.reset();
      node->drop_inputs();
    }
    nodes_.pop_back();
  }
}

template <class T> Var<T> Tape<T>::append(Node<T>* node) {
  if (Profile* profile = Profile::active()) profile->other("between operators");
  Var<T> var(node);
  node->tape_ = this;
  node->index_ = nodes_.size();
  nodes_.push_back(var);
  return var;
}

template <class T> Var<T> Tape<T>::leaf(Parameter<T>& parameter) {
  using Kind = typename Node<T>::Kind;
  auto* node = new ParameterNode<T>(recording() ? Kind::op : Kind::constant, parameter.loan_);
  return recording() ? append(node) : Var<T>(node);
}

template <class T> Var<T> Tape<T>::leaf(Array<T> value) {
  if (!recording()) return constant(std::move(value));
  return append(new PlainNode<T>("leaf", Node<T>::Kind::leaf, std::move(value)));
}

template <class T> void Tape<T>::drop_cotangents() {
  for (const Var<T>& var : nodes_) {
    if (var.node()->kind_ != Node<T>::Kind::leaf) var.node()->cotangent_.reset();
  }
}

template <class T> void Tape<T>::backward(const Var<T>& result) {
  require(result.size() == 1, "backward: the result of ", result.checked().op(), " has shape ",
          result.shape(),
          "; pass a cotangent of that shape, or reduce it to one number, as by sum or mean");
  backward(result, full<T>(result.shape(), T(1)));
}

template <class T> void Tape<T>::backward(const Var<T>& result, Array<T> cotangent) {
  const char* op = result.checked().op();
  require_same_shape("backward", "the result", result.shape(), "its cotangent", cotangent.shape());
  if (common_tape("backward", &result, 1) != this) {
    throw std::logic_error(to_message(
        "backward: ", op, " of shape ", result.shape(),
        result.needs_grad() ? " is on another tape; call backward on the tape that made its leaves"
        : recording()       ? " needs no gradient; compute it from a leaf of this tape"
                            : " was not recorded; use a tape with Recording::on"));
  }
  if (keep_cotangents_) drop_cotangents();  // those of the call before
  if (NonFiniteTrap::armed()) trap_value("the cotangent given to backward", cotangent, &result, 1);

  result.node()->receive(std::move(cotangent));
  if (Profile* profile = Profile::active()) profile->other("between operators");
  try {
    for (std::size_t i = result.node()->index() + 1; i-- > 0;) {
      Node<T>& node = *nodes_[i].node();
      if (!node.has_cotangent() || node.kind_ == Node<T>::Kind::leaf) continue;
      node.pull();
      if (Profile* profile = Profile::active()) profile->backward(node.op());
      if (NonFiniteTrap::armed()) {
        for (std::size_t k = 0; k < node.input_count(); ++k) {
          const Node<T>& input = *node.input(k).node();
          if (input.has_cotangent() && !all_finite(input.cotangent())) {
            throw NonFiniteError(to_message("the pullback of ", node.op(), " (node ", i, ", ",
                                            shapes_of(node.inputs_, node.input_count()),
                                            ") gave its input ", k,
                                            " a cotangent with a NaN or an infinity"));
          }
        }
      }
      if (!keep_cotangents_) node.cotangent_.reset();
    }
  } catch (...) {
    drop_cotangents();
    throw;
  }
}

// --- Behind record()

template <class T> Tape<T>* common_tape(const char* op, const Var<T>* inputs, std::size_t count) {
  Tape<T>* tape = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    const Node<T>* node = inputs[i].node();
    if (node == nullptr) {
      throw std::logic_error(
          to_message(op, ": input ", i, " is an empty Var; assign a value first"));
    }
    if (node->kind() == Node<T>::Kind::orphan) {
      throw std::logic_error(to_message(
          op, ": the tape of input ", i, ", ", node->op(), " of shape ", node->value().shape(),
          ", is gone; keep the tape, or pass constant(v.value()) on to the next one"));
    }
    if (node->tape() == nullptr) continue;
    if (tape != nullptr && tape != node->tape()) {
      throw std::logic_error(to_message(
          op, ": the inputs (", shapes_of(inputs, count),
          ") are on two tapes; make all leaves on one, or pass constant(v.value()) between them"));
    }
    tape = node->tape();
  }
  return tape;
}

template <class T>
void trap_value(const char* op, const Array<T>& value, const Var<T>* inputs, std::size_t count) {
  if (all_finite(value)) return;
  throw NonFiniteError(to_message("the value of ", op, " (", shapes_of(inputs, count),
                                  ") holds a NaN or an infinity"));
}

#define INSTANTIATE(T)                                                    \
  template class Node<T>;                                                 \
  template class Var<T>;                                                  \
  template class Tape<T>;                                                 \
  template Var<T> constant(Array<T>);                                     \
  template Var<T> unrecorded(const char*, Array<T>);                      \
  template Tape<T>* common_tape(const char*, const Var<T>*, std::size_t); \
  template void trap_value(const char*, const Array<T>&, const Var<T>*, std::size_t);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
