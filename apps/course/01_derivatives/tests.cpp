#include <derivatives.hpp>

using course::check;
using course::check_near;

TASK("1.1") {
  const auto f = [](double x) { return std::exp(x); };
  const double x = 1, h = 0.1, up = f(x + h), here = f(x), down = f(x - h);
  check_near(
      "The difference of exp at 1 with h = 0.1", central_difference(f, x, h), (up - down) / (2 * h),
      {{(up - here) / h,
        "That is the one-sided difference, f(x + h) - f(x), whose error falls like h only. Go "
        "to both sides."},
       {(here - down) / h,
        "That is the one-sided difference, f(x) - f(x - h), whose error falls like h only. Go "
        "to both sides."},
       {(up - down) / h,
        "It is twice as large as it should be: from x - h to x + h the way is 2 h."},
       {up - down / (2 * h),
        "Only the second value is divided: write parentheses around the difference."},
       {(f(x + h / 2) - f(x - h / 2)) / h, "Go a whole step to each side: x + h and x - h."},
       {(up - down) / 2 * h, "/ 2 * h divides by 2 and multiplies by h. Write / (2 * h)."},
       {(down - up) / (2 * h), "The sign is wrong: the value further right comes first."}});
}

TASK("1.2") {
  const double at_0 = good_step(0);
  check(at_0 > 0, "At x = 0 your step is " + course::to_text({at_0}) +
                      "; it has to be larger than 0. Let it be proportional to max(1, |x|).");
  check(good_step(1) != 1,
        "At x = 1 your step is 1. In C++ 1 / 3 is 0, as both are integers: write 1.0 / 3, or "
        "std::cbrt.");
  const auto error = [](double h) {
    return std::abs((std::exp(1 + h) - std::exp(1 - h)) / (2 * h) / std::exp(1) - 1);
  };
  const double h = good_step(1);
  const std::string met = "Your step at 1 is " + course::to_text({h}) +
                          ", where the difference of exp is off by " + course::to_text({error(h)}) +
                          ". ";
  check(h > 1e-6,
        met +
            "It is too small: f(x + h) and f(x - h) agree in all but a few digits, and the "
            "rounding of these, about 1e-16, is divided by h. Balance 1e-16 / h with h^2.");
  check(h < 1e-4,
        met +
            "It is too large: the error of the formula grows like h^2. Balance it with the "
            "error of rounding, about 1e-16 / h.");
  for (const double x : {1e6, -1e6}) {
    check(good_step(x) > 100 * h,
          "At x = " + course::to_text({x}) + " your step is " + course::to_text({good_step(x)}) +
              ". There, numbers are 1e-10 apart, a million times as far as at 1; the "
              "step has to grow with |x|.");
  }
}

TASK("1.3") {
  const Dual a{3, 0.5}, b{-2, 4}, c = a * b;
  check_near("The value of (3, derivative 0.5) * (-2, derivative 4)", c.value, -6);
  check_near("The derivative of (3, derivative 0.5) * (-2, derivative 4)", c.derivative, 11,
             {{2, "The derivative of a product is not the product of the derivatives."},
              {-1, "The term a b' is missing: b changes, too."},
              {12, "The term a' b is missing: a changes, too."},
              {-13, "It is a sum of two terms, not a difference."}});
}

TASK("1.4") {
  const Dual a{3, 0.5}, b{-2, 4}, c = a / b;
  check_near("The value of (3, derivative 0.5) / (-2, derivative 4)", c.value, -1.5);
  check_near("The derivative of (3, derivative 0.5) / (-2, derivative 4)", c.derivative,
             (0.5 * -2 - 3 * 4) / 4.0,
             {{(0.5 - 3 * 4) / -2, "(a' - q b') / b has the quotient q in it, not a."},
              {0.125, "The derivative of a quotient is not the quotient of the derivatives."},
              {(3 * 4 - 0.5 * -2) / 4.0, "The sign is wrong: it is a' b - a b', over b^2."},
              {(0.5 * -2 - 3 * 4) / -2.0, "It is divided by b only once; it should be by b^2."},
              {(0.5 * -2 + 3 * 4) / 4.0, "It is a difference of two terms, not a sum."},
              {-0.25, "The term of b' is missing: b changes, too."}});
}

TASK("1.5") {
  const Dual x{2, 3};  // as after x = 3 t - 4 at t = 2
  const Dual y = sin(x);
  check_near("The value of sin(2, derivative 3)", y.value, std::sin(2));
  check_near("The derivative of sin(2, derivative 3)", y.derivative, 3 * std::cos(2),
             {{std::cos(2),
               "It has not been multiplied by the derivative of the argument, which is 3 here."},
              {-3 * std::cos(2), "The sign is wrong: sin' = cos, and cos' = -sin."},
              {3 * std::sin(2), "The derivative of sin is cos."},
              {std::cos(3), "It is cos of the derivative; the chain rule is f'(x) x'."}});
}

TASK("1.6") {
  int calls = 0;
  // Without operators, so that it needs no other task: f = x0 + 10 x1 + 100 x2.
  const auto f = [&calls](const std::vector<Dual>& x) {
    ++calls;
    Dual sum;
    double weight = 1;
    for (const Dual& one : x) {
      sum.value += weight * one.value;
      sum.derivative += weight * one.derivative;
      weight *= 10;
    }
    return sum;
  };
  const std::vector<double> found = gradient(f, {5, 6, 7});
  check(calls <= 3,
        "f was evaluated " + std::to_string(calls) +
            " times for 3 inputs; forward mode needs one evaluation for each input, and "
            "no differences: input i gets derivative 1, and the result's derivative is "
            "read.");
  check_near(
      "The gradient of x0 + 10 x1 + 100 x2", found, {1, 10, 100},
      {{{111, 111, 111},
        "Every input's derivative is 1 in every evaluation, so you get the sum of all "
        "derivatives. In evaluation i only input i changes."},
       {{1, 11, 111},
        "The derivatives of the inputs before are still 1. In evaluation i only input i "
        "changes; all others have derivative 0."},
       {{111, 110, 100}, "In evaluation i only input i changes; all others have derivative 0."},
       {{111},
        "That is one number, the sum of all derivatives. A gradient has one for each input."},
       {{0, 0, 0}, "No input changes: the derivative of input i with respect to itself is 1."},
       {{100, 10, 1}, "The order is reversed."}});
  // Not linear, so that inputs' values matter, and again without operators.
  const auto volume = [](const std::vector<Dual>& x) {
    Dual product{1, 0};
    for (const Dual& one : x) {
      product = {product.value * one.value,
                 product.derivative * one.value + product.value * one.derivative};
    }
    return product;
  };
  const char* lost =
      "The inputs that do not change have lost their values: input j is Dual{x[j], 0}.";
  check_near(
      "The gradient of x0 x1 x2 at (5, 6, 7)", gradient(volume, {5, 6, 7}), {42, 35, 30},
      {{{0, 0, 0}, lost},   // they are Dual{}
       {{0, 0, 30}, lost},  // .. until their turn comes
       {{42, 0, 0}, lost},  // .. after it
       {{1, 5, 30}, "f takes all inputs in each evaluation, also those whose turn is to come."},
       {{25, 36, 49}, "Every input has the value x[i]; input j has the value x[j]."}});
  check(calls == 3, "f was evaluated " + std::to_string(calls) +
                        " times for 3 inputs; forward mode needs one evaluation for each input.");
}
int main(int, char** argv) { return course::run(argv[1]); }
