// The code in our pages: compiled, run, and compared with what they print.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

// clang-format off
// [begin]
#include <iostream>

#include "models/optimizers.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/neural_sort.hpp"

using namespace tapesort;

void example(std::ostream& out = std::cout) {
  Parameter<float> scores("scores", {0.1f, 0.9f, 0.4f, 0.3f});
  const Array<float> goal{4, 3, 2, 1};
  Sgd<float> opt({&scores}, /*learning_rate=*/0.1);
  for (int step = 0; step <= 200; ++step) {
    Tape<float> tape;                                  // one step, one tape
    auto s     = tape.leaf(scores);                    // borrowed, not copied
    auto P     = neural_sort(s, /*tau=*/1.0);          // (4, 4), rows sum to 1
    auto error = matmul(P, s) - goal;                  // (4)
    auto loss  = mean(error * error);                  // ()
    tape.backward(loss);                               // adds into scores.grad
    if (step % 100 == 0) out << "step " << step << "  loss " << loss.item() << "\n";
    opt.step();
    opt.zero_grad();
  }
  for (float s : scores.value) out << s << " ";
}
// [end]

#include "engine/check.hpp"
#include "engine/random.hpp"
#include "gradcheck/vars.hpp"
#include "op_table.hpp"

namespace exercise {
// [exercise]
#include <iostream>

#include "engine/random.hpp"
#include "gradcheck/vars.hpp"

using namespace tapesort;

Var<double> my_square(const Var<double>& x) {
  return record("my_square", {x}, Array<double>(x.value() * x.value()), [](Node<double>& y) {
    accumulate(y.input(0), y.cotangent() * y.input(0).value());
  });
}

int main() {
  Generator random(1);
  std::cout << gradcheck(my_square, {random.normal<double>({2, 3})}).text();
  return 0;
}
// [end]
}  // namespace exercise

namespace new_operator {
// [header]
// The outer product of two vectors.
//   forward  y_ij = a_i b_j
//   vjp      abar_i = sum_j ybar_ij b_j,  bbar_j = sum_i ybar_ij a_i
//   shapes   a (m), b (n) -> y (m, n)
//   errors   std::invalid_argument unless both are 1-d
template <class T> Var<T> outer(const Var<T>& a, const Var<T>& b);
// [end]

// [source]
template <class T> Var<T> outer(const Var<T>& a, const Var<T>& b) {
  require(a.dimension() == 1 && b.dimension() == 1, "outer: a is ", a.shape(), ", b is ", b.shape(),
          "; need two vectors");
  const std::size_t m = a.size(), n = b.size();
  Array<T> value = uninitialized<T>({m, n});
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) value(i, j) = a.value()(i) * b.value()(j);
  }
  return record("outer", {a, b}, std::move(value), [m, n](Node<T>& y) {
    const Array<T> &ybar = y.cotangent(), &a = y.input(0).value(), &b = y.input(1).value();
    Array<T> abar = zeros<T>({m}), bbar = zeros<T>({n});
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        abar(i) += ybar(i, j) * b(j);
        bbar(j) += ybar(i, j) * a(i);
      }
    }
    accumulate(y.input(0), std::move(abar));
    accumulate(y.input(1), std::move(bbar));
  });
}
// [end]

using namespace tapesort::testing;
// [row]
const OpRow row("outer", {{3}, {4}}, anywhere, [](const auto& x) { return outer(x[0], x[1]); });
// [end]
}  // namespace new_operator
// clang-format on

namespace {

std::string read(const std::string& file) {
  std::ifstream in(std::string(TAPESORT_SOURCE) + "/" + file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The lines after the first one that contains `begin`, up to the next that contains `end`.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t marker = text.find(begin);
  REQUIRE(marker != std::string::npos);
  const std::size_t from = text.find('\n', marker) + 1, to = text.find(end, from);
  REQUIRE(to != std::string::npos);
  return text.substr(from, to - from);
}

// Word for word; numbers as numbers, since their last digits depend on the CPU.
void check_printed(const std::string& printed, const std::string& page, const std::string& start) {
  const std::size_t quoted = page.find(start);
  REQUIRE(quoted != std::string::npos);
  std::istringstream ours(printed), theirs(page.substr(quoted));
  for (std::string word, other; ours >> word;) {
    REQUIRE(bool(theirs >> other));
    char *end = nullptr, *other_end = nullptr;
    const double number = std::strtod(word.c_str(), &end);
    const double other_number = std::strtod(other.c_str(), &other_end);
    if (*end == 0 && *other_end == 0) {
      CHECK(number == doctest::Approx(other_number).epsilon(1e-3));
    } else {
      CHECK(word == other);
    }
  }
}

}  // namespace

TEST_CASE("the README's example is this file's, and prints what the README says") {
  const std::string here = read("tests/example_test.cpp"), readme = read("README.md");
  CHECK(between(here, "// [begin]", "// [end]") == between(readme, "```cpp", "```"));
  std::ostringstream printed;
  example(printed);
  check_printed(printed.str(), readme, "step 0  loss");
}

TEST_CASE("the exercise is this file's, and prints what its page says") {
  const std::string here = read("tests/example_test.cpp"), text = read("gradcheck/exercise.md");
  CHECK(between(here, "// [exercise]", "// [end]") == between(text, "```cpp", "```"));
  std::ostringstream printed;
  std::streambuf* screen = std::cout.rdbuf(printed.rdbuf());
  exercise::main();
  std::cout.rdbuf(screen);
  check_printed(printed.str(), text, "input 0 (2, 3): WRONG");
}

TEST_CASE("the functions behind a C interface of gradcheck/README.md are those of gradcheck_test") {
  const std::string test =
      between(read("tests/gradcheck_test.cpp"), "TEST_CASE(\"functions behind a C",
              "  const GradcheckReport report");
  const std::string page =
      between(read("gradcheck/README.md"), "say y = a x and", "gradcheck(problem).text()");
  CHECK(page == "\n```cpp\n" + std::regex_replace(test, std::regex("(^|\n)  "), "$1"));
}

TEST_CASE("the operator of adding-an-operator.md is this file's, and passes its row") {
  const std::string here = read("tests/example_test.cpp");
  std::string page = read("ops/adding-an-operator.md");
  for (const char* block : {"// [header]", "// [source]", "// [row]"}) {
    CHECK(between(here, block, "// [end]") == between(page, "```cpp", "```"));
    page = page.substr(page.find("```", page.find("```cpp") + 6) + 3);
  }
  testing::check_row(new_operator::row);
  CHECK(testing::error_of([] {
          new_operator::outer(constant(scalar(1.0)), constant(Array<double>{1.0}));
        }) == "invalid_argument: outer: a is (), b is (1); need two vectors");
}
