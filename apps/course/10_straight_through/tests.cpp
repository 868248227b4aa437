#include <straight_through.hpp>

using course::check;
using course::check_near;

namespace {

std::vector<double> numbers(const Array<double>& x) { return {x.begin(), x.end()}; }
double soft(double x) { return 1 / (1 + std::exp(-x)); }
double slope(double x) { return soft(x) * (1 - soft(x)); }

}  // namespace

TASK("10.1") {
  Tape<double> tape;
  const Var<double> x = tape.leaf({1, 2, 3});
  const Var<double> y = with_gradient_of({10, 20, 30}, x * x);
  check_near("The value", numbers(y.value()), {10, 20, 30},
             {{{1, 4, 9}, "That is soft's value; the value is to be hard's."}});
  check(y.needs_grad(), "The result needs no gradient. Record it, with soft as its input.");
  tape.backward(y, {1, 10, 100});
  check_near("The gradient, for ybar = (1, 10, 100) and soft = x^2,", numbers(x.grad()),
             {2, 40, 600},
             {{{2, 4, 6}, "ybar has been left out."},
              {{20, 800, 18000}, "It has been multiplied by hard. soft gets ybar as it is."},
              {{0, 0, 0}, "Nothing arrives: accumulate ybar for soft."},
              {{4, 80, 1200}, "It has arrived twice."}});
}

TASK("10.2") {
  Tape<double> tape;
  const Var<double> x = tape.leaf({-1, 0, 2});
  const Var<double> y = step_through(x, 0.5);
  check_near("The value at (-1, 0, 2)", numbers(y.value()), {0, 0, 1},
             {{{0, 1, 1}, "At 0 it is 0: 1 where x > 0."},
              {{soft(-2), soft(0), soft(4)}, "That is the sigmoid; the value is to be the step."}});
  tape.backward(sum(y));
  check_near(
      "The gradient at tau = 0.5", numbers(x.grad()), {2 * slope(-2), 2 * slope(0), 2 * slope(4)},
      {{{slope(-2), slope(0), slope(4)},
        "1 / tau is missing: it is that of sigmoid(x / tau), by x."},
       {{slope(-1), slope(0), slope(2)}, "That is for tau = 1: tau is not looked at."},
       {{0, 0, 0}, "Nothing arrives: give with_gradient_of a soft Var that is computed from x."},
       {{0.5 * slope(-0.5), 0.5 * slope(0), 0.5 * slope(1)},
        "That is sigmoid(x tau); it is to be x / tau."}});
}

TASK("10.3") {
  check_near(
      "Your answer", gated_gradient(), 0,
      {{slope(-1) * soft(-1),
        "That is the gradient of the soft product. But the product's pullback multiplies by the "
        "other "
        "factor's *value*, and that is hard."},
       {slope(-1),
        "The product's pullback multiplies by the other factor's value. What is it at y = -1?"}});
}

TASK("10.4") {
  Tape<double> tape;
  const Var<double> x = tape.leaf({-1, 2, 0.5}), y = tape.leaf({-1, 3, 0.5});
  const Var<double> both = both_through(x, y, 1);
  check_near(
      "The value at x = (-1, 2, 0.5), y = (-1, 3, 0.5)", numbers(both.value()), {0, 1, 1},
      {{{soft(-1) * soft(-1), soft(2) * soft(3), soft(0.5) * soft(0.5)},
        "That is the soft product; the value is to be hard."},
       {{0, 1, 0},
        "At x = y = 0.5 both are on. The soft product is 0.39 there: take the product of the hard "
        "steps, not a step of the soft product."}});
  tape.backward(sum(both));
  check_near("The gradient with respect to x", numbers(x.grad()),
             {slope(-1) * soft(-1), slope(2) * soft(3), slope(0.5) * soft(0.5)},
             {{{0, slope(2), slope(0.5)},
               "It is gated by the hard values: the gradient is to be that of sigmoid(x / tau) "
               "sigmoid(y / tau)."}});
  const Var<double> cooler = both_through(x, y, 0.5);
  tape.zero_grad();
  tape.backward(sum(cooler));
  check_near("The gradient with respect to x, for tau = 0.5,", numbers(x.grad()),
             {2 * slope(-2) * soft(-2), 2 * slope(4) * soft(6), 2 * slope(1) * soft(1)});
}

int main(int, char** argv) { return course::run(argv[1]); }
