#include "engine/tape.hpp"

#include <limits>
#include <type_traits>

#include "engine/broadcast.hpp"
#include "engine/parameter.hpp"
#include "engine/print.hpp"
#include "engine/profile.hpp"
#include "engine/trap.hpp"
#include "models/optimizers.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "replay/replay.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("a value used twice receives both contributions before it passes them on") {
  Tape<double> tape;
  const auto a = tape.leaf(Array<double>{1.0, 2.0});
  const auto b = a + a;
  const auto c = b + b;
  tape.backward(sum(c));
  CHECK(a.grad() == Array<double>{4.0, 4.0});

  const auto x = tape.leaf(scalar(3.0));
  const auto y = x * x;      // y' = 2 x
  tape.backward(y * y + y);  // (2 y + 1) y'
  CHECK(x.grad() == scalar(19.0 * 6.0));
}

TEST_CASE("a chain of a million nodes runs forward, backward, and is freed without recursion") {
  constexpr int length = 1000000;
  Var<float> last;
  {
    Tape<float> tape;
    const Var<float> x = tape.leaf(scalar(1.0f));
    last = x;
    for (int i = 0; i < length; ++i) last = last + 1;
    CHECK(tape.size() == length + 1);
    tape.backward(last);
    CHECK(x.grad() == scalar(1.0f));
  }
  CHECK(last.item() == float(length + 1));  // outlives its tape as a value
}

TEST_CASE("backward twice: every call is a full sweep, and gradients add up") {
  Parameter<double> w("w", scalar(3.0));
  Tape<double> tape;
  const auto x = tape.leaf(w);
  const auto y = x * x;
  tape.backward(y);
  CHECK(w.grad == scalar(6.0));
  tape.backward(y);
  CHECK(w.grad == scalar(12.0));
  tape.backward(x * 2);  // another result of the same tape
  CHECK(w.grad == scalar(14.0));
  w.zero_grad();
  tape.backward(y);
  CHECK(w.grad == scalar(6.0));
}

TEST_CASE("gradients of leaves can be set to zero, for another sweep") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{1.0, 2.0});
  const auto y = sum(x * x);
  tape.backward(y);
  tape.zero_grad();
  CHECK(x.grad() == zeros<double>({2}));
  tape.backward(y);
  CHECK(x.grad() == Array<double>{2.0, 4.0});
}

TEST_CASE("a parameter is borrowed: the tape sees its value, and adds into its grad") {
  Parameter<float> w("w", Array<float>{1.0f, 2.0f});
  Tape<float> tape;
  const auto first = tape.leaf(w), second = tape.leaf(w);  // may be on a tape several times
  CHECK(first.value().data() == w.value.data());
  tape.backward(sum(first * second));
  CHECK(w.grad == Array<float>{2.0f, 4.0f});
}

TEST_CASE("nothing is recorded for constants, nor on a tape that does not record") {
  Tape<double> tape;
  const auto c = tape.constant(Array<double>{1.0, 2.0});
  const auto y = exp(c * c + 1);
  CHECK(tape.size() == 0);
  CHECK(!y.needs_grad());
  CHECK(y.node()->inputs().size() == 0);

  Parameter<double> w("w", scalar(2.0));
  Tape<double> off(Recording::off);
  const auto z = square(off.leaf(w));
  CHECK(off.size() == 0);
  CHECK(z.item() == 4);
  CHECK(
      error_of([&] { off.backward(z); }) ==
      "logic_error: backward: square of shape () was not recorded; use a tape with Recording::on");
}

TEST_CASE("intermediate values of an evaluation live no longer than their handles") {
  Tape<float> off(Recording::off);
  const Var<float> x = off.leaf(full<float>({4}, 2.0f));
  Var<float> y = x * x;
  const Node<float>* kept = y.node();
  y = y + 1;  // the product is gone: nothing refers to it
  CHECK(y.node() != kept);
  CHECK(y.node()->inputs().size() == 0);
}

TEST_CASE("a cotangent is freed as soon as it has been passed on") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(2.0));
  const auto y = x * x;
  const auto z = y + 1;
  tape.backward(z);
  CHECK(!tape.node(1).has_cotangent());
  CHECK(!tape.node(2).has_cotangent());
  tape.backward(z);
  CHECK(x.grad() == scalar(8.0));  // 4 from each call
}

TEST_CASE("the cotangent of a result with several elements is the user's") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{1.0, 2.0});
  const auto y = x * x;
  CHECK(error_of([&] { tape.backward(y); }) ==
        "invalid_argument: backward: the result of mul has shape (2); pass a cotangent of that "
        "shape, "
        "or reduce it to one number, as by sum or mean");
  CHECK(error_of([&] {
          tape.backward(y, Array<double>{1.0, 1.0, 1.0});
        }) == "invalid_argument: backward: shapes differ: the result is (2), its cotangent is (3)");
  tape.backward(y, Array<double>{10.0, 1.0});
  CHECK(x.grad() == Array<double>{20.0, 4.0});
}

TEST_CASE("misuse of a tape is named, with the remedy") {
  Tape<float> tape, other;
  const auto x = tape.leaf(zeros<float>({2, 3}));
  const auto y = other.leaf(zeros<float>({3}));
  CHECK(error_of([&] { x* y; }) ==
        "logic_error: mul: the inputs (inputs (2, 3), (3)) are on two tapes; make all leaves on "
        "one, or "
        "pass constant(v.value()) between them");
  const auto total = sum(y);
  CHECK(error_of([&] { tape.backward(total); }) ==
        "logic_error: backward: sum of shape () is on another tape; call backward on the tape that "
        "made "
        "its leaves");
  CHECK(error_of([&] { tape.backward(sum(tape.constant(zeros<float>({2})))); }) ==
        "logic_error: backward: sum of shape () needs no gradient; compute it from a leaf of "
        "this "
        "tape");
  CHECK(error_of([] { Var<float>().value(); }) ==
        "logic_error: Var: this Var is empty; assign an operator's result or a leaf to it first");
  CHECK(error_of([&] { x + Var<float>(); }).find("empty") != std::string::npos);
  CHECK(error_of([&] { x.item(); }) == "invalid_argument: item: need one element, shape is (2, 3)");
  CHECK(error_of([&] { (x * x).grad(); }).rfind("logic_error: grad", 0) == 0);

  Var<float> orphan;
  {
    Tape<float> gone;
    orphan = exp(gone.leaf(zeros<float>({2})));
  }
  CHECK(orphan.value() == full<float>({2}, 1.0f));
  // What its pullback has captured went with the tape.
  const auto captured = std::make_shared<int>(0);
  Var<float> kept;
  {
    Tape<float> tape;
    kept = record("mine", {tape.leaf(scalar(1.0f))}, scalar(1.0f), [captured](Node<float>&) {});
    CHECK(captured.use_count() == 2);
  }
  CHECK(captured.use_count() == 1);
  CHECK(error_of([&] { orphan + 1; }) ==
        "logic_error: add: the tape of input 0, exp of shape (2), is gone; keep the tape, or pass "
        "constant(v.value()) on to the next one");
}

TEST_CASE("the value of a temporary Var is the value itself, on any tape") {
  static_assert(std::is_same_v<decltype(std::declval<Var<float>>().value()), Array<float>>);
  static_assert(std::is_same_v<decltype(std::declval<Var<float>&>().value()), const Array<float>&>);
  static_assert(std::is_same_v<decltype(std::declval<Var<float>>().shape()), Shape>);
  static_assert(!std::is_constructible_v<Stretched<float>, const char*, Array<float>, Shape>);
  for (const Recording recording : {Recording::on, Recording::off}) {
    Tape<double> tape(recording);
    const auto x = tape.leaf(full<double>({1000}, 3.0));
    const Array<double>& y = square(x).value();
    const Shape& shape = square(x).shape();
    const Array<double> other = full<double>({1000}, -1.0);  // would take a freed value's place
    CHECK(y == full<double>({1000}, 9.0));
    CHECK(shape == Shape{1000});
    double total = 0;
    for (double v : (x + 1).value()) total += v;
    CHECK(total == 4000);
  }
}

TEST_CASE("the value of the last Var of a node is moved, not copied, and never taken from others") {
  Var<double> x = constant(full<double>({3}, 2.0));
  const double* data = x.value().data();
  const Var<double> shared = x;
  CHECK(std::move(x).value() == shared.value());
  CHECK(shared.value().data() == data);
  CHECK(error_of([&] { x.value(); }).find("this Var is empty") != std::string::npos);
  x = constant(full<double>({3}, 2.0));
  data = x.value().data();
  const Array<double> moved = std::move(x).value();
  CHECK(moved.data() == data);

  Parameter<double> w("w", full<double>({3}, 5.0));
  Tape<double> off(Recording::off);
  CHECK(off.leaf(w).value() == full<double>({3}, 5.0));
  CHECK(w.value == full<double>({3}, 5.0));
  Var<double> left;
  {
    Tape<double> tape;
    left = exp(tape.leaf(zeros<double>({3})));
  }
  CHECK(std::move(left).value() == full<double>({3}, 1.0));
}

TEST_CASE("a Var of a parameter that is gone says so") {
  Tape<double> tape, off(Recording::off);
  Var<double> recorded, constant, y;
  {
    Parameter<double> w("scores", scalar(2.0));
    recorded = tape.leaf(w);
    constant = off.leaf(w);
    y = recorded * recorded;
  }
  const std::string gone =
      "logic_error: parameter scores is gone; it must outlive the tapes and Vars that borrow its "
      "value";
  CHECK(y.item() == 4);
  CHECK(error_of([&] { recorded.value(); }) == gone);
  CHECK(error_of([&] { constant.shape(); }) == gone);
  CHECK(error_of([&] { exp(constant); }) == gone);
  CHECK(error_of([&] { tape.backward(y); }) ==
        "logic_error: pullback of mul (node 1): " + gone.substr(13));
  CHECK(error_of([&] { to_table(tape); }) == gone);
}

TEST_CASE("a parameter that has changed since its leaf was made gives no wrong gradient") {
  const std::string stale =
      "logic_error: parameter w has changed since this tape borrowed its value; use a new tape for "
      "each step";
  Parameter<double> w("w", scalar(2.0)), b("b", scalar(1.0));
  Sgd<double> sgd({&w}, 0.5);
  Adam<double> adam({&w}, 0.5);
  for (Optimizer<double>* optimizer :
       {static_cast<Optimizer<double>*>(&sgd), static_cast<Optimizer<double>*>(&adam)}) {
    Tape<double> tape, off(Recording::off);
    const auto x = tape.leaf(scalar(3.0)), leaf = tape.leaf(w), seen = off.leaf(w);
    const auto y = x * leaf, z = x * tape.leaf(b);
    tape.backward(y);
    optimizer->step();
    const Array<double> before = x.grad(), wbar = w.grad;
    CHECK(error_of([&] { tape.backward(y); }) ==
          "logic_error: pullback of mul (node 2): " + stale.substr(13));
    CHECK(error_of([&] { leaf* x; }) == stale);
    CHECK(x.grad() == before);
    CHECK(w.grad == wbar);
    tape.backward(z);  // depends on what has not changed
    CHECK(x.grad() == Array<double>(before + 1.0));
    CHECK(seen.value() == w.value);  // nothing recorded: the present value
    optimizer->zero_grad();
  }
  Tape<double> tape;
  const auto y = square(tape.leaf(w));
  w.value = scalar(7.0);
  w.changed();
  CHECK(error_of([&] { tape.backward(y); }) ==
        "logic_error: pullback of square (node 1): " + stale.substr(13));
}

TEST_CASE("a pullback that reads an absent cotangent or input is told so") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{1.0, 2.0});
  const auto with = [&](auto pullback) {
    const auto y = record("wrong", {x}, Array<double>(x.value()), pullback);
    return error_of([&] { tape.backward(y, full<double>({2}, 1.0)); });
  };
  const std::string absent =
      "cotangent: wrong of shape (2) has none; none has arrived, or it has been passed on, as by "
      "take_cotangent()";
  CHECK(with([](Node<double>& y) {
          accumulate(y.input(0), y.take_cotangent());
          accumulate(y.input(0), y.cotangent());
        }) == "logic_error: pullback of wrong (node 1): " + absent);
  CHECK(with([](Node<double>& y) {
          y.take_cotangent();
          y.take_cotangent();
        }) == "logic_error: pullback of wrong (node 2): " + absent);
  CHECK(with([](Node<double>& y) { accumulate(y.input(1), y.cotangent()); }) ==
        "logic_error: pullback of wrong (node 3): input: wrong of shape (2) has 1 recorded inputs; "
        "there is no input 1");
  CHECK(with([](Node<double>& y) { accumulate(y.input(0), zeros<double>({3})); }) ==
        "invalid_argument: pullback of wrong (node 4): gradient: shape (3), for a value of "
        "shape (2); need the value's shape, or one that it broadcasts to");
  const char* const none = "no such table";
  CHECK(with([none](Node<double>&) { throw std::runtime_error(none); }) ==
        "exception: pullback of wrong (node 5): no such table");
  struct Own : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  CHECK(with([none](Node<double>&) { throw Own(none); }) == "exception: no such table");
  const auto unused = tape.leaf(scalar(1.0));
  CHECK(error_of([&] {
          unused.node()->cotangent();
        }).find("cotangent: leaf of shape () has none") != std::string::npos);
}

TEST_CASE("a profile says what a tape holds") {
  Profile profile;
  Parameter<double> p("p", scalar(2.0));
  for (const std::size_t n : {100, 50}) {
    const Profiling profiling(profile);
    Tape<double> tape;
    const auto x = tape.leaf(zeros<double>({n}));
    const auto y = x * tape.leaf(p);
    tape.backward(sum(y * y));
    if (n == 100) CHECK(profile.operators().at("mul").calls == 2);
  }
  CHECK(profile.most_values() == 8 * (3 * 100 + 1));      // x, y, y * y; their sum; p is borrowed
  CHECK(profile.most_cotangents() == 8 * (2 * 100 + 1));  // of y and x; of p
  CHECK(profile.text().find("held by a tape at most: 0.0 MB of values") != std::string::npos);
}

TEST_CASE("the trap names the first operator whose value or cotangent is not finite") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{1.0, 0.0});
  CHECK(log(x).value().data()[1] == -std::numeric_limits<double>::infinity());  // off by default
  const NonFiniteTrap trap;
  CHECK(error_of([&] { log(x) * 2; }) ==
        "exception: the value of log (input (2)) holds a NaN or an infinity");
  const auto y = sum(sqrt(x));  // a finite value with an infinite derivative
  CHECK(error_of([&] { tape.backward(y); }) ==
        "exception: the pullback of sqrt (node 2, input (2)) gave its input 0 a cotangent with a "
        "NaN or "
        "an infinity");
  for (std::size_t i = 1; i < tape.size(); ++i) CHECK(!tape.node(i).has_cotangent());
}

TEST_CASE("copies of a Var share its node, and an assignment lets go of the old one") {
  Var<double> a = constant(scalar(1.0));
  Var<double> b = a, c = constant(scalar(2.0));
  b = *&b;
  CHECK(a.node() == b.node());
  b = c;
  CHECK(a.item() == 1);
  CHECK(b.item() == 2);
}

TEST_CASE("a pullback that computes with Vars is told so") {
  Tape<double> tape;
  const Var<double> x = tape.leaf({1.0, 2.0});
  const Var<double> y =
      record("square", {x}, Array<double>(x.value() * x.value()), [](Node<double>& y) {
        const Var<double> slope = y.input(0) + y.input(0);
        accumulate(y.input(0), y.cotangent() * slope.value());
      });
  CHECK(
      error_of([&] { tape.backward(sum(y)); }) ==
      "logic_error: pullback of square (node 1): it has recorded add, by computing with a Var that "
      "needs a gradient; compute with its value()");
}
