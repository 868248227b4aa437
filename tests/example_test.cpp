// The README's example: compiled, run, and compared with what the README prints.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
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
    auto error = matmul(P, s) - tape.constant(goal);   // (4)
    auto loss  = mean(error * error);                  // ()
    tape.backward(loss);                               // adds into scores.grad
    if (step % 100 == 0) out << "step " << step << "  loss " << loss.item() << "\n";
    opt.step();
    opt.zero_grad();
  }
  for (float s : scores.value) out << s << " ";
}
// [end]
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

}  // namespace

TEST_CASE("the README's example is this file's, and prints what the README says") {
  const std::string here = read("tests/example_test.cpp"), readme = read("README.md");
  CHECK(between(here, "// [begin]", "// [end]") == between(readme, "```cpp", "```"));

  std::ostringstream printed;
  example(printed);
  // Word for word; numbers as numbers, since their last digits depend on the CPU.
  const std::size_t quoted = readme.find("step 0  loss");
  REQUIRE(quoted != std::string::npos);
  std::istringstream ours(printed.str()), theirs(readme.substr(quoted));
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
