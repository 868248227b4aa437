// The reverse loop, leaves, and the end of a tape. (The rest is in tape.cpp.)
#pragma once

#include "engine/broadcast.hpp"
#include "engine/tape.hpp"

namespace tapesort {

// The reverse loop, from the node at `last` down to the first.
template <class T> void Tape<T>::sweep(std::size_t last) {
  for (std::size_t i = last + 1; i-- > 0;) {
    Node<T>& node = *nodes_[i].node();
    if (!node.has_cotangent()) continue;  // no gradient reaches this value
    run_pullback(node);       // as given to record(): xbar += J^T ybar; a leaf adds to its gradient
    node.cotangent_.reset();  // freed
  }
}

// One use's contribution to a cotangent.
template <class T> void Node<T>::receive(std::unique_ptr<Cotangent> contribution) {
  Array<T>& array = contribution->array;
  if (array.shape() != value().shape()) {  // this value was stretched when it was used
    array = sum_to_shape(array, value().shape());
  }
  if (cotangent_ == nullptr) {
    cotangent_ = std::move(contribution);
  } else {
    add_into(cotangent_->array, array);
  }
}

template <class T> void Tape<T>::backward(const Var<T>& result) {
  check(result);
  backward(result, full<T>(result.shape(), T(1)));  // dL/dL = 1
}

template <class T> void Tape<T>::backward(const Var<T>& result, Array<T> u) {
  check(result, u.shape());  // u: the cotangent to start from
  try {
    accumulate(result, std::move(u));
    detail::tell(detail::Event::begun, *result.node());
    sweep(result.node()->index());
  } catch (...) {  // from a pullback
    for (const Var<T>& var : nodes_) var.node()->cotangent_.reset();
    throw;
  }
}

// A leaf passes nothing on, but keeps what it gets.
namespace {
template <class T> struct Leaf final : Node<T> {
  explicit Leaf(Array<T> value) : Node<T>("leaf", {}, std::move(value)) {}
  Array<T> gradient_;  // 0, of shape (), until something arrives (a scalar adds to that 0)

  void pull() override {
    if (gradient_.shape() == this->value().shape()) {
      add_into(gradient_, this->cotangent());
    } else {
      gradient_ = this->take_cotangent();
    }
  }
  const Array<T>* gradient() const override { return &gradient_; }
  void clear_gradient() override { gradient_ = Array<T>(); }
};
}  // namespace

template <class T> Var<T> Tape<T>::leaf(Array<T> value) {
  if (!recording()) return constant(std::move(value));
  return append(new Leaf<T>(std::move(value)));
}

// The last node first. In any other order a node would live on as an input of later ones and end inside
// the destructor of the last of these, with its own inputs inside its own: destructors as deep in each
// other as the tape is long. A Var's node is left as an orphan.
template <class T> Tape<T>::~Tape() {
  while (!nodes_.empty()) {
    Node<T>& node = *nodes_.back().node();
    if (node.references_ > 1) {  // not the tape's alone; later nodes, whose input it was, are gone
      node.orphaned_ = true;
      node.tape_ = nullptr;
      node.cotangent_.reset();
      node.inputs_.clear();
      node.forget();
    }
    nodes_.pop_back();
  }
}

}  // namespace tapesort
