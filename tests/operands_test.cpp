// What may stand beside a Var, and what is said about what may not.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <sstream>
#include <string>
#include <xtensor/xmath.hpp>

#include "engine/parameter.hpp"
#include "op_table.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("an Array beside a Var is a constant, on either side") {
  Tape<float> tape;
  const Array<float> c{2.0f, 4.0f};
  const Var<float> x = tape.leaf(Array<float>{3.0f, 5.0f});
  const auto check = [&](const Var<float>& y, const Array<float>& value, const Array<float>& grad) {
    const Array<float> old = x.grad();  // gradients add up
    CHECK(y.value() == value);
    tape.backward(sum(y));
    CHECK(distance(convert<double>(Array<float>(x.grad() - old)), convert<double>(grad)) < 1e-6);
  };
  static_assert(std::is_same_v<decltype(x * c), Var<float>>);
  static_assert(std::is_same_v<decltype(c - x), Var<float>>);
  check(x + c, {5, 9}, {1, 1});
  check(c + x, {5, 9}, {1, 1});
  check(x - c, {1, 1}, {1, 1});
  check(c - x, {-1, -1}, {-1, -1});
  check(x * c, {6, 20}, {2, 4});
  check(c * x, {6, 20}, {2, 4});
  check(x / c, {1.5f, 1.25f}, {0.5f, 0.25f});
  check(c / (x - 2), {2, 4.0f / 3}, {-2, -4.0f / 9});
  check(x * (c + c), {12, 40}, {4, 8});  // an xtensor expression, too
  check(x * 2, {6, 10}, {2, 2});
  check(0.5 * x, {1.5f, 2.5f}, {0.5f, 0.5f});
}

TEST_CASE("an Array or a number may be one of an operator's two operands") {
  Tape<double> tape;
  const Array<double> c{2.0, 0.5};
  const Var<double> x = tape.leaf(Array<double>{3.0, -1.0});
  const auto check = [&](const Var<double>& y, const Array<double>& value,
                         const Array<double>& grad) {
    CHECK(distance(y.value(), value) < 1e-15);
    tape.zero_grad();
    tape.backward(sum(y));
    CHECK(distance(x.grad(), grad) < 1e-15);
  };
  check(maximum(x, c), {3, 0.5}, {1, 0});
  check(minimum(c, x), {2, -1}, {0, 1});
  check(maximum(0, x), {3, 0}, {1, 0});
  check(minimum(x, 1.0), {1, -1}, {0, 1});
  check(pow(x, 2), {9, 1}, {6, -2});
  check(pow(c, x), {8, 2}, {8 * std::log(2.0), 2 * std::log(0.5)});
  check(where(x.value() > 0, x, c), {3, 0.5}, {1, 0});
  check(where(greater(x, 0), 2 * x, 7), {6, 7}, {2, 0});
  check(matmul(x, c), scalar(5.5), c);
  check(matmul(Array<double>{{1.0, 2.0}, {3.0, 4.0}}, x), {1, 5}, {4, 6});
  check(mse(x, c), scalar(1.625), {1, -1.5});
  check(squared_distances(full<double>({1, 2}, 0.5), reshape(x, {1, 2})), full<double>({1, 1}, 8.5),
        {5, -3});
}

TEST_CASE("xtensor's functions of an Array are xtensor's, beside ours of the same name") {
  const Array<double> x{1.0, 2.0, 6.0};
  CHECK(xt::sum(x)() == 9);
  CHECK(xt::mean(x)() == 3);
  CHECK(xt::variance(x)() == doctest::Approx(14.0 / 3));
}

TEST_CASE("a compound assignment makes a new Var and leaves the old one") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{1.0, 2.0});
  Var<double> y = x;
  y += x;
  y *= 3;
  y -= Array<double>{1.0, 1.0};
  y /= x;
  CHECK(y.value() == Array<double>{5.0, 5.5});
  CHECK(x.value() == Array<double>{1.0, 2.0});
  tape.backward(sum(y));
  CHECK(x.grad() == Array<double>{1.0, 0.25});  // d (6 - 1 / x)
  Array<double> a{1.0, 2.0};
  a += Array<double>{1.0, 1.0};
  CHECK(a == Array<double>{2.0, 3.0});
}

TEST_CASE("Arrays and Vars print as nested braces") {
  std::ostringstream text;
  text << Array<double>{{1.5, 2.0}, {-3.0, 4.0}} << " " << scalar(7.0f) << " " << Indices{1, 2}
       << " " << constant(Array<float>{0.5f}) << " " << zeros<float>({2, 0});
  CHECK(text.str() == "{{1.5, 2}, {-3, 4}} 7 {1, 2} {0.5} {{}, {}}");
}

// TAPESORT_COMPILE, from meson.build: the command that compiles a test, up to the file's name.
TEST_CASE("a mistake in types is told at compile time, in one error that says what to do") {
  struct Mistake {
    const char *line, *message;
  };
  const Mistake mistakes[] = {
      {"f * d", "Var<float> beside Var<double>"},
      {"d - f", "Var<float> beside Var<double>"},
      {"f * w", "tape.leaf(parameter)"},
      {"w + f", "tape.leaf(parameter)"},
      {"f / convert<double>(w.value)", "convert<T>(array)"},
      {"f += d", "Var<float> beside Var<double>"},
      {"matmul(f, d)", "Var<float> beside Var<double>"},
      {"maximum(f, w)", "tape.leaf(parameter)"},
      {"gradcheck([](const Floats& x) { return x; }, [](const Floats& x, Floats) { return x; }, "
       "{1})",
       "gradcheck<float>(f, vjp, x)"},
      {"gradcheck([](const Doubles&) {}, [](const Doubles& x, Doubles) { return x; }, {1})",
       "have to give numbers"},
      {"gradcheck([](Var<float> x) { return x; }, {Array<double>{1.0}})", "Var<float> in"},
      {"gradcheck([](Var<double> x) { return x.value(); }, {Array<double>{1.0}})",
       "f has to return a Var<T>"},
      {"lap_sum(s, 1)", "this operator has no second derivative"},
  };
  const TemporaryFolder folder;
  struct Compiled {
    int status;
    std::string text;
  };
  const auto compile = [&](const std::string& line) {
    folder.write(
        "mistake.cpp",
        "#include \"ops/elementwise.hpp\"\n#include \"ops/sorting/lap_sum.hpp\"\n"
        "#include \"engine/parameter.hpp\"\n#include \"ops/matmul.hpp\"\n"
        "#include \"gradcheck/vars.hpp\"\nusing namespace tapesort;\n"
        "using Floats = std::vector<float>;\nusing Doubles = std::vector<double>;\n"
        "void f(Var<float> f, Var<double> d, Parameter<float>& w, Var<Dual<double>> s) {\n  " +
            line + ";\n}\n");
    FILE* out = popen((TAPESORT_COMPILE " " + (folder / "mistake.cpp") + " 2>&1").c_str(), "r");
    std::string text;
    std::array<char, 4096> part;
    while (std::fgets(part.data(), part.size(), out)) text += part.data();
    return Compiled{pclose(out), text};
  };
  const Compiled right = compile("f * f; f * w.value");
  CHECK_MESSAGE(right.status == 0, right.text);
  for (const Mistake& mistake : mistakes) {
    const Compiled wrong = compile(mistake.line);
    const std::string& text = wrong.text;
    CAPTURE(mistake.line);
    CAPTURE(text);
    CHECK(wrong.status != 0);
    CHECK(text.find(mistake.message) != std::string::npos);
    std::size_t errors = 0;
    for (std::size_t at = 0; (at = text.find("error: ", at)) != std::string::npos; ++at) ++errors;
    CHECK(errors == 1);
    CHECK(std::count(text.begin(), text.end(), '\n') < 20);
  }
}
