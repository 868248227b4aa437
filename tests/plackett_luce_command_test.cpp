#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/program/program.hpp"
#include "golden.hpp"
#include "op_table.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// What `tapesort pl FILE arguments` prints, FILE having this content.
std::string pl(const std::string& content, const std::string& arguments) {
  const TemporaryFolder folder;
  const std::string file = folder / "scores";
  folder.write("scores", content);
  CLI::App program;
  add_plackett_luce(program);
  std::ostringstream out;
  std::streambuf* before = std::cout.rdbuf(out.rdbuf());
  try {
    program.parse("pl " + file + " " + arguments);
  } catch (const std::exception& error) {  // without the folder's name
    const std::string text = error.what();
    const std::size_t at = text.find(file);
    out << (at == std::string::npos ? text
                                    : text.substr(0, at) + "FILE" + text.substr(at + file.size()));
  }
  std::cout.rdbuf(before);
  return out.str();
}

}  // namespace

TEST_CASE("pl --log-prob --json prints the reference values to full precision") {
  for (const auto& c : golden("plackett_luce.json")["cases"]) {
    std::string lines, orders;
    for (const auto& set : c["scores"]) {
      const char* comma = "";
      for (const auto& x : set) lines += std::exchange(comma, ", ") + x.dump();
      lines += "  # weights\n\n";
    }
    for (const auto& order : c["perm"]) {
      orders += " --order ";
      const char* comma = "";
      for (const auto& item : order) orders += std::exchange(comma, ",") + item.dump();
    }
    const auto result = nlohmann::json::parse(pl(lines, "--log-prob --weights --json" + orders));
    CHECK(distance(to_array<double>(result["log_prob"]), to_array<double>(c["log_prob"])) < 1e-12);
    CHECK(distance(to_array<double>(result["grad"]), to_array<double>(c["dscores"])) < 1e-12);
  }
}

TEST_CASE("pl reads JSON, one order for all sets, and prefixes") {
  const std::string input = R"({"log_scores": [[0, 0, 0], [1, 1]], "order": [1]})";
  const auto result = nlohmann::json::parse(pl(input, "--log-prob --json"));
  CHECK(result["log_prob"][0].get<double>() == doctest::Approx(-std::log(3)));
  CHECK(result["log_prob"][1].get<double>() == doctest::Approx(-std::log(2)));
  CHECK(pl(input, "--log-prob") ==
        "log_prob -1.09861228867  grad -0.333333333333 0.666666666667 -0.333333333333\n"
        "log_prob -0.69314718056  grad -0.5 0.5\n");
  CHECK(pl(R"({"log_scores": [0, 5], "order": [0, 1]})", "--log-prob --order 1,0") ==
        pl("0 5", "--log-prob --order 1,0"));  // the option stands above the file
}

TEST_CASE("pl --sample draws orders by their probabilities") {
  const auto result =
      nlohmann::json::parse(pl("1 2 3 -4", "--sample 2000 --top 2 --json --seed 5"));
  REQUIRE(result["order"][0].size() == 2000);
  double first = 0;
  for (const auto& order : result["order"][0]) {
    REQUIRE(order.size() == 2);
    first += order[0] == 2;
  }
  const double p = std::exp(3.0) / (std::exp(1.0) + std::exp(2.0) + std::exp(3.0) + std::exp(-4.0));
  CHECK(std::abs(first / 2000 - p) < 4 * std::sqrt(p * (1 - p) / 2000));
  CHECK(result["log_prob"][0].size() == 2000);
  CHECK(pl("0 99 50\n0 99", "--sample 2") == "1 2 0\n1 2 0\n\n1 0\n1 0\n");
}

TEST_CASE("pl prints numbers in its own way, whatever was asked of standard output") {
  const std::string plain = pl("1 2 0.5", "--log-prob --order 0,1,2");
  const std::ios_base::fmtflags before = std::cout.flags(std::ios_base::fixed | std::ios_base::hex);
  const std::streamsize digits = std::cout.precision(2);
  CHECK(pl("1 2 0.5", "--log-prob --order 0,1,2") == plain);
  CHECK(std::cout.precision() == 2);  // and leaves it as it was
  std::cout.flags(before);
  std::cout.precision(digits);
}

TEST_CASE("pl --sample draws masked items in any order") {
  const auto result = nlohmann::json::parse(pl("5 -1e30 -1e30", "--sample 10000 --json"));
  double second = 0;
  for (const auto& order : result["order"][0]) {
    CHECK(order[0] == 0);
    second += order[1] == 1;
  }
  CHECK(std::abs(second - 5000) < 4 * std::sqrt(2500.0));
  CHECK(result["log_prob"][0][0].get<double>() == doctest::Approx(-std::log(2)));
}

TEST_CASE("pl says where its input is wrong") {
  CHECK(pl("1 2\n\n3, 4x", "--sample 1") == "FILE:3:5: expected ',' or a blank, found 'x'");
  CHECK(pl("1 inf", "--sample 1") == "FILE:1:3: 'inf' is not a finite number");
  CHECK(pl("1 1e999", "--sample 1") == "FILE:1:3: '1e999' is not a finite number");
  CHECK(pl("# nothing\n", "--sample 1") == "FILE:1:1: no numbers; need a set of them on each line");
  CHECK(pl("1 2", "--log-prob --order 0,1.5") == "--order:1:3: '1.5' is not an integer");
  CHECK(pl("1 2", "--log-prob") ==
        "--log-prob needs the order to score: --order, or the key order of JSON input");
  CHECK(pl("1 2\n3 4\n5 6", "--log-prob --order 0,1 --order 1,0") ==
        "there are 3 sets of scores and 2 orders; give one order for each set, or one for all");
  CHECK(pl("1 2\n3 4 5", "--log-prob --order 1,2") ==
        "set 1: PlackettLuce::log_prob: row 0 of order has item 2; need 0 <= item < 2");
  CHECK(pl("1 -2", "--log-prob --weights --order 1,0") ==
        "set 1: --weights: -2 is not a positive number");
  CHECK(pl("1 2", "--sample 1 --top 3") == "set 1: --top is 3 for 2 items");
  CHECK(pl("{\"log_scores\": [1,\n 2,, 3]}", "--sample 1").substr(0, 10) == "FILE:2:4: ");
  CHECK(pl("{\"log_scores\": [[1, 2], [1, \"a\"]]}", "--sample 1") ==
        "FILE:1:29: expected a number, found '\"'");
  CHECK(pl("{\"log_scores\": [1, 2], \"order\": [0.5]}", "--log-prob") ==
        "FILE:1:34: '0.5' is not an integer");
  CHECK(pl("{\"log_scores\": [[1, 2], []]}", "--sample 1") ==
        "FILE:1:25: expected a list of numbers");
  CHECK(pl("{\"log_scores\": [[1, 2], 3]}", "--sample 1") ==
        "FILE:1:25: expected a list of numbers");
  CHECK(pl("{\"log_scores\": [1, 2] 3}", "--sample 1") ==
        "FILE:1:23: expected ',' or '}', found '3'");
  CHECK(pl("{\"log_scores\": [1],\n\"log_scores\": [2]}", "--sample 1") ==
        "FILE:2:1: another key 'log_scores'");
  CHECK(pl("{\"scores\": [1]}", "--sample 1") ==
        "FILE: unknown key 'scores'; there are log_scores and order");
  CHECK(pl("1 2", "") == "pl: one of --log-prob and --sample is required");
}
