// Reverse mode: derivatives from the last step of a program to its first, on a tape, the list of its
// steps. Read this page first, then the file's end, "who write operators".
//
// A program computes a number L from arrays, step by step: y = f(x), z = g(y), .. How does L change
// when x changes a little? Write xbar for dL/dx, an array of x's shape; it is called the cotangent
// of x. Read x and y as vectors, and let J be f's Jacobian, the matrix J_ij = dy_i/dx_j, and J^T its
// transpose. By the chain rule xbar_j = sum_i ybar_i dy_i/dx_j, which is
//
//     xbar = J^T ybar        (when x is used once; otherwise such terms of all its uses add up)
//
// so cotangents are found from the last step to the first, starting at Lbar = dL/dL = 1. The
// function ybar -> J^T ybar is the pullback of f, also called its vjp (vector-Jacobian product: as a
// row, ybar^T J). It is written as a formula; J is never formed. For y = exp(x), element by element, J
// is diagonal, and the pullback is xbar = ybar * y, element by element, too.
//
// A Var is a handle to a value. A computation with Vars writes down what it does: each operator
// appends one Node to a Tape, with the operator's value and pullback.
//
//     Tape<double> tape;
//     Var<double> x = tape.leaf({1.0, 2.0});    node 0, a leaf: an array whose cotangent is wanted
//     Var<double> L = sum(x * x);               node 1: mul(node 0, node 0); node 2: sum(node 1)
//     tape.backward(L);                         visits node 2, then 1, then 0
//     x.grad();                                 {2.0, 4.0}
//
// This is how an operator is written. record() makes the node; accumulate() adds to an input's
// cotangent. (Arrays are those of the library xtensor, xt::. There a * b is an expression, element by
// element, and is computed when it becomes an Array or is accumulated.)
//
//     Var<double> exp(const Var<double>& x) {
//       Array<double> value = xt::exp(x.value());
//       return record("exp", {x}, value, [](Node<double>& y) {    // y: the result's node
//         accumulate(y.input(0), y.cotangent() * y.value());    // xbar += ybar * y
//       });
//     }
//
// Why no topological sort? A node's pullback may run when its cotangent is complete: after the
// pullbacks of all nodes that use it. A graph of nodes has to be sorted for that (topologically). A tape
// is in that order already: an operator can use only values that exist, so a node stands before all that
// use it, and backward(), which walks from the end, meets its users first. A value that is used twice, as
// x in x * exp(x), has then received both contributions, and their sum is its cotangent. A leaf keeps
// what it gets, added up over all calls of backward(): its gradient.
//
// What is recorded? Leaves, and operators with an input that depends on a leaf ("needs a gradient").
// Everything else is a constant: it is on no tape, and is freed with the last Var that holds it. On a
// tape made by Tape<double> tape(Recording::off), leaves are constants, too, and backward() is an error.
//
// What is freed when?
//   a cotangent                    as soon as its node has passed it on
//   values, inputs, pullbacks      when the tape ends (backward() may be called again until then), and
//                                  what pullbacks captured with them
//   a node that a Var holds then   with the last such Var. Its value can be read until then. To compute
//                                  with it once its tape has ended is an error
//
// Is a pullback right? Take a small h, a random v of x's shape and a random u of y's. Then
//
//     sum(u * (f(x + h v) - f(x - h v)) / 2h)   and   sum(v * J^T u),   J^T u from the pullback,
//
// are nearly equal: u^T (J v) and v^T (J^T u) are one number. gradcheck compares such numbers, and its
// report says whether they agree (gradcheck/vars.hpp; how: gradcheck/gradcheck.hpp):
//
//     Array<double> point{-1.0, 0.5};
//     gradcheck([](const Var<double>& x) { return exp(x); }, {point}).ok()
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/array.hpp"

namespace tapesort {

template <class T> class Tape;
template <class T> class Var;
template <class T> class Parameter;  // what training changes (parameter.hpp)
template <class T> using InputVars = std::vector<Var<T>, RecyclingAllocator<Var<T>>>;

// An operator's name, and the numbers among its operands, for those who show a tape (replay/): x - 2 is
// {"sub", NAN, 2}, 2 - x is {"sub", 2}, and clip(x, 0, 1) is {"clip", 0, 1}.
struct Op {
  Op(const char* text, double a = NAN, double b = NAN) : name(text), numbers{a, b} {}
  const char* name;
  double numbers[2];
};

// One value, and how it came about. (Recycled, RecyclingAllocator: memory is used again, memory.hpp.)
template <class T> class Node : public Recycled {
 public:
  virtual ~Node() = default;
  const char* op() const { return op_.name; }
  virtual std::string name() const { return {}; }                           // a Parameter's
  const Array<T>& value() const { return borrows_ ? borrowed() : value_; }  // or a Parameter's

  bool orphaned() const { return orphaned_; }   // was recorded, but its tape is gone
  Tape<T>* tape() const { return tape_; }       // null: a constant or orphan
  std::size_t index() const { return index_; }  // position on the tape

  const InputVars<T>& inputs() const { return inputs_; }
  // std::logic_error unless i < inputs().size().
  const Var<T>& input(std::size_t i) const { return i < inputs_.size() ? inputs_[i] : no_input(i); }

  // dL / d value, in value's shape. Absent (std::logic_error) until a contribution arrives, and
  // again after it has been passed on.
  bool has_cotangent() const { return cotangent_ != nullptr; }
  const Array<T>& cotangent() const { return cotangent_ ? cotangent_->array : no_cotangent(); }
  // Moves the cotangent out, for a pullback that would otherwise copy it, as the last that it does:
  // cotangent() throws then.
  Array<T> take_cotangent();
  // accumulate(input, take_cotangent()), but no array is moved: that takes as long as a small operator.
  void pass_on(const Var<T>& input);
  // Adds the contribution of one use; undoes broadcasting, where a small array was used as a larger
  // one (broadcast.hpp).
  struct Cotangent : Recycled {
    template <class Make> explicit Cotangent(const Make& make) : array(make()) {}
    Array<T> array;
  };
  virtual void receive(std::unique_ptr<Cotangent> contribution);

 protected:
  Node(Op op, InputVars<T>&& inputs, Array<T>&& value)
      : op_(op), inputs_(std::move(inputs)), value_(std::move(value)) {}

  // Kinds of node differ in this: operators pull, leaves have gradients, a Parameter's leaf borrows its value.
  virtual void pull() {}    // an operator's pullback: xbar += J^T ybar for each input x
  virtual void forget() {}  // what an operator's pullback has captured, as the tape ends
  virtual const Array<T>* gradient() const { return nullptr; }
  virtual void clear_gradient() {}
  virtual const Array<T>& borrowed() const { return value_; }
  bool borrows_ = false;

 private:
  friend class Tape<T>;
  friend class Var<T>;
  friend class Replay;
  [[noreturn]] const Var<T>& no_input(std::size_t i) const;
  [[noreturn]] const Array<T>& no_cotangent() const;

  Op op_;
  InputVars<T> inputs_;
  Array<T> value_;
  std::unique_ptr<Cotangent> cotangent_;
  Tape<T>* tape_ = nullptr;
  std::size_t index_ = 0;
  std::size_t references_ = 0;  // how many Vars point here; not atomic: one thread for each tape
  bool orphaned_ = false;
};

// A handle to a Node, one pointer wide. Copies share the node.
template <class T> class Var {
 public:
  Var() = default;  // empty: holds no value
  explicit Var(Node<T>* node) : node_(node) {
    if (node_) ++node_->references_;
  }
  Var(const Var& other) : Var(other.node_) {}
  Var(Var&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Var& operator=(Var other) noexcept { return std::swap(node_, other.node_), *this; }
  ~Var() {
    if (node_ && --node_->references_ == 0) delete node_;
  }

  // A reference, valid as long as the node. On a temporary Var (&&), as in f(x).value(), an Array by
  // value, because the node may end with the Var.
  const Array<T>& value() const& { return checked().value(); }
  Array<T> value() &&;
  const Shape& shape() const& { return value().shape(); }
  Shape shape() && { return static_cast<const Var&>(*this).shape(); }
  std::size_t dimension() const { return value().dimension(); }
  std::size_t size() const { return value().size(); }

  // The number in a one-element value; std::invalid_argument otherwise.
  T item() const;

  // Whether it is on a tape, so that a gradient may reach it.
  bool needs_grad() const { return node_ && node_->tape_ != nullptr; }

  // A leaf's gradient, zeros before backward(), while its tape lives; std::logic_error for other nodes,
  // and for a Parameter's leaf, whose gradient is in Parameter::grad.
  Array<T> grad() const;

  Node<T>* node() const { return node_; }

 private:
  friend class Tape<T>;
  const Node<T>& checked() const;
  Node<T>* node_ = nullptr;
};

// A value on no tape.
template <class T> Var<T> constant(Array<T> value);

namespace detail {
// For profilers (observe.hpp); skip it. Tells whoever watches this thread's tapes: a leaf or a constant
// has been made, an operator has its value, backward() begins at a node, a node has passed on.
enum class Event { made, computed, begun, passed_on };
template <class T> void tell(Event event, const Node<T>& node);
}  // namespace detail

enum class Recording { on, off };

// Owns the nodes, in recording order. One tape per training step, freed by scope.
template <class T> class Tape {
 public:
  explicit Tape(Recording recording = Recording::on) : recording_(recording) {}
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A leaf that owns its value and its gradient; backward() adds to what Var::grad() returns.
  Var<T> leaf(Array<T> value);
  // A leaf that borrows the parameter's value (parameter.hpp); backward() adds to parameter.grad.
  Var<T> leaf(Parameter<T>& parameter);
  Var<T> constant(Array<T> value) { return tapesort::constant<T>(std::move(value)); }  // on no tape
  // Arrays of another type lose digits: write convert<T>(array).
  template <class U> Var<T> leaf(const Array<U>&) = delete;
  template <class U> Var<T> constant(const Array<U>&) = delete;

  // Adds d result / d leaf to the gradient of every leaf that `result`, of one element, depends on. A
  // result of any shape takes u, of that shape, to start from: J^T u is added, the gradient of
  // sum(u * result). When a pullback throws, gradients may be incomplete.
  // std::logic_error when result is not of this tape or needs no gradient, or when a parameter that
  // it depends on is gone or has changed; std::invalid_argument on shapes.
  void backward(const Var<T>& result);
  void backward(const Var<T>& result, Array<T> u);
  // Sets the gradients of its leaves to zero; Parameters have their own zero_grad().
  void zero_grad();

  bool recording() const { return recording_ == Recording::on; }
  std::size_t size() const { return nodes_.size(); }
  const Node<T>& node(std::size_t index) const { return *nodes_.at(index).node(); }

  // Puts a node on the tape; record() is the way to do it.
  Var<T> append(Node<T>* node);

 private:
  friend class Node<T>;
  friend class Replay;
  void check(const Var<T>& result) const;  // one element
  void check(const Var<T>& result, const Shape& cotangent) const;
  void sweep(std::size_t last);
  void run_pullback(Node<T>& node);  // node.pull(), with its name in errors (tape.cpp)

  Recording recording_;
  std::vector<Var<T>> nodes_;
};

namespace detail {
template <class T, class Pullback> struct OpNode final : Node<T> {
  OpNode(Op op, InputVars<T>&& inputs, Array<T>&& value, Pullback&& pullback)
      : Node<T>(op, std::move(inputs), std::move(value)), pullback_(std::move(pullback)) {}
  void pull() override { (*pullback_)(*this); }
  void forget() override { pullback_.reset(); }
  std::optional<Pullback> pullback_;
};

// A node that keeps only its value.
template <class T> Var<T> unrecorded(const char* op, Array<T> value);
// The one tape of those inputs that need a gradient, null when none does.
template <class T> Tape<T>* tape_of(const char* op, const InputVars<T>& inputs);
}  // namespace detail

// --- For those who write operators

// The result y of operator `op` (a string literal, or an Op): recorded when an input depends on a leaf,
// else a constant. `value` has to be an Array; wrap an expression: Array<T>(a * b).
// Each backward() calls the pullback once, with y's node, if a cotangent has reached y. The pullback
//   must      call accumulate for each input. It adds, as the input may be used elsewhere, too, and does
//             nothing for an input that needs no gradient, as it depends on no leaf;
//   may       read values of y and its inputs, and y's cotangent;
//   must not  compute with Vars (with their values instead), change values or what it has captured,
//             or capture references, which would dangle.
// std::logic_error when an input is empty, its tape is gone, or inputs are on two tapes.
template <class T, class Pullback>
Var<T> record(Op op, Converted<InputVars<T>> inputs, Array<T> value, Pullback pullback) {
  static_assert(std::is_invocable_v<Pullback&, Node<T>&>, "a pullback is a [](Node<T>& y) { .. }");
  Tape<T>* tape = detail::tape_of(op.name, inputs);
  if (tape == nullptr) return detail::unrecorded(op.name, std::move(value));
  return tape->append(new detail::OpNode<T, Pullback>(op, std::move(inputs), std::move(value),
                                                      std::move(pullback)));
}

// accumulate_made(x, [&] { return the_array; }): for an Array that should only be made if x needs it.
template <class T, class Make> void accumulate_made(const Var<T>& input, const Make& make) {
  if (input.needs_grad())
    input.node()->receive(std::make_unique<typename Node<T>::Cotangent>(make));
}
// Adds `contribution`, an Array or an xtensor expression, to the input's cotangent. Its shape is the
// input's, or the one that the input was broadcast to; then it is summed back (broadcast.hpp). An
// expression is computed only if the input needs a gradient.
template <class T, class Contribution>
void accumulate(const Var<T>& input, Contribution&& contribution) {
  accumulate_made(input, [&]() -> Array<T> { return std::forward<Contribution>(contribution); });
}

}  // namespace tapesort
