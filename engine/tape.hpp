// Reverse mode on a linear tape. Read this file first, from top to bottom.
//
// Running a program with Vars records what it did: every operator appends one Node to the tape,
// with its value and a pullback, the function that turns the gradient of the final result with
// respect to the node's value (its cotangent) into gradients with respect to the node's inputs.
//
//     Tape<double> tape;
//     Var<double> x = tape.leaf(Array<double>{1.0, 2.0});   node 0
//     Var<double> y = sum(x * x);                           node 1: mul(0, 0), node 2: sum(1)
//     tape.backward(y);                                     node 2, then node 1; stops at the leaf
//     x.grad();                                             {2.0, 4.0}
//
// A node can only use values that exist already, so its inputs stand before it on the tape. When
// backward() walks the tape from the end, every use of a value has therefore been visited before
// the value itself: recording order is a topological order, and no search and no recursion is
// needed. A value used twice simply receives two contributions before its turn comes.
//
// An operator is recorded exactly when one of its inputs needs a gradient. Everything else is a
// constant, an unrecorded value that lives as long as somebody holds it; evaluating without
// gradients is running on a tape that hands out constants (Recording::off).
//
// Vars count their references without locks: a tape and its Vars belong to one thread.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/array.hpp"
#include "engine/profile.hpp"
#include "engine/storage.hpp"

namespace tapesort {

template <class T> class Tape;
template <class T> class Var;
template <class T> class Parameter;

// One value of a program. On a tape: also how it came about and how to go back.
template <class T> class Node {
 public:
  enum class Kind : unsigned char {
    constant,  // on no tape: no gradient flows here
    leaf,      // made from an Array: its gradient stays here
    op,        // an operator's result, or a Parameter's value: gradients are passed on
    orphan     // was recorded, but its tape is gone
  };

  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const char* op() const { return op_; }
  Kind kind() const { return kind_; }
  std::size_t index() const { return index_; }  // position on the tape
  Tape<T>* tape() const { return tape_; }       // null unless kind is leaf or op

  const Array<T>& value() const { return borrows_ ? borrowed() : value_; }

  std::size_t input_count() const { return input_count_; }
  // std::logic_error unless i < input_count().
  const Var<T>& input(std::size_t i) const {
    if (i >= input_count_) no_input(i);
    return inputs_[i];
  }

  // d result / d value, in value's shape. Absent until a contribution arrives, and freed as soon
  // as the pullback has passed it on; std::logic_error when absent.
  bool has_cotangent() const { return cotangent_ != nullptr; }
  const Array<T>& cotangent() const {
    if (cotangent_ == nullptr) no_cotangent();
    return cotangent_->array;
  }

  // The cotangent itself, for a pullback whose last act is to hand it on unchanged: afterwards it
  // is absent.
  Array<T> take_cotangent();

  // Adds one use's contribution; sums over the axes along which value was broadcast.
  void receive(Array<T> contribution);

  static void* operator new(std::size_t bytes) { return Storage::take(bytes); }
  static void operator delete(void* memory, std::size_t bytes) { Storage::give(memory, bytes); }

 protected:
  Node(const char* op, Kind kind, Array<T> value)
      : op_(op), kind_(kind), value_(std::move(value)) {}

  // Passes the cotangent on to the inputs.
  virtual void pull() {}
  // Lets go of the inputs, and of all that only the pullback needs.
  virtual void drop_inputs() {}
  // The value when it stands elsewhere (borrows_), as a Parameter's does.
  virtual const Array<T>& borrowed() const { return value_; }

  const Var<T>* inputs_ = nullptr;
  std::size_t input_count_ = 0;
  bool borrows_ = false;

 private:
  friend class Tape<T>;
  friend class Var<T>;

  struct Cotangent {
    Array<T> array;
    static void* operator new(std::size_t bytes) { return Storage::take(bytes); }
    static void operator delete(void* memory, std::size_t bytes) { Storage::give(memory, bytes); }
  };

  [[noreturn]] void no_input(std::size_t i) const;
  [[noreturn]] void no_cotangent() const;

  const char* op_;
  Tape<T>* tape_ = nullptr;
  std::size_t index_ = 0;
  std::size_t references_ = 0;
  Kind kind_;
  Array<T> value_;
  std::unique_ptr<Cotangent> cotangent_;
};

// A handle to a Node, one pointer wide. Copies share the node.
template <class T> class Var {
 public:
  Var() = default;  // empty: holds no value
  Var(const Var& other) : node_(other.node_) {
    if (node_) ++node_->references_;
  }
  Var(Var&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Var& operator=(Var other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Var() {
    if (node_ && --node_->references_ == 0) delete node_;
  }

  // A reference, valid as long as the node. A temporary Var, as in f(x).value(), may be the last to
  // hold its node, and gives the value itself.
  const Array<T>& value() const& { return checked().value(); }
  Array<T> value() &&;
  const Shape& shape() const& { return value().shape(); }
  Shape shape() && { return shape(); }
  std::size_t dimension() const { return value().dimension(); }
  std::size_t size() const { return value().size(); }

  // The number in a one-element value; std::invalid_argument otherwise.
  T item() const;

  // Whether backward() reaches this value.
  bool needs_grad() const { return node_ && node_->tape_ != nullptr; }

  // The gradient that backward() left at a leaf made from an Array, zeros when none arrived;
  // std::logic_error elsewhere (other nodes free their cotangent, Parameters hold their own grad).
  Array<T> grad() const;

  Node<T>* node() const { return node_; }

 private:
  friend class Tape<T>;
  template <class U> friend Var<U> unrecorded(const char* op, Array<U> value);
  template <class U, class Inputs, class Pullback>
  friend Var<U> record_inputs(const char*, Inputs, Array<U>, Pullback);

  explicit Var(Node<T>* node) : node_(node) { ++node_->references_; }
  const Node<T>& checked() const;

  Node<T>* node_ = nullptr;
};

// What a Parameter shares with the leaves that borrow its value. They may outlive it.
template <class T> struct Loan {
  Parameter<T>* owner = nullptr;  // null again when the parameter is gone
  std::size_t changes = 0;        // of the value
  std::string name;               // the parameter's, when it is gone
};

// What training changes: a named value and its gradient. Lives outside every tape; tapes borrow it,
// so it must outlive them, and it stays where it is.
//
// A leaf stands for the value that the parameter had when the leaf was made. Once the parameter is
// gone, or has been changed by an optimizer's step or a loaded checkpoint, whoever uses the leaf,
// backward() above all, gets a std::logic_error that names the parameter. (On a tape that does not
// record, and after the end of one that did, a leaf shows the parameter's present value.)
template <class T> class Parameter {
 public:
  Parameter(std::string name, Array<T> value)
      : name(std::move(name)), value(std::move(value)), grad(zeros<T>(this->value.shape())) {
    loan_->owner = this;
  }
  ~Parameter() {
    loan_->owner = nullptr;
    loan_->name = std::move(name);
  }
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  void zero_grad() { std::fill_n(grad.data(), grad.size(), T(0)); }

  // Whoever writes to `value` while a tape may have borrowed it says so here, as the optimizers do.
  void changed() { ++loan_->changes; }

  std::string name;
  Array<T> value;
  Array<T> grad;  // backward() adds here; same shape as value

 private:
  friend class Tape<T>;
  std::shared_ptr<Loan<T>> loan_ = std::make_shared<Loan<T>>();
};

// A value on no tape.
template <class T> Var<T> constant(Array<T> value);

enum class Recording { on, off };

// Owns the recorded nodes, in recording order. One tape a training step, freed by scope.
template <class T> class Tape {
 public:
  explicit Tape(Recording recording = Recording::on) : recording_(recording) {}
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A leaf that borrows the parameter's value; backward() adds into parameter.grad.
  Var<T> leaf(Parameter<T>& parameter);
  // A leaf of its own; backward() adds into what Var::grad() returns.
  Var<T> leaf(Array<T> value);
  // A value that needs no gradient. It is not put on the tape.
  Var<T> constant(Array<T> value) { return tapesort::constant<T>(std::move(value)); }

  // Adds d result / d leaf to the gradient of every leaf that `result` depends on.
  //
  // May be called again, on the same or on another result: every call is a full sweep of its own
  // and gradients add up, as if the results had been summed first. Values are kept until the tape
  // ends. When a pullback throws, cotangents in flight are dropped; gradients of leaves may then
  // be incomplete.
  //
  // Without a cotangent, result must have one element. With one (in result's shape) the sweep
  // computes cotangent' * Jacobian. std::logic_error when result is not of this tape or needs no
  // gradient, or when a parameter that it depends on is gone or has changed; std::invalid_argument
  // on shapes; NonFiniteError under a NonFiniteTrap.
  void backward(const Var<T>& result);
  void backward(const Var<T>& result, Array<T> cotangent);

  // Keeps every cotangent until the next backward(), for looking at them (print.hpp).
  void keep_cotangents(bool keep) {
    keep_cotangents_ = keep;
    if (!keep) drop_cotangents();
  }

  bool recording() const { return recording_ == Recording::on; }
  std::size_t size() const { return nodes_.size(); }
  const Node<T>& node(std::size_t index) const { return *nodes_.at(index).node(); }

 private:
  friend class Node<T>;
  template <class U, class Inputs, class Pullback>
  friend Var<U> record_inputs(const char*, Inputs, Array<U>, Pullback);

  Var<T> append(Node<T>* node);
  void drop_cotangents();

  Recording recording_;
  bool keep_cotangents_ = false;
  std::vector<Var<T>> nodes_;
};

// While one lives, on its thread, the first operator whose value, or whose contribution to a
// cotangent, holds a NaN or an infinity throws NonFiniteError, which names it and its inputs'
// shapes. It costs one look at every number.
class NonFiniteTrap {
 public:
  NonFiniteTrap() : before_(std::exchange(armed(), true)) {}
  ~NonFiniteTrap() { armed() = before_; }
  NonFiniteTrap(const NonFiniteTrap&) = delete;
  NonFiniteTrap& operator=(const NonFiniteTrap&) = delete;
  static bool& armed() {
    thread_local bool armed = false;
    return armed;
  }

 private:
  bool before_;
};

// ---------------------------------------------------------------------------------------------
// For those who write operators

// The result of operator `op` (a string literal): recorded when an input needs a gradient, else a
// constant that keeps neither inputs nor pullback. The pullback is called with the result's node,
// at most once a backward(), and calls accumulate for its inputs:
//
//     return record("exp", {x}, Array<T>(xt::exp(x.value())), [](Node<T>& y) {
//       accumulate(y.input(0), y.cotangent() * y.value());
//     });
//
// std::logic_error when an input is empty, its tape is gone, or two inputs are on two tapes.
template <class T, std::size_t N, class Pullback>
Var<T> record(const char* op, const Var<T> (&inputs)[N], Array<T> value, Pullback pullback);
template <class T, class Pullback>
Var<T> record(const char* op, const std::vector<Var<T>>& inputs, Array<T> value, Pullback pullback);

// Adds `contribution`, an Array or an xtensor expression in the input's shape or in one that it
// broadcasts to, to the input's cotangent. An expression is not evaluated when the input needs no
// gradient; guard eager work with needs_grad().
template <class T, class Expression>
void accumulate(const Var<T>& input, Expression&& contribution) {
  if (input.needs_grad()) {
    input.node()->receive(Array<T>(std::forward<Expression>(contribution)));
  }
}

// ---------------------------------------------------------------------------------------------
// Behind record()

template <class T, class Inputs, class Pullback> class OpNode final : public Node<T> {
 public:
  OpNode(const char* op, Inputs inputs, Array<T> value, Pullback pullback)
      : Node<T>(op, Node<T>::Kind::op, std::move(value)),
        own_inputs_(std::move(inputs)),
        pullback_(std::move(pullback)) {
    this->inputs_ = own_inputs_.data();
    this->input_count_ = own_inputs_.size();
  }

 private:
  void pull() override { pullback_(*this); }
  void drop_inputs() override {
    for (Var<T>& input : own_inputs_) input = Var<T>();
    this->input_count_ = 0;
  }

  Inputs own_inputs_;
  Pullback pullback_;
};

// An operator's result of which only the value is kept.
template <class T> Var<T> unrecorded(const char* op, Array<T> value);

// The one tape of those inputs that need a gradient, null when none does.
template <class T> Tape<T>* common_tape(const char* op, const Var<T>* inputs, std::size_t count);

// Throws NonFiniteError, naming op and inputs, when value is not finite.
template <class T>
void trap_value(const char* op, const Array<T>& value, const Var<T>* inputs, std::size_t count);

template <class T, class Inputs, class Pullback>
Var<T> record_inputs(const char* op, Inputs inputs, Array<T> value, Pullback pullback) {
  Tape<T>* tape = common_tape(op, inputs.data(), inputs.size());
  if (NonFiniteTrap::armed()) trap_value(op, value, inputs.data(), inputs.size());
  if (Profile* profile = Profile::active()) profile->forward(op, value.size() * sizeof(T));
  if (tape == nullptr) return unrecorded<T>(op, std::move(value));
  return tape->append(new OpNode<T, Inputs, Pullback>(op, std::move(inputs), std::move(value),
                                                      std::move(pullback)));
}

template <class T, std::size_t N, class Pullback>
Var<T> record(const char* op, const Var<T> (&inputs)[N], Array<T> value, Pullback pullback) {
  std::array<Var<T>, N> copy;
  std::copy_n(inputs, N, copy.begin());
  return record_inputs<T>(op, std::move(copy), std::move(value), std::move(pullback));
}

template <class T, class Pullback>
Var<T> record(const char* op, const std::vector<Var<T>>& inputs, Array<T> value,
              Pullback pullback) {
  return record_inputs<T>(op, inputs, std::move(value), std::move(pullback));
}

}  // namespace tapesort
