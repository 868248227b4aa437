#include <operator.hpp>

#include "engine/observe.hpp"

using course::check;
using course::check_near;

namespace {

template <class T> std::vector<double> numbers(const Array<T>& x) { return {x.begin(), x.end()}; }

// At delta = 1, where many wrong answers are right; `wide` is for delta = 2.
const Array<double> x{-3, -0.5, 0, 0.25, 1.5, 2}, wide{-3, 1.5, 5};
const std::vector<double> right_values{1 * (3 - 0.5), 0.125, 0, 0.03125, 1, 1.5},
    right_slopes{-1, -0.5, 0, 0.25, 1, 1}, wide_values{2 * (3 - 1), 1.125, 2 * (5 - 1)};

template <class F>
std::vector<double> gradient_of(const F& f, const Array<double>& at, const Array<double>& ybar) {
  Tape<double> tape;
  const Var<double> leaf = tape.leaf(at);
  tape.backward(f(leaf), ybar);
  return numbers(leaf.grad());
}

// Checks the gradient of huber or fast_huber.
template <class Op>
void check_gradient(const Op& op, const std::vector<course::Known>& known, const char* nothing) {
  std::vector<course::Known> all{
      {right_slopes, "ybar has been left out."},
      {{1, -0.5, 0, 0.25, 10, 1}, "On the left the line falls: -delta where x < -delta."},
      {{-3, -0.5, 0, 0.25, 15, 2}, "That is the parabola's slope everywhere."},
      {{0, 0, 0, 0, 0, 0}, nothing}};
  all.insert(all.end(), known.begin(), known.end());
  check_near(
      "The gradient at (-3, -0.5, 0, 0.25, 1.5, 2), for delta = 1, ybar = (1, 1, 1, 1, 10, 1),",
      gradient_of([&](const Var<double>& leaf) { return op(leaf, 1); }, x, {1, 1, 1, 1, 10, 1}),
      {-1, -0.5, 0, 0.25, 10, 1}, all);
  check_near("The gradient at (-3, 1.5, 5), for delta = 2, ybar = (1, 10, 100),",
             gradient_of([&](const Var<double>& leaf) { return op(leaf, 2); }, wide, {1, 10, 100}),
             {-2, 15, 200},
             {{{-1, 15, 100}, "Beyond delta the slope is delta or -delta, not 1 or -1."},
              {{-1, 10, 100}, "That is for delta = 1: delta is not looked at."}});
}

// Looks on while gradcheck calls its function: whether there is an operator that is Huber's, and of delta.
struct Witness : Observer {
  explicit Witness(double delta_) : delta(delta_) {}
  void see(Event, const Node<float>&) override {}
  void see(Event event, const Node<double>& node) override {
    if (event != Event::computed || node.inputs().size() != 1) return;
    std::vector<double> right;
    for (double one : node.input(0).value()) {
      const double far = std::abs(one);
      right.push_back(far <= delta ? one * one / 2 : delta * (far - delta / 2));
    }
    seen = seen || course::near(numbers(node.value()), right, 1e-9);
  }
  double delta;
  bool seen = false;
};

}  // namespace

TASK("12.1") {
  check_near("huber_values at (-3, -0.5, 0, 0.25, 1.5, 2), delta = 1,", numbers(huber_values(x, 1)),
             right_values,
             {{{4.5, 0.125, 0, 0.03125, 1.125, 2},
               "That is the parabola everywhere; beyond delta it goes on as a line."},
              {{3, 0.125, 0, 0.03125, 1.5, 2},
               "delta / 2 is missing: the lines have to meet the parabola."},
              {{2, 0.125, 0, 0.03125, 0.5, 1},
               "The line is delta (|x| - delta / 2), not delta (|x| - delta), which would not meet "
               "the parabola."},
              {{4.5, 0.125, 0, 0.03125, 1, 1.5},
               "On the left that is the parabola: abs is missing, |x| <= delta."},
              {{-3.5, 0.125, 0, 0.03125, 1, 1.5},
               "On the left the line falls below 0: abs is missing in it, |x| - delta / 2."},
              {{2.5, 0, -0.5, -0.25, 1, 1.5}, "That is the line everywhere."},
              {{2.5, 0.25, 0, 0.0625, 1, 1.5}, "The parabola is x^2 / 2."}});
  check_near(
      "huber_values at (-3, 1.5, 5), delta = 2,", numbers(huber_values(wide, 2)), wide_values,
      {{{2, 1.125, 4}, "The line is delta (|x| - delta / 2), with the factor delta in front."},
       {{2.5, 1, 4.5}, "That is for delta = 1: delta is not looked at."}});
  // std::abs, or a conversion to double, would show only in 12.4.
  const Array<Dual<double>> dual{Dual<double>(-3, 1), Dual<double>(0.5, 1)};
  check_near("The tangents of huber_values at the Duals -3 + 1t and 0.5 + 1t, delta = 2,",
             numbers(tangents(huber_values(dual, 2))), {-2, 0.5},
             {{{0, 0}, "They have been lost: compute with T, not with double."}});
}

TASK("12.2") {
  check_gradient([](const Var<double>& leaf, double delta) { return huber(leaf, delta); }, {},
                 "Nothing arrives: accumulate for y.input(0).");
}

TASK("12.3") {
  for (const double delta : {1.0, 2.0}) {
    const Array<double> at = delta == 1 ? Array<double>{0.3, -2, 5} : Array<double>{3, -2.5, 1.5};
    Witness witness(delta);
    const GradcheckReport report = check_huber(at, delta);
    check(report.ok(),
          "For delta = " + course::to_text({delta}) + " gradcheck says: " + report.text());
    check(report.rows.size() == 1, "One input was to be checked; the report has " +
                                       std::to_string(report.rows.size()) + ".");
    check(witness.seen,
          "gradcheck is content, but for delta = " + course::to_text({delta}) +
              " the function that it was given is another one than huber(at, delta).");
    check(report.rows[0].shape == std::vector<std::size_t>{3},
          "gradcheck's input is not x: {x} is the list of inputs.");
  }
}

TASK("12.4") {
  check_near(
      "H v at (-3, -0.5, 0, 0.25, 1.5, 2), for delta = 1, v = (1, 2, 3, 4, 5, 6),",
      numbers(second_derivative(x, {1, 2, 3, 4, 5, 6}, 1)), {0, 2, 3, 4, 0, 0},
      {{right_slopes, "These are first derivatives: read .tangent of the gradient, not .value."},
       {{0, 1, 1, 1, 0, 0}, "v has not been given to the inputs: .tangent = v_i."},
       {{0, 0, 0, 0, 0, 0}, "result is 0: set the inputs' .tangent, and read the gradient's."}});
  check_near("H v at (-3, 1.5, 5), for delta = 2, v = (1, 2, 3),",
             numbers(second_derivative(wide, {1, 2, 3}, 2)), {0, 2, 0},
             {{{0, 0, 0}, "That is for delta = 1: delta is not looked at."}});
}

TASK("12.5") {
  Tape<double> tape;
  const Var<double> y = fast_huber(tape.leaf(x), 1);
  check_near("fast_huber at (-3, -0.5, 0, 0.25, 1.5, 2), delta = 1,", numbers(y.value()),
             right_values,
             {{{4.5, 0, -0.5, -0.25, 1.125, 2},
               "The branches are exchanged: select(c, a, b) is a where c holds."}});
  const std::string name = y.node()->op();
  check(name == "fast_huber" && tape.size() == 2,
        "It is to be one node made by unary(\"fast_huber\", ..), without huber(); yours is \"" +
            name + "\", and the tape has " + std::to_string(tape.size()) +
            " nodes, where a leaf and an operator are right.");
  check_near("fast_huber at (-3, 1.5, 5), delta = 2,",
             numbers(fast_huber(tape.leaf(wide), 2).value()), wide_values);
  const char* exchanged = "The branches are exchanged: select(c, a, b) is a where c holds.";
  check_gradient([](const Var<double>& leaf, double delta) { return fast_huber(leaf, delta); },
                 {{{-3, -1, 1, 1, 15, 2}, exchanged},
                  {{1, 1, 1, 1, 15, 2}, exchanged},
                  {{-3, -0.5, 0, 0.25, 1.5, 2},
                   "ybar and x are exchanged: the second lambda gets ybar, x, y, in this order."}},
                 "The second lambda gives 0: it is xbar, ybar times the slope.");
  // Many at once, and in float: the vectors' ends, too.
  Array<float> many = uninitialized<float>({1003});
  for (std::size_t i = 0; i < many.size(); ++i) many.data()[i] = float(i % 7) - 3;
  check_near("The last value of 1003 floats", fast_huber(constant(many), 1).value().data()[1002],
             1.5, {}, 1e-6);
}

int main(int, char** argv) { return course::run(argv[1]); }
