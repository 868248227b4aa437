// A tape, replayed: what each node computed, and then, node by node, how cotangents arrive. For
// looking at, as text, as a graph, and as a page to step through.
//
//     Tape<double> tape;
//     Var<double> a = tape.leaf({1.0, 2.0}), b = tape.leaf({2.0, 3.0});
//     sum(a * b);
//     std::cout << to_steps(tape);                                   a line a node, forward and back
//     to_html(tape, "tape.html");                                    the same as a page
//     to_html(Replay(tape, {{a, "a"}, {b, "b"}}), "tape.html");      with names
//
// A replay computes cotangents itself, by the operators' own pullbacks, so it needs no backward(), and
// changes nothing: no gradient, no cotangent. It copies what it shows, and may outlive the tape.
//
// The order is that in which a formula is read: depth first from the result, inputs left to right, each
// before its user. (C++ evaluates operands in any order, so the tape of log(a) + a * b - tanh(b) may
// begin with tanh.) Nodes are numbered in it, and the reverse sweep walks it backwards. Where a value
// has several uses, their contributions may so be added in another order than backward() adds them.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/tape.hpp"

namespace tapesort {

// Names for what a replay shows: {{x, "x"}, {loss, "loss"}}, in UTF-8. Parameters have theirs.
template <class T> using Names = std::vector<std::pair<Var<T>, std::string>>;

// An array as it is shown: every number of at most 64, otherwise their mean and range.
struct Figures {
  Shape shape;
  std::vector<double> data;  // row-major; none when there are more than 64
  double mean = 0, low = 0, high = 0;
};

class Replay {
 public:
  // Of the tape's last node, as if it were summed: its cotangent begins with ones. The tape's other nodes
  // follow, without cotangents. float and double. std::logic_error when a Parameter is gone.
  template <class T> Replay(const Tape<T>& tape, const Converted<Names<T>>& names = {});
  // Of what `result` depends on. std::logic_error when it is empty or was not recorded.
  template <class T> Replay(const Var<T>& result, const Converted<Names<T>>& names = {});

  enum class Kind { leaf, parameter, constant, op };
  // One use of an earlier node.
  struct Input {
    std::size_t node;
    std::optional<Shape> stretched;  // to this shape, by broadcasting
    std::string derivative;          // dy/dx of an elementwise operator in words: "b" for a * b
    // dy_i/dx_j as [i][j], what the pullback answers to one-hot cotangents: of at most 16 rows and 64
    // numbers; none where no cotangent arrived, or where the pullback is not linear.
    std::vector<std::vector<double>> jacobian;
  };
  struct Node {
    Kind kind;
    std::string op, name;  // name: the user's or the Parameter's, or empty
    std::string formula;   // "a * v2", where v2 is node 2, without a name; empty but for operators
    Figures value;
    std::vector<Input> inputs;
    std::optional<Figures> cotangent;  // when complete; none when none arrives
  };
  // What one use of an input adds to the input's cotangent.
  struct Contribution {
    std::size_t input, to;  // the how-manieth input of the step's node; that node
    Figures contribution;   // in the input's shape
    std::optional<Figures>
        stretched;                  // what was summed to that shape, where the input was stretched
    std::optional<Figures> before;  // the input's cotangent; none before the first contribution
    Figures after;
  };
  // A node whose cotangent is complete passes it on; contributions in the order in which the pullback
  // makes them. Leaves pass nothing on.
  struct Step {
    std::size_t node;
    std::vector<Contribution> contributions;
  };

  std::string type;                   // "float" or "double"
  std::vector<Node> nodes;            // in reading order
  std::optional<std::size_t> result;  // none on an empty tape
  std::vector<Step> steps;            // from the result back

  std::string label(std::size_t node) const;  // the name, or v2

 private:
  template <class T> struct Recorder;
};

// A line a node: index, name, op, shape, formula, and summaries of value and cotangent: the numbers
// themselves up to four, otherwise mean and range.
std::string to_table(const Replay& replay);

// A line a node, forward, and then a line a step, as "3 mul: ybar (1, 1) -> input 0 += (2, 3) (a)".
std::string to_steps(const Replay& replay);

// The graph, with values and cotangents, in Graphviz's language: `dot -Tsvg`.
std::string to_dot(const Replay& replay);

// For programs, and for the page: replay/README.md has the format. Of more than 256 nodes, the 256 that
// end at the result, and their inputs.
std::string to_json(const Replay& replay);

// A page to step through, in one file that needs no network; of as many nodes as to_json.
// std::runtime_error, with the reason, when the file cannot be written.
void to_html(const Replay& replay, const std::string& file);

}  // namespace tapesort
