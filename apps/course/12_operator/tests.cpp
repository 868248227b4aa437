#include <operator.hpp>

using course::check;
using course::check_near;

namespace {

template <class T> std::vector<double> numbers(const Array<T>& x) { return {x.begin(), x.end()}; }

const Array<double> x{-3, -0.5, 0, 0.25, 1.5, 2};
const std::vector<double> right_values{1 * (3 - 0.5), 0.125, 0, 0.03125, 1, 1.5},
    right_slopes{-1, -0.5, 0, 0.25, 1, 1};

template <class F> std::vector<double> gradient_of(const F& f) {
  Tape<double> tape;
  const Var<double> leaf = tape.leaf(x);
  tape.backward(f(leaf), {1, 1, 1, 1, 10, 1});
  return numbers(leaf.grad());
}
std::vector<double> scaled() {
  std::vector<double> right = right_slopes;
  right[4] *= 10;
  return right;
}

}  // namespace

TASK("12.1") {
  check_near("The values at (-3, -0.5, 0, 0.25, 1.5, 2), delta = 1,", numbers(huber_values(x, 1)),
             right_values,
             {{{4.5, 0.125, 0, 0.03125, 1.125, 2},
               "That is the parabola everywhere; beyond delta it goes on as a line."},
              {{3, 0.125, 0, 0.03125, 1.5, 2},
               "delta / 2 is missing: the lines have to meet the parabola."},
              {{2.5, 0, -0.5, -0.25, 1, 1.5}, "That is the line everywhere."},
              {{2.5, 0.25, 0, 0.0625, 1, 1.5}, "The parabola is x^2 / 2."}});
  check_near("The value at 3, delta = 2,", numbers(huber_values(Array<double>{3}, 2))[0], 4,
             {{2, "The line is delta (|x| - delta / 2), with the factor delta in front."}});
}

TASK("12.2") {
  const std::vector<double> got =
      gradient_of([](const Var<double>& leaf) { return huber(leaf, 1); });
  check_near("The gradient, for ybar = (1, 1, 1, 1, 10, 1)", got, scaled(),
             {{right_slopes, "ybar has been left out."},
              {{1, -0.5, 0, 0.25, 10, 1}, "On the left the line falls: -delta where x < -delta."},
              {{-3, -0.5, 0, 0.25, 15, 2}, "That is the parabola's slope everywhere."},
              {{0, 0, 0, 0, 0, 0}, "Nothing arrives: accumulate for y.input(0)."}});
}

TASK("12.3") {
  const GradcheckReport report = check_huber({0.3, -2, 5}, 1);
  check(report.ok(), "gradcheck says: " + report.text());
  check(report.rows.size() == 1,
        "One input was to be checked; the report has " + std::to_string(report.rows.size()) + ".");
  // A wrong delta in the pullback has to be found by whoever checks: so does the student's check look at delta?
  const GradcheckReport wide = check_huber({3, -2.5}, 2);
  check(wide.ok(), "For delta = 2 gradcheck says: " + wide.text());
}

TASK("12.4") {
  check_near(
      "The second derivatives along v = (1, 2, 3, 4, 5, 6)",
      numbers(second_derivative(x, {1, 2, 3, 4, 5, 6}, 1)), {0, 2, 3, 4, 0, 0},
      {{right_slopes, "These are first derivatives: read .tangent of the gradient, not .value."},
       {{0, 1, 1, 1, 0, 0}, "v has not been given to the inputs: .tangent = v_i."},
       {{0, 0, 0, 0, 0, 0}, "result is 0: set the inputs' .tangent, and read the gradient's."}});
}

TASK("12.5") {
  Tape<double> tape;
  check_near("The values", numbers(fast_huber(tape.leaf(x), 1).value()), right_values);
  check_near("The gradient, for ybar = (1, 1, 1, 1, 10, 1)",
             gradient_of([](const Var<double>& leaf) { return fast_huber(leaf, 1); }), scaled(),
             {{right_slopes, "ybar has been left out."}});
  // Many at once, and in float: the vectors' ends, too.
  Array<float> many = uninitialized<float>({1003});
  for (std::size_t i = 0; i < many.size(); ++i) many.data()[i] = float(i % 7) - 3;
  check_near("The last value of 1003 floats", fast_huber(constant(many), 1).value().data()[1002],
             1.5, {}, 1e-6);
}

int main(int, char** argv) { return course::run(argv[1]); }
