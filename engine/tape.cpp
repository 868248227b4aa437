// What reverse_loop.hpp leaves out: what a Var answers, how nodes end, and what is said to misuse.
#include <typeinfo>

#include "engine/check.hpp"
#include "engine/dual.hpp"
#include "engine/observe.hpp"
#include "engine/reverse_loop.hpp"

namespace tapesort {

template <class T> const Var<T>& Node<T>::no_input(std::size_t i) const {
  misuse("input: ", op(), " of shape ", value().shape(), " has ", inputs_.size(),
         " recorded inputs; there is no input ", i);
}

template <class T> const Array<T>& Node<T>::no_cotangent() const {
  misuse("cotangent: ", op(), " of shape ", value().shape(),
         " has none; none has arrived, or it has been passed on, as by take_cotangent()");
}

template <class T> const Node<T>& Var<T>::checked() const {
  if (node_ != nullptr) return *node_;
  misuse("Var: this Var is empty; assign an operator's result or a leaf to it first");
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
  if (node.orphaned()) {
    misuse("grad: the tape of this ", node.op(), " of shape ", node.value().shape(),
           " is gone; read gradients before the tape ends");
  }
  const Array<T>* gradient = node.gradient();
  if (gradient == nullptr) {
    misuse("grad: only leaves made from an Array hold a gradient, this is ", node.op(),
           " of shape ", node.value().shape(),
           "; read Parameter::grad, or make the value a leaf of a tape with Recording::on");
  }
  return gradient->shape() == node.value().shape() ? *gradient : zeros<T>(node.value().shape());
}

// --- Life and death

namespace {
// Keeps only its value.
template <class T> struct Constant final : Node<T> {
  Constant(const char* op, Array<T> value) : Node<T>(op, {}, std::move(value)) {}
};

template <class T> Var<T> constant_of(const char* op, Array<T> value, detail::Event event) {
  Var<T> var(new Constant<T>(op, std::move(value)));
  detail::tell(event, *var.node());
  return var;
}
}  // namespace

template <class T> Var<T> constant(Array<T> value) {
  return constant_of("constant", std::move(value), detail::Event::made);
}

template <class T> Var<T> detail::unrecorded(const char* op, Array<T> value) {
  return constant_of(op, std::move(value), Event::computed);
}

template <class T> Var<T> Tape<T>::append(Node<T>* node) {
  Var<T> var(node);
  const auto event = node->inputs_.empty() ? detail::Event::made : detail::Event::computed;
  detail::tell(event, *node);  // who watches may throw; then the tape is as before
  node->tape_ = this;
  node->index_ = nodes_.size();
  nodes_.push_back(var);
  return var;
}

template <class T> Array<T> Node<T>::take_cotangent() {
  if (cotangent_ == nullptr) no_cotangent();
  return std::move(std::exchange(cotangent_, nullptr)->array);
}

template <class T> void Node<T>::pass_on(const Var<T>& input) {
  if (cotangent_ == nullptr) no_cotangent();
  if (input.needs_grad()) input.node()->receive(std::move(cotangent_));
}

template <class T> void Tape<T>::zero_grad() {
  for (const Var<T>& var : nodes_) var.node()->clear_gradient();
}

// --- What record() and backward() check

namespace detail {

template <class T> std::string shapes_of(const InputVars<T>& inputs) {
  std::string text = inputs.size() == 1 ? "input " : "inputs ";
  for (std::size_t i = 0; i < inputs.size(); ++i)
    text += (i ? ", " : "") + to_text(inputs[i].shape());
  return text;
}

template <class T> std::string shapes_of(const Node<T>& node) {
  return node.inputs().empty() ? "of shape " + to_text(node.value().shape())
                               : shapes_of(node.inputs());
}

template <class T> Tape<T>* tape_of(const char* op, const InputVars<T>& inputs) {
  Tape<T>* tape = nullptr;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Node<T>* node = inputs[i].node();
    if (node == nullptr) misuse(op, ": input ", i, " is an empty Var; assign a value first");
    if (node->orphaned()) {
      misuse(op, ": the tape of input ", i, ", ", node->op(), " of shape ", node->value().shape(),
             ", is gone; keep the tape, or pass constant(v.value()) on to the next one");
    }
    if (node->tape() == nullptr) continue;
    if (tape != nullptr && tape != node->tape()) {
      misuse(
          op, ": the inputs (", shapes_of(inputs),
          ") are on two tapes; make all leaves on one, or pass constant(v.value()) between them");
    }
    tape = node->tape();
  }
  return tape;
}

template <class T> void tell(Event event, const Node<T>& node) {
  if constexpr (std::is_floating_point_v<T>) Observer::tell(event, node);
}

}  // namespace detail

template <class T> void Tape<T>::check(const Var<T>& result, const Shape& cotangent) const {
  const char* op = result.checked().op();
  require_same_shape("backward", "the result", result.shape(), "its cotangent", cotangent);
  if (detail::tape_of("backward", InputVars<T>{result}) == this) return;
  misuse("backward: ", op, " of shape ", result.shape(),
         result.needs_grad() ? " is on another tape; call backward on the tape that made its leaves"
         : recording()       ? " needs no gradient; compute it from a leaf of this tape"
                             : " was not recorded; use a tape with Recording::on");
}

template <class T> void Tape<T>::run_pullback(Node<T>& node) {
  const std::size_t recorded = nodes_.size();
  const auto text = [&](const std::exception& error) {
    return to_message("pullback of ", node.op(), " (node ", node.index_, "): ", error.what());
  };
  try {
    node.pull();
    if (nodes_.size() > recorded) {
      misuse("it has recorded ", nodes_.back().node()->op(),
             ", by computing with a Var that needs a gradient; compute with its value()");
    }
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(text(error));
  } catch (const std::logic_error& error) {
    throw std::logic_error(text(error));
  } catch (const std::runtime_error& error) {
    if (typeid(error) != typeid(std::runtime_error)) throw;  // a user's own type stays as it is
    throw std::runtime_error(text(error));
  }
  detail::tell(detail::Event::passed_on, node);
}

template <class T> void Tape<T>::check(const Var<T>& result) const {
  require(result.size() == 1, "backward: the result of ", result.checked().op(), " has shape ",
          result.shape(),
          "; pass a cotangent of that shape, or reduce it to one number, as by sum or mean");
}

// Templates that are declared in a header and defined in a .cpp exist for these types. A Dual is a
// number with its derivative, for second derivatives (dual.hpp).
#define INSTANTIATE_FOR(T)                                             \
  template class Node<T>;                                              \
  template class Var<T>;                                               \
  template class Tape<T>;                                              \
  template Var<T> constant(Array<T>);                                  \
  template Var<T> detail::unrecorded(const char*, Array<T>);           \
  template std::string detail::shapes_of(const Node<T>&);              \
  template Tape<T>* detail::tape_of(const char*, const InputVars<T>&); \
  template void detail::tell(Event, const Node<T>&);
INSTANTIATE_FOR(float)
INSTANTIATE_FOR(double)
INSTANTIATE_FOR(Dual<double>)
#undef INSTANTIATE_FOR

}  // namespace tapesort
