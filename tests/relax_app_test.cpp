#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/tools/nested_numbers.hpp"
#include "apps/tools/relax.hpp"
#include "golden.hpp"
#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

template <class T>
nlohmann::json json_of(const Relaxation& r, const std::vector<Array<double>>& sets,
                       const std::vector<Array<double>>& weights) {
  std::ostringstream out;
  write_relaxed_json<T>(out, {r, 0, sets, {}, weights});
  return nlohmann::json::parse(out.str());
}

template <class T>
std::string table_of(const Relaxation& r, const std::vector<Array<double>>& sets) {
  std::ostringstream out;
  write_relaxed_table<T>(out, {r, 0, sets, {}, {}});
  return out.str();
}

}  // namespace

TEST_CASE("numbers are read from lines and from JSON lists") {
  const Nested lines = parse_lines("1, 2 +3# three\n\n \t# none\n-4e-1,5\r\n", "f");
  REQUIRE(lines.items.size() == 2);
  CHECK(to_array(lines.items[0], "f") == Array<double>{1.0, 2.0, 3.0});
  CHECK(to_array(lines.items[1], "f") == Array<double>{-0.4, 5.0});
  CHECK(lines.items[1].line == 4);
  CHECK(to_array(parse_nested(" [[1,2],\n [3, 4]] ", "f"), "f") ==
        Array<double>{{1.0, 2.0}, {3.0, 4.0}});
  CHECK(parse_nested("[]", "f").items.empty());
  const auto object = parse_object("{\"a\": [1, 2],\n \"b\" : [[3]] } ", "f");
  REQUIRE(object.size() == 2);
  CHECK(to_indices(object.at("a"), "f") == Indices{1, 2});
  CHECK(depth(object.at("b")) == 2);
  CHECK(parse_object("{}", "f").empty());
}

TEST_CASE("malformed numbers are reported with line and column") {
  const auto lines = [](const char* text) { return error_of([=] { parse_lines(text, "f"); }); };
  CHECK(lines("1 2\n3 x 4\n") == "invalid_argument: f:2:3: expected a number, found 'x'");
  CHECK(lines("1,,2\n") == "invalid_argument: f:1:3: expected a number, found ','");
  CHECK(lines("1,2,\n") == "invalid_argument: f:1:5: expected a number, found the end of the line");
  CHECK(lines("1,2,") == "invalid_argument: f:1:5: expected a number, found the end of the input");
  CHECK(lines("1 nan") == "invalid_argument: f:1:3: 'nan' is not a finite number");
  CHECK(lines("1e999") == "invalid_argument: f:1:1: '1e999' is not a finite number");
  CHECK(lines("1 2-3") == "invalid_argument: f:1:4: expected ',' or a blank, found '-'");
  CHECK(lines("+-1") == "invalid_argument: f:1:1: expected a number, found '+'");
  const auto json = [](const char* text) {
    return error_of([=] { to_array(parse_nested(text, "f"), "f"); });
  };
  CHECK(json("[[1, 2],\n [3 4]]") == "invalid_argument: f:2:5: expected ',' or ']', found '4'");
  CHECK(json("[[1, 2],\n [3]]") == "invalid_argument: f:2:2: a list of 1 where the others have 2");
  CHECK(json("[[1], 2]") == "invalid_argument: f:1:7: a number where the others have a list");
  CHECK(json("[1, [2]]") == "invalid_argument: f:1:5: a list where the others have a number");
  CHECK(json("[1") == "invalid_argument: f:1:3: expected ',' or ']', found the end of the input");
  CHECK(json("[1] 2") == "invalid_argument: f:1:5: expected nothing more, found '2'");
  CHECK(json("{}") == "invalid_argument: f:1:1: expected '[', found '{'");
  CHECK(json("[[[[[[[[[1]]]]]]]]]") == "invalid_argument: f:1:9: expected a number, found '['");
}

TEST_CASE("relax's input must suit its method") {
  const auto sets = [](const char* text, Method method) {
    return error_of([=] { read_sets(text, "f", method); });
  };
  CHECK(sets("[[1, 2], [3, 4]]", Method::sinkhorn) == "no error");
  CHECK(read_sets("[[[1, 2], [3, 4]], [[1]]]", "f", Method::sinkhorn).size() == 2);
  CHECK(sets("1 2", Method::sinkhorn) ==
        "invalid_argument: f:1:1: sinkhorn takes n x n matrices as JSON");
  CHECK(sets("[[1]]", Method::soft_sort) ==
        "invalid_argument: f:1:1: soft_sort takes sets of scores, one a line; only sinkhorn takes "
        "matrices");
  CHECK(sets("[[1, 2]]", Method::sinkhorn) ==
        "invalid_argument: f:1:1: expected an n x n matrix, found (1, 2)");
  CHECK(sets("\n \n", Method::soft_sort) == "invalid_argument: f:1:1: there are no scores");
  const RelaxRequest request{{}, 0, {Array<double>{1.0, 2.0}}, {}, {}};
  CHECK(error_of([&] { read_weights("[[[1]], [1]]", "w", request); }) ==
        "invalid_argument: w:1:1: expected 1 entries, one a set, found 2");
  CHECK(error_of([&] { read_weights("[\n [1, 2]]", "w", request); }) ==
        "invalid_argument: w:2:2: expected weights (2, 2), found (2)");
}

TEST_CASE("relax gives the published values and gradients as JSON") {
  const auto row = golden("softsort.json")["cases"][3];  // n = 4, one set
  Relaxation r;
  r.method = Method::soft_sort;
  r.tau = row["tau"];
  const Array<double> scores = to_array<double>(row["scores"][0]),
                      W = to_array<double>(row["W"][0]);
  const nlohmann::json result = json_of<double>(r, {scores}, {W});
  CHECK(result["method"] == "soft_sort");
  CHECK(result["tau"] == r.tau);
  const auto& set = result["sets"][0];
  CHECK(distance(to_array<double>(set["P"]), to_array<double>(row["P"][0])) < 1e-10);
  CHECK(distance(to_array<double>(set["grad"]), to_array<double>(row["dscores"][0])) < 1e-10);
  CHECK(set["permutation"] == nlohmann::json({1, 2, 0, 3}));
  CHECK(set["sorted"].size() == 4);
  CHECK(set["ranks"].size() == 4);
  CHECK_FALSE(json_of<float>(r, {scores}, {})["sets"][0].contains("grad"));
}

TEST_CASE("relax gives what each method has, for sets of several sizes") {
  const std::vector<Array<double>> sets{Array<double>{0.3, -1.0, 2.0}, Array<double>{1.0, 2.0}};
  for (const char* name :
       {"neural_sort", "odd_even", "bitonic", "fast_soft_sort", "fast_soft_rank", "lap_sum"}) {
    CAPTURE(name);
    Relaxation r;
    r.method = method_named(name);
    r.hard = true;
    std::vector<Array<double>> weights;
    for (const Array<double>& set : sets) {
      const std::size_t n = set.size();
      weights.push_back(Generator(n).normal<double>(r.has_matrix() ? Shape{n, n} : Shape{n}));
    }
    const nlohmann::json result = json_of<double>(r, sets, weights);
    const auto& first = result["sets"][0];
    CHECK(first.contains("P") == r.has_matrix());
    CHECK(first.contains("sorted") == r.has_sorted());
    CHECK(first.contains("ranks") == r.has_ranks());
    CHECK(first["permutation"] == nlohmann::json({2, 0, 1}));
    if (r.has_sorted()) CHECK(first["sorted"] == nlohmann::json({2.0, 0.3, -1.0}));
    if (r.has_ranks()) CHECK(first["ranks"] == nlohmann::json({2.0, 3.0, 1.0}));
    CHECK(first["grad"].size() == 3);
    CHECK(result["sets"][1]["grad"].size() == 2);
  }
}

TEST_CASE("relax of masked sets shows the valid items' places, and arrays of all n") {
  RelaxRequest request;
  request.relaxation.hard = true;
  request.k = 1;
  request.masks = {ItemMask(Array<bool>{true, true, false, true}),
                   ItemMask::of_lengths(scalar(Index(1)), 2)};
  request.sets = {{0.3, -1.0, 9.0, 2.0}, {1.0, 2.0}};
  std::ostringstream json, csv, table;
  request.weights = {full<double>({4, 4}, 1), full<double>({2, 2}, 1)};
  write_relaxed_json<double>(json, request);
  const nlohmann::json result = nlohmann::json::parse(json.str());
  const auto& first = result["sets"][0];
  CHECK(first["permutation"] == nlohmann::json({3, 0, 1, 2}));
  CHECK(first["sorted"] == nlohmann::json({2.0, 0.3, -1.0, 0.0}));
  CHECK(first["ranks"] == nlohmann::json({2.0, 3.0, 0.0, 1.0}));
  CHECK(first["top_k"] == nlohmann::json({0.0, 0.0, 0.0, 1.0}));
  CHECK(first["P"][0] == nlohmann::json({0.0, 0.0, 0.0, 1.0}));
  CHECK(first["P"][3] == nlohmann::json({0.0, 0.0, 0.0, 0.0}));
  CHECK(first["grad"][2] == 0.0);
  CHECK(result["sets"][1]["sorted"] == nlohmann::json({1.0, 0.0}));
  request.weights.clear();
  write_relaxed_csv<double>(csv, request, {1.0});
  CHECK(csv.str() ==
        "set,tau,place,item,score,soft_sorted,soft_rank,top_k\n"
        "1,1.0,1,3,2.0,2.0,1.0,1.0\n1,1.0,2,0,0.3,0.3,2.0,0.0\n1,1.0,3,1,-1.0,-1.0,3.0,0.0\n"
        "2,1.0,1,0,1.0,1.0,1.0,1.0\n");
  write_relaxed_table<double>(table, request);
  CHECK(table.str().find("set 1, n = 4, 1 masked\n") != std::string::npos);
  CHECK(table.str().find("soft rank    top-k mass\n      1     3           2            2"
                         "            1             1\n") != std::string::npos);
}

TEST_CASE("relax gives the top-k mass of methods that have nothing else") {
  for (const char* name : {"sparse_top_k", "k_subset", "perturbed"}) {
    CAPTURE(name);
    RelaxRequest request;
    request.relaxation.method = method_named(name);
    request.k = 2;
    request.sets = {Array<double>{0.3, -1.0, 2.0}};
    std::ostringstream json;
    write_relaxed_json<float>(json, request);
    const nlohmann::json set = nlohmann::json::parse(json.str())["sets"][0];
    double total = 0;
    for (double mass : set["top_k"]) total += mass;
    CHECK(total == doctest::Approx(2));
    CHECK(set["permutation"] == nlohmann::json({2, 0, 1}));
  }
}

TEST_CASE("relax's table shows the hard order and a heatmap") {
  Relaxation r;
  r.hard = true;
  const std::string table = table_of<double>(r, {Array<double>{0.3, -1.0, 2.0}});
  CHECK(table.find("set 1, n = 3") != std::string::npos);
  CHECK(table.find("      1     2           2            2            1\n") != std::string::npos);
  CHECK(table.find("  |    ██|\n  |██    |\n  |  ██  |\n") != std::string::npos);
  r.method = Method::sinkhorn;
  const std::string matrix = table_of<double>(r, {Array<double>{{0.0, 5.0}, {5.0, 0.0}}});
  CHECK(matrix.find("  |  ██|\n  |██  |\n") != std::string::npos);
  r.method = Method::soft_sort;
  CHECK(table_of<float>(r, {zeros<double>({49})}).find("--json prints it") != std::string::npos);
}

TEST_CASE("relax prints what it printed as one JSON object, a row at a time") {
  Relaxation r;
  r.method = Method::soft_sort;
  r.tau = 0.5;
  std::ostringstream out;
  write_relaxed_json<double>(out, {r, 0, {Array<double>{1.0, 1.0}, Array<double>{3.0}}, {}, {}});
  CHECK(out.str() ==
        "{\"method\":\"soft_sort\",\"sets\":["
        "{\"P\":[[0.5,0.5],[0.5,0.5]],\"permutation\":[0,1],\"ranks\":[1.5,1.5],"
        "\"scores\":[1.0,1.0],\"sorted\":[1.0,1.0]},"
        "{\"P\":[[1.0]],\"permutation\":[0],\"ranks\":[1.0],\"scores\":[3.0],"
        "\"sorted\":[3.0]}],\"tau\":0.5}\n");
}

TEST_CASE("a table of many scores needs no matrix of them") {
  const std::size_t n = 200000;  // whose square would be 320 GB
  Relaxation r;
  const std::string table = table_of<double>(r, {Generator(1).normal<double>({n})});
  CHECK(std::count(table.begin(), table.end(), '\n') == std::ptrdiff_t(n + 5));
  const RelaxRequest request{r, 0, {zeros<double>({3})}, {}, {}};
  CHECK(!relax<double>(request, 0, false).P);
  CHECK(relax<double>(request, 0, true).P->shape() == Shape{3, 3});
}
