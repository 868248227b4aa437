#include "engine/tape.hpp"

#include "engine/broadcast.hpp"

// The reverse loop, leaves, and the end of a tape. (node.cpp has the rest: checks, messages, and
// what a Var answers.)
namespace tapesort {

// The reverse loop, from the node at `last` down to the first.
template <class T> void Tape<T>::sweep(std::size_t last) {
  for (std::size_t i = last + 1; i-- > 0;) {
    Node<T>& node = *nodes_[i].node();
    if (!node.has_cotangent()) continue;           // the result does not depend on this value
    run_pullback(node);                            // xbar += J' ybar for each input x
    detail::tell(detail::Event::passed_on, node);  // observe.hpp
    if (!keep_cotangents_) node.cotangent_.reset();
  }
}

template <class T> void Tape<T>::backward(const Var<T>& result) {
  check(result);
  backward(result, full<T>(result.shape(), T(1)));  // dL/dL = 1
}

template <class T> void Tape<T>::backward(const Var<T>& result, Array<T> u) {
  check(result, u.shape());
  if (keep_cotangents_) drop_cotangents();  // which the call before has left
  try {
    result.node()->receive(std::move(u));
    detail::tell(detail::Event::begun, *result.node());
    sweep(result.node()->index());
  } catch (...) {
    drop_cotangents();
    throw;
  }
}

template <class T> void Node<T>::receive(Array<T> contribution) {
  if (contribution.shape() != value().shape()) {  // x was stretched
    contribution = sum_to_shape(contribution, value().shape());
  }
  if (cotangent_ == nullptr) {
    cotangent_ = std::make_unique<Cotangent>(std::move(contribution));
  } else {
    add_into(cotangent_->array, contribution);
  }
}

// A leaf passes nothing on, but keeps what it gets.
namespace {
template <class T> class Leaf final : public Node<T> {
 public:
  explicit Leaf(Array<T> value) : Node<T>("leaf", {}, std::move(value)) {}

 private:
  void pull() override {
    const Shape& shape = this->value().shape();
    if (gradient_.shape() != shape) gradient_ = zeros<T>(shape);  // nothing has arrived yet
    add_into(gradient_, this->cotangent());
  }
  const Array<T>* gradient() const override { return &gradient_; }
  void clear_gradient() override { gradient_ = Array<T>(); }

  Array<T> gradient_;  // until something arrives: the number 0, of shape ()
};
}  // namespace

template <class T> Var<T> Tape<T>::leaf(Array<T> value) {
  if (!recording()) return constant(std::move(value));
  return append(new Leaf<T>(std::move(value)));
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

// The last node first: its inputs are still held by the tape, so that deleting it does not delete
// them, and destructors do not run inside each other, however long the chain.
template <class T> Tape<T>::~Tape() {
  while (!nodes_.empty()) {
    Node<T>& node = *nodes_.back().node();
    if (node.references_ > 1) {  // a Var still holds it
      node.orphaned_ = true;
      node.tape_ = nullptr;
      node.cotangent_.reset();
      node.inputs_.clear();
    }
    nodes_.pop_back();
  }
}

// Templates that are declared in a header and defined in a .cpp exist for these two types.
template class Node<float>;
template class Node<double>;
template class Tape<float>;
template class Tape<double>;

}  // namespace tapesort
