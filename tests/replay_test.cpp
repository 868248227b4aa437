#include "replay/replay.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <regex>

#include "engine/check.hpp"
#include "engine/parameter.hpp"
#include "engine/random.hpp"
#include "engine/trap.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/newton.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/soft_sort.hpp"
#include "ops/sorting/sorting_network.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;
using nlohmann::json;

namespace {

using Numbers = std::vector<double>;

std::vector<std::string> formulas(const Replay& replay) {
  std::vector<std::string> texts;
  for (const auto& node : replay.nodes)
    texts.push_back(node.formula.empty() ? node.op : node.formula);
  return texts;
}

// The formula of y, alone.
std::string formula(const Var<double>& x, const Var<double>& y) {
  return Replay(y, {{x, "x"}}).nodes.back().formula;
}

template <class T> Numbers numbers(const Array<T>& x) { return Numbers(x.begin(), x.end()); }

}  // namespace

// --- Order

TEST_CASE("a replay shows a formula's operators in the order in which it is read") {
  Tape<double> tape;
  const auto a = tape.leaf(Array<double>{1.0, 2.0}), b = tape.leaf(Array<double>{2.0, 3.0});
  const auto y = log(a) + a * b - tanh(b);
  const Replay replay(tape, {{a, "a"}, {b, "b"}});
  CHECK(formulas(replay) == std::vector<std::string>{"leaf", "log(a)", "leaf", "a * b", "v1 + v3",
                                                     "tanh(b)", "v4 - v5"});
  CHECK(replay.result == 6);
  CHECK(formulas(Replay(y, {{a, "a"}, {b, "b"}})) == formulas(replay));
  std::vector<std::size_t> back;
  for (const auto& step : replay.steps) back.push_back(step.node);
  CHECK(back == std::vector<std::size_t>{6, 5, 4, 3, 2, 1, 0});
  CHECK(replay.nodes[0].cotangent->data == Numbers{1 / 1.0 + 2, 1 / 2.0 + 3});
}

TEST_CASE("a replay shows what its result does not depend on behind it, without cotangents") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(2.0));
  const auto aside = exp(x * 5);
  const auto unused = tape.leaf(scalar(7.0));
  const auto y = x * 3;
  const Replay replay(tape);
  CHECK(formulas(replay) ==
        std::vector<std::string>{"leaf", "v0 * 3", "v0 * 5", "exp(v2)", "leaf"});
  CHECK(replay.result == 1);
  CHECK(replay.nodes[0].cotangent->data == Numbers{3});
  for (std::size_t i = 2; i < 5; ++i) CHECK(!replay.nodes[i].cotangent);
  CHECK(replay.steps.size() == 2);
  CHECK(Replay(y).nodes.size() == 2);
  CHECK(Replay(aside).nodes[0].cotangent->data[0] == doctest::Approx(5 * std::exp(10.0)));
}

TEST_CASE("a replay of a long tape needs no recursion") {
  Tape<float> tape;
  Var<float> last = tape.leaf(scalar(1.0f));
  for (int i = 0; i < 100000; ++i) last = last + 1;
  const Replay replay(tape);
  CHECK(replay.nodes.size() == 100001);
  CHECK(replay.nodes[0].cotangent->data == Numbers{1});
}

// --- Sums over uses

TEST_CASE("a replay shows the sum over uses as it arrives") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{2.0, 3.0});
  const auto y = sum(exp(x) * x + x);
  const Replay replay(y, {{x, "x"}});  // 0 x, 1 exp(x), 2 v1 * x, 3 v2 + x, 4 sum
  REQUIRE(replay.steps.size() == 5);
  const auto& add = replay.steps[1];
  CHECK(add.node == 3);
  CHECK(add.contributions[1].to == 0);
  CHECK(!add.contributions[1].before);
  CHECK(add.contributions[1].after.data == Numbers{1, 1});
  const auto& mul = replay.steps[2].contributions[1];
  CHECK(mul.to == 0);
  CHECK(mul.before->data == Numbers{1, 1});
  CHECK(mul.contribution.data == replay.nodes[1].value.data);
  const auto& last = replay.steps[3].contributions[0];
  CHECK(last.before->data == mul.after.data);
  CHECK(last.after.data == replay.nodes[0].cotangent->data);
  CHECK(replay.steps[4].contributions.empty());  // the leaf
  tape.backward(y);
  CHECK(replay.nodes[0].cotangent->data == numbers(x.grad()));
}

TEST_CASE("a replay tells apart the two uses of x in x * x") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(3.0));
  const Replay replay(x * x, {{x, "x"}});
  REQUIRE(replay.steps[0].contributions.size() == 2);
  const auto &first = replay.steps[0].contributions[0], &second = replay.steps[0].contributions[1];
  CHECK(first.input == 0);
  CHECK(second.input == 1);
  CHECK(first.contribution.data == Numbers{3});
  CHECK(second.before->data == Numbers{3});
  CHECK(second.after.data == Numbers{6});
  CHECK(replay.nodes[1].inputs[0].jacobian == std::vector<Numbers>{{3}});  // of each use alone
  CHECK(replay.nodes[1].inputs[1].jacobian == std::vector<Numbers>{{3}});
}

TEST_CASE_TEMPLATE("a replay's gradients are backward()'s to the last bit", T, float, double) {
  Generator random(5);
  const auto draw = [&](const Shape& shape) { return random.uniform<T>(shape, T(0.5), T(1.5)); };
  Tape<T> tape;  // recorded in the order in which it is read, so that sums have one order, too
  Parameter<T> w("w", draw({3, 4}));
  const auto x = tape.leaf(draw({5, 3})), b = tape.leaf(draw({4}));
  const auto W = tape.leaf(w);
  const auto h = matmul(x, W);
  const auto z = h + b;
  const auto t = tanh(z);
  const auto p = softmax(t);
  const auto q = p * b;
  const auto y = mean(log(q) * T(0.3));
  const Replay replay(y, {{x, "x"}, {b, "b"}});
  CHECK(replay.type == (std::is_same_v<T, float> ? "float" : "double"));
  tape.backward(y);
  int compared = 0;
  for (const auto& node : replay.nodes) {
    if (node.name.empty()) continue;
    ++compared;
    const Array<T> grad = node.name == "w" ? w.grad : node.name == "x" ? x.grad() : b.grad();
    CHECK(node.cotangent->data == numbers(grad));
  }
  CHECK(compared == 3);
}

// --- Broadcasting

TEST_CASE("a replay shows broadcasting: the shape of the copy, and the sum back") {
  Tape<double> tape;
  const auto a = tape.leaf(Array<double>{{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}});
  const auto b = tape.leaf(Array<double>{10.0, 20.0});
  const auto row = tape.constant(Array<double>{7.0, 8.0});
  const Replay replay(sum(a * b + row), {{a, "a"}, {b, "b"}, {row, "row"}});
  const auto &mul = replay.nodes[2], &add = replay.nodes[4];
  CHECK(mul.formula == "a * b");
  CHECK(!mul.inputs[0].stretched);
  CHECK(mul.inputs[1].stretched == Shape{3, 2});
  CHECK(add.formula == "v2 + row");
  CHECK(add.inputs[1].stretched == Shape{3, 2});  // a constant is stretched, too
  const auto& to_b = replay.steps[2].contributions[1];
  CHECK(replay.steps[2].node == 2);
  CHECK(to_b.stretched->shape == Shape{3, 2});
  CHECK(to_b.stretched->data == Numbers{1, 2, 3, 4, 5, 6});
  CHECK(to_b.contribution.data == Numbers{9, 12});
  CHECK(!replay.steps[2].contributions[0].stretched);
  const std::vector<Numbers> J{{1, 0}, {0, 2}, {3, 0}, {0, 4}, {5, 0}, {0, 6}};
  CHECK(mul.inputs[1].jacobian == J);
  CHECK(to_steps(replay).find("input 1 += (9, 12), the sum of ((1, 2), (3, 4), (5, 6)) (b)\n") !=
        std::string::npos);
}

// --- Names and numbers

TEST_CASE("a replay shows the numbers of a formula") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(0.5));
  CHECK(formula(x, x * 3) == "x * 3");
  CHECK(formula(x, 3 * x) == "3 * x");
  CHECK(formula(x, x + 1) == "x + 1");
  CHECK(formula(x, 1 + x) == "1 + x");
  CHECK(formula(x, x - 2) == "x - 2");
  CHECK(formula(x, 2 - x) == "2 - x");
  CHECK(formula(x, x / 4) == "x / 4");
  CHECK(formula(x, 4 / x) == "4 / x");
  CHECK(formula(x, x * -0.1) == "x * (-0.1)");
  CHECK(formula(x, -x) == "-x");
  CHECK(formula(x, pow(x, 3)) == "pow(x, 3)");
  CHECK(formula(x, clip(x, 0, 1)) == "clip(x, 0, 1)");
  CHECK(formula(x, maximum(x, 0)) == "maximum(x, 0)");
  CHECK(formula(x, x * scalar(-3.0)) == "x * (-3)");  // an Array
  CHECK(formula(x, pow(x, -3)) == "pow(x, -3)");
  const auto s = tape.leaf(Array<double>{2.0, 1.0});
  CHECK(formula(s, soft_sort(s, 0.5)) == "soft_sort(x, 0.5)");
  CHECK(formula(s, neural_sort_values(s, 0.5)) == "neural_sort_values(x, 0.5)");
  CHECK(formula(s, lap_sum_top_k(s, 1.5, 0.1)) == "lap_sum_top_k(x, 1.5, 0.1)");
  CHECK(formula(s, sorting_network_values(s)) == "sorting_network_values(x, 10)");
  const auto own = [&](const char* op,
                       InputVars<double> inputs) {  // of somebody else, by that name
    return record(op, inputs, scalar(1.0), [](Node<double>&) {});
  };
  CHECK(formula(x, own("add", {x, x, x})) == "add(x, x, x)");
  CHECK(formula(x, own("pow", {x})) == "pow(x)");
  Tape<float> single;
  CHECK(formulas(Replay(single.leaf(scalar(1.0f)) * 0.1f))[1] == "v0 * 0.1");
}

TEST_CASE("a replay says the local derivative in words, by the operand's place") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(0.5)), z = tape.leaf(scalar(0.25));
  const auto words = [&](const Var<double>& y, std::size_t input = 0) {
    return Replay(y, {{x, "x"}, {z, "z"}, {y, "y"}}).nodes.back().inputs[input].derivative;
  };
  CHECK(words(x * z) == "z");
  CHECK(words(x * z, 1) == "x");
  CHECK(words(x / z, 1) == "-y / z");
  CHECK(words(2 - x) == "-1");
  CHECK(words(x * -3) == "-3");
  CHECK(words(x / -3) == "1 / (-3)");
  CHECK(words(x - 2) == "1");
  CHECK(words(3 / x) == "-y / x");
  CHECK(words(exp(x)) == "y");
  CHECK(words(pow(x, 3)) == "3 x^(3 - 1)");
  CHECK(words(sum(x)) == "");
}

TEST_CASE("a replay names parameters, and what the user names") {
  Parameter<double> w("layer.weight", scalar(2.0));
  Tape<double> tape;
  const auto x = tape.leaf(scalar(3.0)), W = tape.leaf(w);
  const auto target = constant(scalar(1.0));
  const auto loss = square(W * x - target);
  const Replay replay(loss, {{x, "x"}, {loss, "loss"}, {target, "target"}});
  CHECK(formulas(replay) == std::vector<std::string>{"parameter", "leaf", "layer.weight * x",
                                                     "constant", "v2 - target", "square(v4)"});
  CHECK(replay.nodes[0].kind == Replay::Kind::parameter);
  CHECK(replay.nodes[1].kind == Replay::Kind::leaf);
  CHECK(replay.nodes[3].kind == Replay::Kind::constant);
  CHECK(replay.label(5) == "loss");
  CHECK(replay.label(4) == "v4");
  CHECK(Replay(loss, {{W, "W"}}).nodes[0].name == "W");
}

// --- Local derivatives

TEST_CASE("a replay has small Jacobians as the pullback gives them, and none that are not") {
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{1.0, 2.0, 3.0});
  const auto A = tape.constant(Array<double>{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  const auto jacobian = [](const Var<double>& y) {
    return Replay(y).nodes.back().inputs.back().jacobian;
  };
  CHECK(jacobian(matmul(A, x)) == std::vector<Numbers>{{1, 2, 3}, {4, 5, 6}});
  CHECK(jacobian(sum(x)) == std::vector<Numbers>{{1, 1, 1}});
  CHECK(jacobian(square(x)) == std::vector<Numbers>{{2, 0, 0}, {0, 4, 0}, {0, 0, 6}});
  CHECK(jacobian(sum(tape.leaf(zeros<double>({64})))).size() == 1);
  CHECK(jacobian(sum(tape.leaf(zeros<double>({65})))).empty());
  CHECK(jacobian(exp(tape.leaf(zeros<double>({8})))).size() == 8);
  CHECK(jacobian(exp(tape.leaf(zeros<double>({9})))).empty());  // 81 numbers
  CHECK(jacobian(fisher_step(x, 0.5)).empty());                 // its pullback is not linear
  // 0 / 0 beside the diagonal: not what the pullback of ones gave, which is (inf, 1/2).
  CHECK(jacobian(log(tape.leaf(Array<double>{0.0, 2.0}))).empty());
}

// --- Side effects

TEST_CASE("a replay changes nothing: gradients, a later backward()") {
  Parameter<double> w("w", Array<double>{1.0, 2.0});
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{3.0, 4.0}), W = tape.leaf(w);
  const auto h = W * x;
  const auto y = sum(h * x);
  const Replay before(y);
  CHECK(w.grad == zeros<double>({2}));
  CHECK(x.grad() == zeros<double>({2}));
  CHECK(tape.size() == 5);
  for (std::size_t i = 0; i < tape.size(); ++i) CHECK(!tape.node(i).has_cotangent());
  CHECK(h.node()->input(1).node() == x.node());

  const Array<double> u = full<double>({}, 10.0);
  tape.backward(y, u);
  const Array<double> x_grad = x.grad(), w_grad = w.grad;
  CHECK(w_grad == Array<double>{90.0, 160.0});
  const Replay after(tape);
  CHECK(to_json(after) == to_json(before));
  CHECK(x.grad() == x_grad);
  CHECK(w.grad == w_grad);
  tape.backward(y, u);
  CHECK(w.grad == w_grad * 2);
}

TEST_CASE("a replay tells those who watch tapes nothing") {
  Tape<double> tape;
  const auto y = sum(sqrt(tape.leaf(Array<double>{0.0, 4.0})));
  const NonFiniteTrap trap;
  CHECK(Replay(y).nodes[0].cotangent->data[0] == std::numeric_limits<double>::infinity());
  CHECK_THROWS(tape.backward(y));
}

TEST_CASE("a pullback that throws in a replay leaves the tape as it was") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(2.0));
  bool fails = true;
  const auto y = record("picky", {x}, scalar(4.0), [&fails](Node<double>& y) {
    require(!fails, "not today");
    accumulate(y.input(0), y.cotangent() * 2);
  });
  CHECK(error_of([&] { Replay replay(y); }) ==
        "invalid_argument: pullback of picky (node 1): not today");
  CHECK(y.node()->input(0).node() == x.node());
  CHECK(!y.node()->has_cotangent());
  fails = false;
  tape.backward(y);
  CHECK(x.grad() == scalar(2.0));
}

TEST_CASE("a replay outlives its tape") {
  const auto replay = [] {
    Parameter<double> w("w", scalar(2.0));
    Tape<double> tape;
    return Replay(tape.leaf(w) * 3);
  }();
  CHECK(to_steps(replay) ==
        "forward\n0 parameter w: () = 2\n1 mul: w * 3 = 6\n"
        "reverse\n1 mul: ybar 1 -> input 0 += 3 (w)\n0 parameter w: ybar 3\n");
}

// --- Texts

TEST_CASE("a replay as a table, as steps and as DOT") {
  Tape<double> tape;
  const auto a = tape.leaf({1.0, 2.0}), b = tape.leaf({2.0, 3.0});
  const auto L = sum(a * b + a);
  const Replay replay(tape, {{a, "a"}, {b, "b"}, {L, "L"}});
  CHECK(to_table(replay) ==
        "index  name         op               shape            formula                  "
        "value                              cotangent\n"
        "    0  a            leaf             (2)              -                        "
        "1 2                                3 4\n"
        "    1  b            leaf             (2)              -                        "
        "2 3                                1 2\n"
        "    2  -            mul              (2)              a * b                    "
        "2 6                                1 1\n"
        "    3  -            add              (2)              v2 + a                   "
        "3 8                                1 1\n"
        "    4  L            sum              ()               sum(v3)                  "
        "11                                 1\n");
  std::ifstream page(TAPESORT_SOURCE "/replay/README.md");
  std::string steps, line;
  while (std::getline(page, line) && line != "    forward") continue;
  for (; line.rfind("    ", 0) == 0; std::getline(page, line)) steps += line.substr(4) + "\n";
  CHECK(steps.size() > 300);
  CHECK(to_steps(replay) == steps);  // worked out there by hand
  const std::string dot = to_dot(replay);
  CHECK(dot.rfind("digraph tape {", 0) == 0);
  CHECK(dot.find("  2 -> 3;\n") != std::string::npos);
  CHECK(dot.find("  2 [label=\"2: mul\\na * b\\n(2)\\n2 6\\ncotangent 1 1\"];\n") !=
        std::string::npos);
  CHECK(dot.find("  0 [label=\"0: leaf a\\n(2)\\n1 2\\ncotangent 3 4\", shape=box];\n") !=
        std::string::npos);
  CHECK(to_table(Tape<double>()) == to_table(replay).substr(0, to_table(replay).find('\n') + 1));
  CHECK(to_steps(Tape<float>()) == "forward\nreverse\n");
}

TEST_CASE("a replay as DOT shows what is stretched, and quotes names") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(2.0));
  const Replay replay(x * tape.leaf(Array<double>{1.0, 2.0}), {{x, "a \"b\" \\"}});
  const std::string dot = to_dot(replay);
  CHECK(dot.find("2: mul\\na \\\"b\\\" \\\\ * v1\\n") != std::string::npos);
  CHECK(dot.find("  s2_0 [label=\"stretched to (2)\", shape=box, style=dashed];\n") !=
        std::string::npos);
  CHECK(dot.find("  0 -> s2_0;\n  s2_0 -> 2;\n  1 -> 2;\n") != std::string::npos);
}

// --- JSON and HTML

TEST_CASE("a replay as JSON") {
  Parameter<double> w("w", Array<double>{0.1, 2.0});
  Tape<double> tape;
  const auto x = tape.leaf(Array<double>{{1.0, 2.0}, {3.0, 4.0}});
  const json replay = json::parse(to_json(Replay(sum(x * tape.leaf(w) * 3), {{x, "x"}})));
  CHECK(replay["type"] == "double");
  CHECK(replay["result"] == 4);
  CHECK(replay["total"] == 5);
  REQUIRE(replay["nodes"].size() == 5);
  CHECK(replay["nodes"][1] == json::parse(R"({"id": 1, "kind": "parameter", "op": "parameter",
      "name": "w", "formula": null, "shape": [2], "value": {"data": [0.1, 2]}, "inputs": [],
      "cotangent": {"data": [12, 18]}, "stretched": [], "derivatives": [], "jacobians": []})"));
  CHECK(replay["nodes"][2] ==
        json::parse(R"({"id": 2, "kind": "operator", "op": "mul",
      "name": null, "formula": "x * w", "shape": [2, 2], "value": {"data": [0.1, 4, )" +
                    std::string("0.30000000000000004") + R"(, 8]}, "inputs": [0, 1],
      "cotangent": {"data": [3, 3, 3, 3]}, "stretched": [null, [2, 2]], "derivatives": ["w", "x"],
      "jacobians": [{"rows": [[0.1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0.1, 0], [0, 0, 0, 2]]},
                    {"rows": [[1, 0], [0, 2], [3, 0], [0, 4]]}]})"));
  CHECK(replay["nodes"][3]["formula"] == "v2 * 3");
  REQUIRE(replay["steps"].size() == 5);
  CHECK(replay["steps"][2]["node"] == 2);
  CHECK(replay["steps"][2]["cotangent"]["data"] == json{3, 3, 3, 3});
  CHECK(replay["steps"][2]["contributions"][1] == json::parse(R"({"input": 1, "to": 1,
      "contribution": {"data": [12, 18]}, "stretched": {"shape": [2, 2], "data": [3, 6, 9, 12]},
      "before": null, "after": {"data": [12, 18]}})"));
  CHECK(json::parse(to_json(Tape<double>())) ==
        json::parse(R"({"type": "double", "result": null, "total": 0, "nodes": [], "steps": []})"));
}

TEST_CASE("JSON of a replay: NaN, infinities, float's digits, and large arrays") {
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               inf = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  const json odd = json::parse(to_json(tape.leaf(Array<double>{nan, inf, -inf, 1e300}) * 1));
  CHECK(odd["nodes"][0]["value"]["data"] == json{"NaN", "Infinity", "-Infinity", 1e300});

  Tape<float> single;
  const auto x = single.leaf(full<float>({5, 13}, 0.1f));
  const std::string text = to_json(sum(x));
  CHECK(text.find("{\"mean\":0.1,\"low\":0.1,\"high\":0.1}") != std::string::npos);
  CHECK(json::parse(text)["nodes"][0]["cotangent"] == json{{"mean", 1}, {"low", 1}, {"high", 1}});
  CHECK(to_json(sum(tape.leaf(full<double>({65}, nan)))).find("{\"mean\":\"NaN\"") !=
        std::string::npos);
  CHECK(json::parse(to_json(sum(tape.leaf(zeros<double>({0})))))["nodes"][0]["value"] ==
        json{{"data", json::array()}});
}

TEST_CASE("JSON of a replay of a long tape has the nodes that end at the result") {
  Tape<double> tape;
  const auto x = tape.leaf(scalar(1.0));
  Var<double> y = x;
  for (int i = 0; i < 999; ++i) y = y + 1;
  y = y * x;
  exp(x * 2);  // behind the result, where 256 nodes are not reached
  const json replay = json::parse(to_json(Replay(y)));
  CHECK(replay["total"] == 1001);
  REQUIRE(replay["nodes"].size() == 258);  // 256, and inputs of two
  CHECK(replay["nodes"][0]["id"] == 0);    // x, the result's second input
  CHECK(replay["nodes"][0]["kind"] == "earlier");
  CHECK(replay["nodes"][1]["id"] == 744);
  CHECK(replay["nodes"][1]["kind"] == "earlier");
  CHECK(replay["nodes"][1]["inputs"] == json::array());
  CHECK(replay["nodes"][2]["id"] == 745);
  CHECK(replay["nodes"][257]["id"] == 1000);
  CHECK(replay["steps"].size() == 256);
  CHECK(replay["steps"][255]["contributions"][0]["to"] == 744);
}

TEST_CASE("a replay as a page: one file that holds the JSON, whatever names say") {
  const TemporaryFolder folder;
  Tape<double> tape;
  const auto x = tape.leaf(scalar(2.0));
  const std::string name = "</script><!-- \"\\\n\t\x01 \xc3\xa4";
  const Replay replay(x * 3, {{x, name}});
  to_html(replay, folder / "tape.html");
  const std::string page = folder.read("tape.html");
  static const std::regex holds(
      R"re(<script type="application/json" id="replay">([^<]*)</script>)re");
  std::smatch match;
  REQUIRE(std::regex_search(page, match, holds));
  CHECK(match[1] == to_json(replay));
  const json parsed = json::parse(match[1].str());
  CHECK(parsed["nodes"][0]["name"] == name);
  CHECK(page.find("function tapeView(") != std::string::npos);
  CHECK(page.find(".tape-view {") != std::string::npos);
  for (const char* network : {"http:", "https:", "src=", "href=", "import", "url("}) {
    std::size_t at = page.find(network);
    if (at != std::string::npos && page.compare(at, 26, "http://www.w3.org/2000/svg") == 0) {
      at = page.find(network, at + 1);  // a name, not an address
    }
    CHECK_MESSAGE(at == std::string::npos, network);
  }
}

// --- Errors

TEST_CASE("a replay's errors") {
  CHECK(error_of([] { Replay replay{Var<double>()}; }) ==
        "logic_error: Replay: input 0 is an empty Var; assign a value first");
  CHECK(error_of([] { Replay replay(exp(constant(scalar(1.0)))); }) ==
        "logic_error: Replay: exp of shape () needs no gradient, so nothing was recorded; compute "
        "it from a leaf of a tape that records");
  Var<double> last;
  {
    Tape<double> tape;
    last = exp(tape.leaf(scalar(1.0)));
    CHECK(error_of([&] {
            Replay replay(tape, {{Var<double>(), "x"}});
          }) == "logic_error: Replay: the Var named x is empty");
    CHECK(error_of([&] { to_html(tape, "/proc/no/tape.html"); }) ==
          "exception: to_html: /proc/no/tape.html cannot be written: No such file or "
          "directory");
    CHECK(error_of([&] { to_html(tape, "/dev/full"); }) ==
          "exception: to_html: /dev/full cannot be written: No space left on device");
  }
  CHECK(error_of([&] { Replay replay(last); }) ==
        "logic_error: Replay: the tape of input 0, exp of shape (), is gone; keep the tape, or "
        "pass constant(v.value()) on to the next one");
}
