#include <tape.hpp>

#include "../test_tools.hpp"

using course::check;
using course::check_near;
using course::pull;

TASK("2.1") {
  Tape tape;
  const Var x = tape.leaf(3);
  accumulate(x, 2);
  check_near("The cotangent after accumulate(x, 2)", x.node().cotangent, 2,
             {{0,
               "Nothing has been added to x.node().cotangent. (Node node = x.node() is a copy; "
               "Node& is the node itself.)"}});
  accumulate(x, 5);
  check_near("The cotangent after accumulate(x, 2) and accumulate(x, 5)", x.node().cotangent, 7,
             {{5,
               "The second contribution has replaced the first. A value that is used twice gets "
               "the sum of both."}});
}

TASK("2.2") {
  Tape tape;
  const Var a = tape.leaf(3), b = tape.leaf(-2);
  const Var y = a * b;
  check_near("3 * -2", y.value(), -6);
  check(y.node().inputs.size() == 2, "A product has two inputs: record({a, b}, ..).");
  check_near(
      "What the pullback of 3 * -2 gives a and b, for ybar = 10,", pull(y, 10), {-20, 30},
      {{{30, -20}, "They are exchanged: a is multiplied by b, so dy/da is b."},
       {{-2, 3},
        "These are the local derivatives. Multiply them by ybar, y.cotangent: the chain rule."},
       {{10, 10}, "That is the pullback of a sum. dy/da is b, and dy/db is a."},
       {{10, 0}, "Both contributions went to the first input."},
       {{0, 10}, "Both contributions went to the second input."},
       {{-20, 0}, "Only the first input gets something."},
       {{0, 30}, "Only the second input gets something."},
       {{0, 0},
        "Nothing arrives, or a reference is out of date: a node moves when the next one is "
        "appended. "
        "Take y.inputs[0] and y.inputs[1]."}});
}

TASK("2.3") {
  Tape tape;
  const Var x = tape.leaf(2);
  const Var y = exp(x);
  check_near("exp(2)", y.value(), std::exp(2));
  check_near("What the pullback of exp at 2 gives x, for ybar = 10,", pull(y, 10),
             {10 * std::exp(2)},
             {{{10 * std::exp(std::exp(2))},
               "y's value is exp(x) already; it is not to be exponentiated again."},
              {{20}, "That is ybar x. The derivative of exp at x is exp(x), the value y itself."},
              {{std::exp(2)}, "That is the local derivative. Multiply it by ybar, y.cotangent."},
              {{10}, "That is ybar. Multiply it by the derivative, which is the value y."}});
}

// Its operators are its own, so that it needs 2.1 and 2.4 alone.
namespace {

std::vector<std::string> visited;

Var times(Var a, Var b, const char* name) {
  return record({a, b}, a.value() * b.value(), [name](Node& y) {
    visited.push_back(name);
    accumulate(y.inputs[0], y.cotangent * y.inputs[1].value());
    accumulate(y.inputs[1], y.cotangent * y.inputs[0].value());
  });
}

}  // namespace

TASK("2.4") {
  {
    Tape tape;
    const Var x = tape.leaf(3);
    const Var y = times(x, x, "y");
    const Var z = times(y, x, "z");
    const Var unused = times(z, z, "unused");
    visited.clear();
    tape.backward(z);
    check(!visited.empty(), "No pullback has been called: call node.pullback(node) for each node.");
    const char* nothing =
        visited.front() == "y" && visited.size() > 1
            ? "The nodes are visited from the first to the last. Cotangents come from the end: "
              "begin at the result, and go down."
        : x.node().cotangent != 0
            ? "x has its cotangent, but it is not in x's gradient. Either node 0 is not visited (i "
              "> 0 ends one "
              "too early), or a leaf, which has no pullback, does not add its cotangent to its "
              "gradient, or the node is a copy: Node& node = nodes[i]."
        : visited.size() == 1 && visited.front() == "y"
            ? "The result itself has not been visited: begin at result.index, which is "
              "i-- > 0 from result.index + 1."
            : "Nothing has reached x. The result's own cotangent is dL/dL = 1: does the walk begin "
              "with it, set in the node itself (Node r = result.node() is a copy, Node& r is not)? "
              "Does a leaf add its cotangent to its gradient, and an operator's pullback use it, "
              "before that is set to 0?";
    check_near(
        "The gradient of x * x * x at 3", x.gradient(), 27,
        {{0, nothing},
         {1458,
          "The walk begins at the last node of the tape; begin at the result, whose cotangent is "
          "1."},
         {9,
          "Only a part of what reaches x has arrived. Has every cotangent been passed on before it "
          "was set to 0?"}});
    check(unused.node().gradient == 0, "Something was passed to a node behind the result.");
  }
  {
    Tape tape;
    const Var x = tape.leaf(3);
    const Var y = times(x, x, "y");
    tape.backward(y);
    tape.backward(y);
    check_near("After two calls of backward() for y = x * x, the gradient at 3", x.gradient(), 12,
               {{18,
                 "Cotangents of the first call are still there, and are passed on again. Set each "
                 "to 0 when it has been passed on."},
                {24,
                 "Cotangents of the first call are still there, and are passed on again. Set each "
                 "to 0 when it has been passed on."},
                {30,
                 "Cotangents of the first call are still there, and are passed on again. Set each "
                 "to 0 when it has been passed on."},
                {6, "It is that of one call. A leaf adds up what it gets: +=."}});
    const Var third = tape.leaf(2);
    const Var inner = times(third, third, "inner");
    const Var cube = times(inner, third, "cube");
    tape.backward(cube);
    tape.backward(cube);
    check(std::abs(third.gradient() - 24) < 1e-9,
          "After two calls of backward() for (x x) x the gradient at 2 is " +
              course::to_text({third.gradient()}) +
              ", but should be 24. Is every node's cotangent set to 0 when it has "
              "been passed on, those of operators, too? Does a leaf add to its gradient?");
  }
  {
    Tape tape;
    const Var a = tape.leaf(2), b = tape.leaf(5);
    const Var y = times(a, b, "y");
    tape.backward(y);
    check_near(
        "After backward() for y = a * b at a = 2, b = 5, the gradients",
        {a.gradient(), b.gradient()}, {5, 2},
        {{{0, 2},
          "The walk ends at the first leaf that it meets: return leaves the function. A leaf "
          "adds to its gradient, and the walk goes on."}});
    check(a.node().cotangent == 0 && b.node().cotangent == 0 && y.node().cotangent == 0,
          "After backward() a node still has a cotangent. Set each to 0 when it has been passed "
          "on, not before the next walk.");
  }
}

TASK("2.5") {
  const double answer = diamond();
  const auto add = [](Var x, double contribution) { x.node().cotangent += contribution; };
  Tape tape;
  const Var x = tape.leaf(3);
  const Var y = record({x, x}, 9, [add](Node& node) {
    add(node.inputs[0], node.cotangent * 3);
    add(node.inputs[1], node.cotangent * 3);
  });
  const Var L = record({y, y}, 18, [add](Node& node) {
    add(node.inputs[0], node.cotangent);
    add(node.inputs[1], node.cotangent);
  });
  L.node().cotangent = 1;
  recurse(L);
  check_near("Your answer", answer, x.node().cotangent,
             {{48,
               "L's pullback gives y 1 + 1 = 2, and each of the two calls of recurse(y) gives x 2 "
               "* 3 for each of "
               "its two uses: 12."},
              {12,
               "That is the right gradient of 2 x^2. But what does the recursive engine answer? "
               "L's pullback gives y 1 + 1 = 2. Then recurse(y) is called twice, and each time y "
               "passes on all that it has."},
              {6,
               "L's pullback gives y 1 + 1 = 2, not 1. Then recurse(y) is called twice, and each "
               "time y passes on all that it has."},
              {18,
               "L's pullback gives y both contributions before it goes on to y: y passes on 2 each "
               "time, not 1 and then 2."}});
}

namespace {

int calls = 0;

void recursion(int k) {
  ++calls;
  if (k > 0) {
    recursion(k - 1);
    recursion(k - 1);
  }
}

}  // namespace

TASK("2.6") {
  for (const int k : {10, 2, 1, 0}) {
    calls = 0;
    recursion(k);
    check_near(
        "The number of calls for k = " + std::to_string(k), recursive_calls(k), calls,
        {{double(2 ^ k), "In C++ 2 ^ k is no power, but an exclusive or of bits: std::pow(2, k)."},
         {std::pow(2, k + 1), "That is one more than 1 + 2 + 4 + .. + 2^k."},
         {std::pow(2, k),
          "That is the number of calls that reach x. Those for the other y count, "
          "too: 1 + 2 + 4 + .. + 2^k."},
         {2.0 * k + 1, "Each call of y_k makes two of y_(k-1), so the number doubles with each k."},
         {2.0 * k, "Each call of y_k makes two of y_(k-1), so the number doubles with each k."},
         {k + 1.0,
          "That is what a tape does: each node once. The recursion meets y_(k-1) twice for "
          "each time that it meets y_k."}});
  }
}

int main(int, char** argv) { return course::run(argv[1]); }
