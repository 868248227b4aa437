#include <checking.hpp>
#include <iomanip>

using course::check;
using course::check_near;

namespace {

Vector map(const Vector& x, const std::function<double(double)>& f) {
  Vector y;
  for (double one : x) y.push_back(f(one));
  return y;
}
Vector map(const Vector& a, const Vector& b, const std::function<double(double, double)>& f) {
  Vector y;
  for (std::size_t i = 0; i < a.size(); ++i) y.push_back(f(a[i], b[i]));
  return y;
}

const double matrix[2][3] = {{1, 2, 3}, {-4, 5, 6}};

// y = M x.
Vector linear(const Vector& x) {
  Vector y(2);
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) y[i] += matrix[i][j] * x[j];
  }
  return y;
}
Vector linear_vjp(const Vector&, const Vector& ybar) {
  Vector x(3);
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) x[j] += matrix[i][j] * ybar[i];
  }
  return x;
}

// The pullback, called with as many elements as f has outputs.
Vjp checked(const Map& f, const Vjp& vjp) {
  return [f, vjp](const Vector& x, const Vector& ybar) {
    const std::size_t m = f(x).size();
    check(ybar.size() == m,
          "The pullback was called with a ybar of " + std::to_string(ybar.size()) +
              " elements, but f has " + std::to_string(m) +
              " outputs: u has an element for each output (unit(m, i), m = f(x).size()).");
    return vjp(x, ybar);
  };
}

Vector squares(const Vector& x) {
  return map(x, [](double one) { return one * one; });
}

}  // namespace

TASK("4.1") {
  const Vector x{1, 2, 3}, v{1, -1, 0.5};
  int calls = 0;
  const auto counted = [&calls](const Vector& at) {
    ++calls;
    return squares(at);
  };
  const Vector got = along(counted, x, v);
  check(got.size() != 3 || std::abs(got[0] / (2 * h * h) - 1) > 1e-3,
        "The result is h^2 times too small: / 2 * h divides by 2 and multiplies by h. Write / (2 * "
        "h).");
  check_near("J v for y = x^2 at (1, 2, 3), v = (1, -1, 0.5),", got, {2, -4, 3},
             {{{4, -8, 6}, "It is twice as large as it should be: the way is 2 h."},
              {{2, 4, 6},
               "That is the derivative of each element; the direction v is left out, or divided "
               "out again."},
              {{-2, 4, -3}, "The sign is wrong: the value further along v comes first."},
              {{2 + h, -4 + h, 3 + h / 4}, "That is the one-sided difference: go to both sides."},
              {{2 - h, -4 - h, 3 - h / 4}, "That is the one-sided difference: go to both sides."},
              {{2, 0, 0}, "That is the first input's part alone: move all inputs at once, by h v."},
              {{0, 0, 3}, "That is the last input's part alone: move all inputs at once, by h v."},
              {{2, 4, 1.5}, "It is multiplied by v once more: moving x by h v has done that."},
              {{0, 0, 0}, "x has not moved: make two copies of it, x + h v and x - h v."}},
             1e-6);
  check(calls <= 3, "f was evaluated " + std::to_string(calls) +
                        " times. J v takes two evaluations: move all inputs at once, by h v, and "
                        "call f before the loop over its outputs.");
  const Vector some = along(linear, x, v);
  check(some.size() == 2, "y = M x has 2 outputs for 3 inputs, so J v has 2 elements; yours has " +
                              std::to_string(some.size()) + ".");
  check_near("J v for y = M x, of 2 outputs and 3 inputs,", some, {0.5, -6}, {}, 1e-6);
  const double steep =
      along([](const Vector& z) { return map(z, [](double t) { return std::exp(10 * t); }); }, {1},
            {1})[0];
  check(std::abs(steep - 10 * std::exp(10)) < 0.1,
        "For exp(10 x) at 1 the difference is " + course::to_text({steep}) + ", too far from " +
            course::to_text({10 * std::exp(10)}) + ". Use both sides, x + h v and x - h v.");
}

TASK("4.2") {
  const Vector x{1, 2, 3}, u{1, -2}, v{0.5, 1, 2};
  const double right = mismatch(linear, checked(linear, linear_vjp), x, u, v);
  check(right < 1e-6, "For y = M x and its right pullback the two numbers differ by " +
                          course::to_text({right}) +
                          ". Compare <vjp(x, u), v> with <u, along(f, x, v)>.");
  const double curved = mismatch(
      squares,
      [](const Vector& at, const Vector& ybar) {
        return map(at, ybar, [](double one, double bar) { return 2 * one * bar; });
      },
      x, {1, -2, 3}, v);
  check(curved < 1e-6, "For y = x^2 and its right pullback the two numbers differ by " +
                           course::to_text({curved}) + ". Both functions are to be taken at x.");
  const auto times = [](double factor) {
    return checked(linear, [factor](const Vector& at, const Vector& ybar) {
      return map(linear_vjp(at, ybar), [factor](double one) { return factor * one; });
    });
  };
  // <J v, u> = (8.5, 15) . (1, -2) = -21.5
  check_near("For y = M x and a pullback that is twice the right one, the mismatch",
             mismatch(linear, times(2), x, u, v), 21.5,
             {{-21.5, "Take the absolute value of the difference."},
              {21, "That is a whole number: abs without std:: may be that of integers."},
              {0, "Nothing is noticed: is the pullback called at all?"}},
             1e-6);
  check_near("For a pullback with the opposite sign, the mismatch",
             mismatch(linear, times(-1), x, u, v), 43,
             {{-43, "Take the absolute value of the difference."},
              {0,
               "The two numbers have opposite signs, and you compare their sizes: take the "
               "absolute value of the difference."}},
             1e-6);
  check_near("For a pullback that is half the right one, the mismatch",
             mismatch(linear, times(0.5), x, u, v), 10.75,
             {{-10.75,
               "Take the absolute value of the difference, not the difference of absolute "
               "values."}},
             1e-6);
}

TASK("4.3") {
  const Vector x{1, 2, 3};
  const Vjp wrong = [](const Vector& at, const Vector& ybar) {
    Vector xbar = linear_vjp(at, ybar);
    xbar[2] += 0.5 * ybar[1];  // M_12 = 6.5 instead of 6
    return xbar;
  };
  const Element e = worst_element(linear, checked(linear, wrong), x);
  check(
      !(e.i == 2 && e.j == 1),
      "It should be output 1, input 2, where the pullback says 6.5 and the difference 6; yours "
      "has input and output exchanged. The pullback gives rows of J, a difference gives columns.");
  check(e.i < 2,
        "y = M x has 2 outputs, f(x).size(), and you name output " + std::to_string(e.i) + ".");
  check_near("The worst element's output and input", {double(e.i), double(e.j)}, {1, 2});
  check_near("What the pullback says there", e.analytic, 6.5,
             {{6, "That is what the difference says; analytic and numeric are exchanged."}}, 1e-6);
  check_near("What the difference says there", e.numeric, 6, {}, 1e-6);
  const Vjp small = [](const Vector& at, const Vector& ybar) {
    Vector xbar = linear_vjp(at, ybar);
    xbar[0] += ybar[0] - 3 * ybar[1];          // M_00 = 2 instead of 1, M_10 = -7 instead of -4
    xbar[1] += 2.5 * ybar[0] + 0.5 * ybar[1];  // M_01 = 4.5 instead of 2, M_11 = 5.5 instead of 5
    return xbar;
  };
  const Element low = worst_element(linear, checked(linear, small), x);
  check_near(
      "The worst element's output and input, where the pullback says -7 instead of -4, 4.5 instead "
      "of 2, 2 instead of 1 and 5.5 instead of 5,",
      {double(low.i), double(low.j)}, {1, 0},
      {{{0, 1},
        "The largest |analytic - numeric| is asked for, which is 3: an element that is too small "
        "counts, too, and differences are not divided by the element's size."},
       {{0, 0}, "That is the first element that is off. Remember the largest difference so far."},
       {{1, 1}, "That is the last element that is off. Remember the largest difference so far."},
       {{1, 2},
        "That is the last element that is off, if only by rounding. Remember the largest "
        "difference so far."}});
  const Map column = [](const Vector& at) { return Vector{at[0], 2 * at[0], 3 * at[0]}; };
  const Vjp first = [](const Vector&, const Vector& ybar) { return Vector{ybar[0] + 2 * ybar[1]}; };
  const Element last = worst_element(column, checked(column, first), {1});
  check_near("For 3 outputs of 1 input, the worst element's output and input",
             {double(last.i), double(last.j)}, {2, 0},
             {{{0, 0}, "You compare sizes, or a pullback's 0 does not count: subtract first."}});
  const Map twice = [](const Vector& at) { return Vector{2 * at[0]}; };
  const Vjp minus = [](const Vector&, const Vector& ybar) { return Vector{-2 * ybar[0]}; };
  const Element sign = worst_element(twice, checked(twice, minus), {1});
  check_near("Where the pullback has the wrong sign, -2 instead of 2, both numbers",
             {sign.analytic, sign.numeric}, {-2, 2},
             {{{2, 2}, "Take the absolute value of the difference only; the numbers keep signs."},
              {{0, 0}, "The difference of absolute values is 0 there: subtract first, then abs."}},
             1e-6);
  const Map falling = [](const Vector& at) { return Vector{at[0], -2 * at[0]}; };
  const Vjp rising = [](const Vector&, const Vector& ybar) {
    return Vector{0.5 * ybar[0] + 2 * ybar[1]};
  };
  const Element opposite = worst_element(falling, checked(falling, rising), {1});
  check_near("For derivatives (1, -2) and a pullback's (0.5, 2), the worst element's i and numbers",
             {double(opposite.i), opposite.analytic, opposite.numeric}, {1, 2, -2},
             {{{0, 0.5, 1}, "You compare sizes: subtract first, then take the absolute value."},
              {{1, 2, 2}, "The numbers keep their signs: only their difference is made positive."}},
             1e-6);
}

TASK("4.4") {
  const auto relu = [](double x) { return x > 0 ? x : 0; };
  const auto square = [](double x) { return x * x; };
  check(is_slope(square, 3, 6),
        "The slope of x^2 at 3 is 6, but it is refused. Differences are not exact; "
        "allow for 1e-4 or so.");
  check(!is_slope(square, 3, 6.1), "6.1 is no slope of x^2 at 3, but it is accepted.");
  const auto bend = [](double x) { return x * x * x; };
  check(is_slope(bend, 1, 3),
        "The slope of x^3 at 1 is 3, but it is refused: differences are off by about h. Allow for "
        "1e-4.");
  check(is_slope(bend, 0, 0) && is_slope(square, 0.3, 0.6) &&
            is_slope([](double x) { return 3 * x; }, 1000, 3),
        "A right slope is refused: 0 of x^3 at 0, 0.6 of x^2 at 0.3, or 3 of 3 x at 1000. "
        "Differences are not exact, by "
        "h and by rounding; allow for 1e-4.");
  check(is_slope(relu, 0, 0) && is_slope(relu, 0, 1),
        "max(x, 0) has a kink at 0: 0 from the left, 1 from the right. Both are derivatives there, "
        "but one is refused. A central difference sees 0.5 only.");
  check(is_slope(relu, 0, 0.5),
        "Between the slopes of both sides everything is a derivative (a "
        "subgradient), also 0.5 of max(x, 0) at 0. It is refused.");
  check(!is_slope(relu, 0, 1.5) && !is_slope(relu, 0, -0.5),
        "1.5 or -0.5 is accepted as a slope of max(x, 0) at 0; neither is between 0 and 1.");
  check(is_slope([](double x) { return std::min(x, 0.0); }, 0, 0.25),
        "min(x, 0) has slope 1 from the left and 0 from the right. 0.25 is between them, but "
        "refused: the "
        "left slope may be the larger one.");
  check(!is_slope(square, 3, 6.02),
        "6.02 is no slope of x^2 at 3, but it is accepted: the tolerance is too large.");
  check(!is_slope(relu, 1, 0.5), "At 1, max(x, 0) is smooth with slope 1; 0.5 is accepted.");
}

namespace {

struct Case {
  char name;
  const char* what;
  Map f;
  Vjp vjp;
  Vector x;
};

const std::vector<Case>& cases() {
  static const auto times = [](double a, double b) { return a * b; };
  static const double square[3][3] = {{1, 2, 3}, {-4, 5, 6}, {7, -8, 9}};
  static const auto apply = [](const Vector& x) {
    Vector y(3);
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) y[i] += square[i][j] * x[j];
    }
    return y;
  };
  static const auto total = [](const Vector& x) { return dot(x, Vector(x.size(), 1)); };
  static const std::vector<Case> all{
      {'A',
       "transposed",
       apply,
       [](const Vector&, const Vector& u) { return apply(u); },
       {1, 2, 3}},
      {'B',
       "right",
       [](const Vector& x) { return map(x, [](double t) { return std::sin(t); }); },
       [](const Vector& x, const Vector& u) {
         return map(u, x, [](double ybar, double t) { return ybar * std::cos(t); });
       },
       {0.3, 1.2, -2}},
      {'C',
       "forgotten use",  // y = x sum(x)
       [](const Vector& x) { return map(x, [&](double t) { return t * total(x); }); },
       [](const Vector& x, const Vector& u) {
         return map(u, [&](double t) { return t * total(x); });
       },
       {1, 2, 3}},
      {'D',
       "zero",
       [](const Vector& x) { return map(x, [](double t) { return std::tanh(t); }); },
       [](const Vector& x, const Vector&) { return Vector(x.size()); },
       {0.3, 1.2, -2}},
      {'E',
       "missing sum",
       [](const Vector& x) { return Vector(3, x[0]); },
       [](const Vector&, const Vector& u) { return Vector{u[0]}; },
       {2}},
      {'F',
       "factor",
       squares,
       [](const Vector& x, const Vector& u) { return map(u, x, times); },
       {1, 2, -3}},
      {'G',
       "wrong branch",
       [](const Vector& x) { return map(x, [](double t) { return t * std::abs(t); }); },
       [](const Vector& x, const Vector& u) {
         return map(u, x, [](double ybar, double t) { return 2 * ybar * t; });
       },
       {1, -2, 3}},
      {'H',
       "sign",
       [](const Vector& x) { return map(x, [](double t) { return 1 / t; }); },
       [](const Vector& x, const Vector& u) {
         return map(u, x, [](double ybar, double t) { return ybar / (t * t); });
       },
       {1, -2, 3}},
  };
  return all;
}

// Both Jacobians, side by side (without the student's functions).
std::string jacobians(const Case& c) {
  const std::size_t m = c.f(c.x).size(), n = c.x.size();
  std::ostringstream out;
  out << std::fixed << std::setprecision(2);
  for (std::size_t i = 0; i < m; ++i) {
    Vector e(m);
    e[i] = 1;
    const Vector row = c.vjp(c.x, e);
    out << "\n       ";
    for (double one : row) out << std::setw(8) << one + 0.0;
    out << "    ";
    for (std::size_t j = 0; j < n; ++j) {
      Vector up = c.x, down = c.x;
      up[j] += 1e-5;
      down[j] -= 1e-5;
      const double numeric = (c.f(up)[i] - c.f(down)[i]) / 2e-5;
      out << std::setw(8) << (std::abs(numeric) < 5e-3 ? 0 : numeric);
    }
  }
  return out.str();
}

}  // namespace

TASK("4.5") {
  const std::vector<std::string> answers = diagnoses();
  check(answers.size() <= 8,
        "You return " + std::to_string(answers.size()) + " words for the 8 pullbacks A to H.");
  std::string message;
  int wrong = 0;
  for (const Case& c : cases()) {
    const std::size_t at = std::size_t(c.name - 'A');
    const std::string said = at < answers.size() ? answers[at] : "?";
    if (said == c.what) continue;
    ++wrong;
    message += std::string("\n") + c.name + ": \"" + said + "\" is not it.";
    static const std::vector<std::string> kinds{"right",        "factor",     "sign",
                                                "missing sum",  "transposed", "forgotten use",
                                                "wrong branch", "zero"};
    if (said != "?" && std::find(kinds.begin(), kinds.end(), said) == kinds.end()) {
      message +=
          " The words are: right, factor, sign, missing sum, transposed, forgotten use, wrong "
          "branch, zero.";
    } else if (c.name == 'G' && said == "sign") {
      message += " Only the element of the negative input has the other sign.";
    } else if (c.name == 'C' && said == "missing sum") {
      message +=
          " There is no copied input: each of the 3 inputs has a row and a column of its own.";
    } else if (c.name == 'E' && said == "forgotten use") {
      message +=
          " One input was copied to 3 outputs, and gets only one output's part: broadcasting.";
    } else if (c.name == 'E' && said == "zero") {
      message += " Something arrives: the first output's part.";
    }
    message +=
        " At x = " + course::to_text(c.x) + " dy_i / dx_j is, by the pullback and by differences,";
    message += jacobians(c);
  }
  check(wrong == 0, std::to_string(wrong) + " of 8 are not diagnosed." + message);
}

int main(int, char** argv) { return course::run(argv[1]); }
