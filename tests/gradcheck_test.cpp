#include "gradcheck/gradcheck.hpp"

#include <nlohmann/json.hpp>

#include "gradcheck/derivatives.hpp"
#include "gradcheck/doctest.hpp"
#include "gradcheck/layer.hpp"
#include "gradcheck/slope.hpp"
#include "gradcheck/vars.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "pullbacks.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

GradcheckOptions in_mode(GradcheckMode mode) {
  GradcheckOptions options;
  options.mode = mode;
  return options;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A wrong operator: the value of x^2 with the gradient of x.
Var<double> wrong_square(const Var<double>& x) {
  return record("wrong_square", {x}, Array<double>(x.value() * x.value()),
                [](Node<double>& y) { accumulate(y.input(0), y.cotangent()); });
}

}  // namespace

TEST_CASE("gradcheck finds every wrong pullback, and says what the usual mistakes look like") {
  const auto cases = wrong_pullbacks();
  CHECK(cases.size() >= 25);
  for (const PullbackCase& c : cases) {
    CAPTURE(c.name);
    const GradcheckReport report = c.check();
    CHECK(report.failure == "");
    CHECK(!report.ok());
    CHECK_MESSAGE(contains(report.text(), c.looks_like), report.text());
    CHECK(!c.check(GradcheckMode::sparse).ok());
  }
}

TEST_CASE("gradcheck accepts right pullbacks that are awkward to check, in every mode") {
  for (const PullbackCase& c : awkward_pullbacks()) {
    CAPTURE(c.name);
    for (const GradcheckMode mode : {GradcheckMode::automatic, GradcheckMode::fast,
                                     GradcheckMode::sparse, GradcheckMode::taylor}) {
      CAPTURE(int(mode));
      const GradcheckReport report = c.check(mode);
      CHECK_MESSAGE(report.ok(), report.text());
    }
  }
}

TEST_CASE("where a direction disagrees, the element is found and named") {
  for (const PullbackCase& c : wrong_pullbacks()) {
    if (c.x.size() != 10000) continue;
    CAPTURE(c.name);
    const std::string text = c.check().text();
    CHECK_MESSAGE(contains(text, "element (4321), along a random cotangent"), text);
  }
}

TEST_CASE("the steps find one-sided slopes at a kink, and a derivative with its error elsewhere") {
  const auto abs_exp = [](double t) { return std::vector<double>{std::abs(t), std::exp(t)}; };
  const std::vector<Slope> found = slopes(abs_exp, {0.0, 1.0}, {});
  CHECK(found[0].kink);
  CHECK(found[0].below == -1);
  CHECK(found[0].above == 1);
  CHECK(!found[1].kink);
  CHECK(std::abs(found[1].value - 1) <= found[1].error);
  CHECK(found[1].error < 1e-10);
  // A domain that ends nearby: steps that leave it are passed over.
  const auto log_of = [](double t) { return std::vector<double>{std::log(1e-3 + t)}; };
  CHECK(slopes(log_of, {std::log(1e-3)}, {})[0].value == doctest::Approx(1e3).epsilon(1e-8));
}

TEST_CASE("a kink is told in the report, with its slopes") {
  const auto report = gradcheck([](Var<double> x) { return abs(x); }, {Array<double>{0.0, 1.0}});
  CHECK(report.ok());
  CHECK(contains(report.text(), "at a kink, between the slopes of its sides, and accepted: 1"));
  const auto json = nlohmann::json::parse(report.json());
  CHECK(json["ok"] == true);
  CHECK(json["rows"][0]["kinks"] == 1);
  CHECK(json["rows"][0]["entries"][0]["verdict"] == "kink");
  CHECK(json["rows"][0]["entries"][0]["below"] == -1);
  CHECK(json["rows"][0]["entries"][0]["above"] == 1);
}

TEST_CASE("gradcheck says which input's gradient is wrong, where, and by which factor") {
  const auto report =
      gradcheck([](Var<double> a, Var<double> b) { return a * wrong_square(b); },
                {Array<double>{{1.0, 2.0}, {3.0, 4.0}}, Array<double>{{0.5, 1.0}, {0.25, 0.5}}});
  CHECK(report.text() ==
        "input 0 (2, 2): right, 16 elements of the Jacobian, worst relative error 0.0e+00\n"
        "input 1 (2, 2): WRONG, 2 of 16 elements of the Jacobian\n"
        "  output (0, 1), element (0, 1): analytic 2, numeric 4, ratio 0.5\n"
        "  output (1, 0), element (1, 0): analytic 3, numeric 1.5, ratio 2\n");
  CHECK(report.rows[0].wrong == 0);
  CHECK(report.rows[1].wrong == 2);
}

TEST_CASE("functions of Vars in every form that the header promises") {
  const Array<double> x{1.0, 2.0}, y{3.0, 4.0};
  TAPESORT_CHECK_GRADIENT([](Var<double> a, Var<double> b) { return a * b; }, {x, y});
  TAPESORT_CHECK_GRADIENT([](const auto& a, const auto& b) { return sum(a * b); }, {x, y});
  TAPESORT_CHECK_GRADIENT([](const std::vector<Var<double>>& v) { return v[0] * v[1]; }, {x, y});
  TAPESORT_CHECK_GRADIENT(
      [](Tape<double>& tape, const Var<double>& a) {
        return a * tape.constant({5.0, 6.0});
      },
      {x});
  CHECK(gradcheck<float>([](Var<float> a) { return exp(a); }, {Array<float>{1.0f, 2.0f}}).ok());
  CHECK(!gradcheck<float>([](Var<float> a) { return a * stop_gradient(a); },
                          {Array<float>{1.0f, 2.0f}})
             .ok());
  CHECK(error_of([&] {
          gradcheck([](Var<double> a) { return a; }, {x, y});
        }) ==
        "invalid_argument: gradcheck: f does not take the 2 inputs that are given; it has to "
        "take so many Vars, or a std::vector of them");
}

TEST_CASE("a function of Parameters alone") {
  Parameter<double> p("p", Array<double>{1.0, -2.0});
  const auto f = [&](Tape<double>& tape) { return square(tape.leaf(p)); };
  TAPESORT_CHECK_GRADIENT(f, {}, {}, {&p});
  const GradcheckReport report = gradcheck(f, {}, {}, {&p});
  CHECK(report.rows[0].input == "p");
  CHECK(report.rows[0].compared == 4);
}

TEST_CASE("plain functions without a tape, in float and double") {
  const auto f = [](const std::vector<float>& x) { return std::vector<float>{x[0] * x[1]}; };
  const auto right = [](const std::vector<float>& x, const std::vector<float>& ybar) {
    return std::vector<float>{ybar[0] * x[1], ybar[0] * x[0]};
  };
  const auto wrong = [](const std::vector<float>& x, const std::vector<float>& ybar) {
    return std::vector<float>{ybar[0] * x[1], ybar[0] * x[1]};
  };
  TAPESORT_CHECK_GRADIENT_FLOAT(f, right, {2, 3});
  const auto number = [](const std::vector<float>& x) { return x[0] * x[1]; };
  CHECK(gradcheck<float>(number, right, {2, 3}).ok());
  CHECK(!gradcheck<float>(number, wrong, {2, 3}).ok());
  CHECK(!gradcheck<float>(f, wrong, {2, 3}).ok());
  const auto nothing = [](const std::vector<float>&) { return std::vector<float>(); };
  CHECK(gradcheck<float>(nothing, wrong, {2, 3}).text().find("f gives an empty result") !=
        std::string::npos);
  const auto array_f = [](const Array<double>& x) { return Array<double>(x * x); };
  const auto array_vjp = [](const Array<double>& x, const Array<double>& ybar) {
    return Array<double>(2 * x * ybar);
  };
  const auto as_array = [](const std::vector<double>& x) {
    Array<double> array = uninitialized<double>({x.size()});
    std::copy(x.begin(), x.end(), array.data());
    return array;
  };
  CHECK(gradcheck([&](const std::vector<double>& x) { return array_f(as_array(x)); },
                  [&](const std::vector<double>& x, const std::vector<double>& ybar) {
                    return array_vjp(as_array(x), as_array(ybar));
                  },
                  {1.0, -2.0, 3.0})
            .ok());
}

namespace {

void scale(const double* x, std::size_t n, const double* a, double* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = *a * x[i];
}
void scale_backward(const double* x, std::size_t n, const double* a, const double* ybar,
                    double* xbar, double* abar) {
  *abar = 0;
  for (std::size_t i = 0; i < n; ++i) xbar[i] = *a * ybar[i], *abar += x[i] * ybar[i];
}

}  // namespace

TEST_CASE("functions behind a C interface, as gradcheck/README.md shows them") {
  GradcheckProblem problem;
  problem.inputs = {{"x", {3}, {1.0, -2.0, 0.5}}, {"a", {}, {3.0}}};
  problem.f = [](const GradcheckProblem::Values& in) {
    std::vector<double> y(3);
    scale(in[0].data(), 3, in[1].data(), y.data());
    return y;
  };
  problem.vjp = [](const GradcheckProblem::Values& in, const std::vector<double>& ybar) {
    GradcheckProblem::Values bar{std::vector<double>(3), std::vector<double>(1)};
    scale_backward(in[0].data(), 3, in[1].data(), ybar.data(), bar[0].data(), bar[1].data());
    return bar;
  };
  const GradcheckReport report = gradcheck(problem);
  CHECK_MESSAGE(report.ok(), report.text());
  REQUIRE(report.rows.size() == 2);
  CHECK(report.rows[1].input == "a");
  CHECK(report.rows[0].compared + report.rows[1].compared == 12);
}

TEST_CASE("in float, right gradients are accepted, and an element off by 2 % is found") {
  const auto softmax = [](const std::vector<float>& x) {
    std::vector<float> y;
    float sum = 0;
    for (float v : x) y.push_back(std::exp(v)), sum += y.back();
    for (float& p : y) p /= sum;
    return y;
  };
  for (const float off : {1.0f, 1.02f}) {
    const auto vjp = [&](const std::vector<float>& x, const std::vector<float>& ybar) {
      std::vector<float> y = softmax(x);
      float mean = 0;
      for (std::size_t i = 0; i < x.size(); ++i) mean += y[i] * ybar[i];
      for (std::size_t i = 0; i < x.size(); ++i) y[i] *= ybar[i] - mean;
      y[3] *= off;
      return y;
    };
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      Generator random(seed);
      std::vector<float> x(16);
      for (float& v : x) v = float(random.normal<double>({1})(0));
      const GradcheckReport report = gradcheck<float>(softmax, vjp, x);
      CHECK_MESSAGE(report.ok() == (off == 1), report.text());
    }
  }
}

TEST_CASE("a layer is checked with its parameters, by name, and is left as it was") {
  Generator random(3);
  Linear<double> fc("fc", 3, 2, Init::fan_in, random);
  const State<double> state = fc.state();
  const Array<double> weight = state.parameters[0]->value;
  const GradcheckReport report = gradcheck(fc, {random.normal<double>({5, 3})});
  CHECK_MESSAGE(report.ok(), report.text());
  REQUIRE(report.rows.size() == 3);
  CHECK(report.rows[1].input == "fc.weight");
  CHECK(report.rows[1].compared == 60);
  CHECK(report.rows[2].input == "fc.bias");
  CHECK(state.parameters[0]->value == weight);
  CHECK(state.parameters[0]->grad == zeros<double>({3, 2}));

  const auto broken = [&](Tape<double>& tape, const Var<double>& x) {
    return x * stop_gradient(tape.leaf(*state.parameters[1]));
  };
  const GradcheckReport wrong =
      gradcheck(broken, {random.normal<double>({5, 2})}, {}, state.parameters);
  CHECK(contains(wrong.text(), "input fc.bias (2): WRONG"));
  CHECK(contains(wrong.text(), "looks like: the gradient is 0"));
}

TEST_CASE("the sharp, the offset and the tied: operators of this library at their edges") {
  Generator random(4);
  Array<double> tied = random.normal<double>({12});
  tied(3) = tied(7) = tied(1);
  TAPESORT_CHECK_GRADIENT([](Var<double> s) { return neural_sort(s, 0.01); },
                          {random.normal<double>({8})});
  TAPESORT_CHECK_GRADIENT([](Var<double> s) { return neural_sort(s, 1.0); }, {tied});
  TAPESORT_CHECK_GRADIENT([](Var<double> s) { return log_softmax(s); },
                          {Array<double>(random.normal<double>({20}) + 1000.0)});
  TAPESORT_CHECK_GRADIENT([](Var<double> s) { return relu(s); }, {random.normal<double>({10000})});
}

TEST_CASE("gradcheck where squares overflow, where scales are mixed, and at infinite inputs") {
  using Numbers = std::vector<double>;
  const auto huge = [](const Numbers& x) {
    Numbers y;
    for (double v : x) y.push_back(1e160 * v * v);
    return y;
  };
  const auto times = [](double factor) {
    return [factor](const Numbers& x, const Numbers& ybar) {
      Numbers xbar;
      for (std::size_t i = 0; i < x.size(); ++i) xbar.push_back(factor * 1e160 * x[i] * ybar[i]);
      return xbar;
    };
  };
  for (const GradcheckMode mode :
       {GradcheckMode::full, GradcheckMode::fast, GradcheckMode::sparse, GradcheckMode::taylor}) {
    GradcheckOptions options;
    options.mode = mode;
    CAPTURE(int(mode));
    CHECK(gradcheck(huge, times(2), {1.0, 0.5, -2.0}, options).ok());
    CHECK(!gradcheck(huge, times(-7), {1.0, 0.5, -2.0}, options).ok());
  }
  const auto mixed = [](const Numbers& x) { return Numbers{std::sin(x[0] / 1e15), x[1]}; };
  const auto slope = [](double factor) {
    return [factor](const Numbers& x, const Numbers& ybar) {
      return Numbers{factor * std::cos(x[0] / 1e15) / 1e15 * ybar[0], ybar[1]};
    };
  };
  CHECK(gradcheck(mixed, slope(1), {7e14, 1}).ok());
  CHECK(!gradcheck(mixed, slope(-1), {7e14, 1}).ok());
  CHECK(gradcheck(huge, times(2), {1.0, INFINITY}).failure ==
        "input 0 is inf at element (1); there is no derivative to check at these inputs");
}

TEST_CASE("gradcheck where f throws near the inputs") {
  using Numbers = std::vector<double>;
  const auto f = [](const Numbers& x) {
    if (!(x[1] > 0)) throw std::domain_error("log");
    return std::abs(x[0]) + std::log(x[1]);
  };
  const auto pullback = [](double factor) {
    return [factor](const Numbers& x, const Numbers& ybar) {
      return Numbers{0, factor * ybar[0] / x[1]};
    };
  };
  for (const GradcheckMode mode : {GradcheckMode::full, GradcheckMode::taylor}) {
    GradcheckOptions options;
    options.mode = mode;
    CAPTURE(int(mode));
    CHECK(gradcheck(f, pullback(1), {0.0, 1e-2}, options).ok());
    CHECK(!gradcheck(f, pullback(2), {0.0, 1e-4}, options).ok());
  }
  CHECK(gradcheck(f, pullback(1), {0.0, 1e-8}).ok());
}

TEST_CASE("a Jacobian has a row for each number of the result") {
  const Array<double> x{1.0, 2.0, 3.0};
  CHECK(jacobian([](const Var<double>& v) { return v * v; }, x) ==
        Array<double>{{2.0, 0.0, 0.0}, {0.0, 4.0, 0.0}, {0.0, 0.0, 6.0}});
  CHECK(jacobian([](const Var<double>& v) { return sum(v * v); }, x) ==
        Array<double>{2.0, 4.0, 6.0});
  CHECK(jacobian([](const Var<double>&) { return constant(scalar(1.0)); }, x) ==
        zeros<double>({3}));
}

TEST_CASE("the Taylor mode reports the orders observed") {
  const auto f = [](Var<double> x) { return exp(x); };
  const GradcheckReport report =
      gradcheck(f, {Array<double>{0.5, -0.25}}, in_mode(GradcheckMode::taylor));
  CHECK(report.ok());
  REQUIRE(report.rows[0].orders.size() == 2);
  CHECK(report.rows[0].orders[0] == doctest::Approx(1).epsilon(0.1));
  CHECK(report.rows[0].orders[1] == doctest::Approx(2).epsilon(0.1));
  const GradcheckReport wrong =
      gradcheck([](Var<double> x) { return wrong_square(x); }, {Array<double>{0.7, -0.25}},
                in_mode(GradcheckMode::taylor));
  CHECK(!wrong.ok());
  CHECK(wrong.rows[0].orders[1] == doctest::Approx(1).epsilon(0.1));
}

TEST_CASE("directions that a known element explains do not look for it again") {
  Numbers x(4000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1 + std::sin(double(i));
  std::size_t calls = 0;
  const auto f = [&](const Numbers& v) {
    double sum = 0;
    for (double value : v) sum += value * value * value;
    return ++calls, Numbers{sum};
  };
  GradcheckOptions sparse;
  sparse.mode = GradcheckMode::sparse;
  const auto with_wrong = [&](const std::vector<std::size_t>& wrong) {
    calls = 0;
    return gradcheck(
        f,
        [&](const Numbers& v, const Numbers& u) {
          Numbers g(v.size());
          for (std::size_t i = 0; i < v.size(); ++i) g[i] = 3 * u[0] * v[i] * v[i];
          for (const std::size_t i : wrong) g[i] *= 2;
          return g;
        },
        {x}, sparse);
  };
  CHECK(with_wrong({}).ok());
  const std::size_t to_compare = calls;
  const auto one = with_wrong({777});
  CHECK(contains(one.text(), "WRONG, 20 of 20 directions\n  element (777)"));
  CHECK(calls < 5 * to_compare);
  const auto two = with_wrong({777, 3000});
  CHECK(contains(two.text(), "element (777)"));
  CHECK(contains(two.text(), "element (3000)"));
  CHECK(calls < 7 * to_compare);
}

TEST_CASE("every usual failure has its own sentence") {
  const Array<double> x{1.0, 2.0};
  Generator noise(2);
  CHECK(gradcheck([&](Var<double> a) { return a * noise.uniform(); }, {x}).failure ==
        "f is not deterministic: two calls with the same inputs give different results; make every "
        "generator that it uses anew, from a fixed seed, inside f");
  CHECK(gradcheck([](Var<double> a) { return constant(Array<double>(a.value() * 2.0)); }, {x})
            .failure ==
        "the result of f needs no gradient, though it changes with the inputs: somewhere a Var's "
        "value() goes on as a constant");
  CHECK(gradcheck([](Var<double> a) { return exp(log(a)); }, {Array<double>{1.0, -1.0}}).failure ==
        "the result of f is NaN at position 1; there is no derivative to check at these inputs "
        "(the value of log (input (2)) holds a NaN or an infinity)");
  const auto sqrt_at_0 = gradcheck([](Var<double> a) { return sqrt(a); }, {scalar(0.0)});
  CHECK_MESSAGE(
      contains(sqrt_at_0.failure,
               "the gradient by vjp of input 0 is infinite at element (); there is no derivative"),
      sqrt_at_0.failure);
  CHECK_MESSAGE(contains(sqrt_at_0.failure, "the pullback of sqrt (node 1, input ())"),
                sqrt_at_0.failure);

  // A NaN of vjp alone, at a smooth point and at a kink.
  const auto sum_of = [](const Numbers& v) { return Numbers{v[0] * v[1], std::abs(v[1])}; };
  const auto nan_of = [](const Numbers& v, const Numbers& u) { return Numbers{u[0] * v[1], NAN}; };
  CHECK(gradcheck(sum_of, nan_of, {3.0, 0.5}).failure ==
        "the gradient by vjp of input 0 is NaN at element (1), where differences give 4");
  CHECK(
      gradcheck(sum_of, nan_of, {3.0, 0.0}).failure ==
      "the gradient by vjp of input 0 is NaN at element (1), a kink: the slopes of its sides are 2 "
      "and 4, and any between them is right");

  const auto id = [](const Numbers& v) { return v; };
  CHECK(gradcheck(id, [](const Numbers&, const Numbers&) { return Numbers{1.0}; }, {1.0, 2.0})
            .failure == "vjp gives 1 numbers for input 0 of shape (2), which has 2");
  Numbers kept(2);
  CHECK(
      gradcheck(id,
                [&](const Numbers&, const Numbers& u) {
                  for (std::size_t i = 0; i < 2; ++i) kept[i] += u[i];
                  return kept;
                },
                {1.0, 2.0})
          .failure ==
      "vjp is not deterministic: two calls with the same arguments give different results; is xbar "
      "zero before it is added to?");
  const auto jump = gradcheck([](const Numbers& v) { return Numbers{std::floor(v[0])}; },
                              [](const Numbers&, const Numbers&) { return Numbers{0.0}; }, {1.0});
  CHECK(contains(jump.text(), "UNSETTLED, 1 of 1"));
  CHECK(contains(jump.text(), "f jumps here, or is noisy"));
  // For a number, ybar is 1 in most losses: a vjp that forgets it, or squares it, is right there.
  const auto square = [](const Numbers& v) { return v[0] * v[0] + v[1]; };
  for (const bool forgotten : {true, false}) {
    const auto vjp = [&](const Numbers& v, const Numbers& u) {
      const double ybar = forgotten ? 1 : u[0] * u[0];
      return Numbers{2 * v[0] * ybar, ybar};
    };
    CHECK(contains(
        gradcheck(square, vjp, {3.0, 1.0}).failure,
        "vjp is not linear in ybar: where all of ybar is -0.5, input 0, element (0) gets "));
  }
  // Right for each element alone, and for all alike.
  const auto largest = [](const Numbers& u) { return std::max(std::abs(u[0]), std::abs(u[1])); };
  CHECK(
      contains(gradcheck([](const Numbers& v) { return v; },
                         [&](const Numbers&, const Numbers& u) {
                           const double top = largest(u);
                           return Numbers{u[0] * std::abs(u[0]) / top, u[1] * std::abs(u[1]) / top};
                         },
                         {3.0, 1.0})
                   .failure,
               "where all of ybar's elements come together, input 0, element ("));
  CHECK(contains(gradcheck([](const Numbers& v) { return Numbers{v[0] * v[0]}; },
                           [](const Numbers& v, const Numbers& u) {
                             return Numbers{2 * v[0] * std::clamp(u[0], -1.0, 1.0)};
                           },
                           {3.0})
                     .failure,
                 "where all of ybar is -1024, input 0, element (0) gets -6 instead of -6144"));
  // Also where the same ybar for all gives nothing.
  CHECK(contains(gradcheck(
                     [](const Numbers& v) {
                       return Numbers{v[0] - v[1], v[1] - v[0]};
                     },
                     [](const Numbers&, const Numbers& u) {
                       const double a = std::clamp(u[0], -10.0, 10.0),
                                    b = std::clamp(u[1], -10.0, 10.0);
                       return Numbers{a - b, b - a};
                     },
                     {3.0, 1.0})
                     .failure,
                 "where ybar is multiplied by -1024, input 0, element (0) gets "));
  // What a right pullback rounds is not held against it, nor what overflows.
  const auto softmax = [](const Numbers& v) {
    Numbers y(v.size());
    double total = 0;
    for (double x : v) total += std::exp(x - *std::max_element(v.begin(), v.end()));
    for (std::size_t i = 0; i < v.size(); ++i) {
      y[i] = std::exp(v[i] - *std::max_element(v.begin(), v.end())) / total;
    }
    return y;
  };
  const auto softmax_back = [&](const Numbers& v, const Numbers& u) {
    Numbers y = softmax(v);
    double mean = 0;
    for (std::size_t i = 0; i < v.size(); ++i) mean += y[i] * u[i];
    for (std::size_t i = 0; i < v.size(); ++i) y[i] *= u[i] - mean;
    return y;
  };
  Generator logits(3);
  for (int turn = 0; turn < 200; ++turn) {
    const double scale = turn % 2 ? 100 : 30;
    const Array<double> x = logits.normal<double>({5}) * scale;
    const auto saturated = gradcheck(softmax, softmax_back, Numbers(x.begin(), x.end()));
    CHECK_MESSAGE(saturated.ok(), saturated.text());
  }
  CHECK(gradcheck([](const Numbers& v) { return Numbers{1e306 * std::sin(v[0])}; },
                  [](const Numbers& v, const Numbers& u) {
                    return Numbers{u[0] * (1e306 * std::cos(v[0]))};
                  },
                  {0.5})
            .ok());
  // The first call's input, kept.
  Numbers first;
  CHECK(!gradcheck([](const Numbers& v) { return Numbers{v[0] * v[0]}; },
                   [&](const Numbers& v, const Numbers& u) {
                     if (first.empty()) first = v;
                     return Numbers{2 * first[0] * u[0]};
                   },
                   {3.0})
             .ok());
  const auto outside =
      gradcheck([](const Numbers& v) { return Numbers{std::max(v[0], 0.0)}; },
                [](const Numbers&, const Numbers& u) { return Numbers{1.5 * u[0]}; }, {0.0});
  CHECK(
      contains(outside.text(), "looks like: a kink, and no slope between those of its two sides"));
  CHECK(contains(outside.text(), "ratio 3; a kink, slopes 0 below and 1 above"));
  // Far below 1, where large steps see nothing; and beside large derivatives.
  const auto of_square = [](const Numbers& v) { return Numbers{v[0] * v[0]}; };
  const auto twice = [](const Numbers& v, const Numbers& u) { return Numbers{2 * v[0] * u[0]}; };
  for (const double tiny : {3e-18, 3e-21, 1e-100}) CHECK(gradcheck(of_square, twice, {tiny}).ok());
  // Far above 1, where every number has few steps beside it.
  for (const double far : {1e7, 1e9, 1e11}) {
    for (int turn = 0; turn < 20; ++turn) {
      const auto report = gradcheck(
          [](const Numbers& v) { return Numbers{std::sin(v[0])}; },
          [](const Numbers& v, const Numbers& u) { return Numbers{u[0] * std::cos(v[0])}; },
          {far + 0.1 * turn});
      CHECK(report.rows[0].wrong == 0);
      CHECK(report.ok() == (far < 1e10));
    }
  }
  const auto beside = gradcheck(
      [](const Numbers& v) {
        return Numbers{1e8 * v[0], v[1]};
      },
      [](const Numbers&, const Numbers& u) {
        return Numbers{1e8 * u[0], 1.5 * u[1]};
      },
      {1.0, 1.0});
  CHECK(beside.rows[0].looks_like == "a factor: every wrong element is 1.5 times the right one");
  const auto loss = gradcheck(
      [](Var<double> a) {
        return record("loss", {a}, Array<double>(xt::sum(a.value() * a.value())),
                      [](Node<double>& y) { accumulate(y.input(0), 2 * y.input(0).value()); });
      },
      {x});
  CHECK(contains(loss.failure, "is each term multiplied by ybar, once?"));
  const auto changing = gradcheck(
      [](Var<double> a) {
        return record("thrice", {a}, Array<double>(3.0 * a.value()),
                      [k = 1.0](Node<double>& y) mutable {
                        k *= 3;
                        accumulate(y.input(0), k * y.cotangent());
                      });
      },
      {x});
  CHECK(contains(changing.failure, "a second backward() on the same tape gives other gradients"));
  const auto in_float = gradcheck(
      [](const Numbers& v) { return double(std::exp(float(v[0]))); },
      [](const Numbers& v, const Numbers& u) { return Numbers{u[0] * std::exp(v[0])}; }, {1.3});
  CHECK(!in_float.ok());
  CHECK(contains(in_float.text(),
                 "looks like: f is computed in float: check it in float (gradcheck<float>, "));

  CHECK(error_of([] { gradcheck(GradcheckProblem{}); }) ==
        "invalid_argument: gradcheck: there is no input");
  GradcheckProblem problem;
  problem.inputs = {{"x", {2}, {1.0, 2.0}}};
  CHECK(error_of([&] { gradcheck(problem); }) ==
        "invalid_argument: gradcheck: the problem has no f, or no vjp");
  problem.f = [](const GradcheckProblem::Values& in) { return in[0]; };
  problem.vjp = [](const GradcheckProblem::Values&, const Numbers& u) {
    return GradcheckProblem::Values{u};
  };
  problem.output_shape = {5};
  CHECK(gradcheck(problem).failure == "f gives 2 numbers, and output_shape is (5)");
  const auto one = [](Tape<double>& tape) { return tape.leaf(scalar(1.0)); };
  CHECK(error_of([&] { gradcheck(one, {}, {}, {nullptr}); }) ==
        "invalid_argument: gradcheck: parameter 0 is a null pointer");
}
