#include <softmax.hpp>

#include "../test_tools.hpp"

using course::check;
using course::check_near;
using course::differences;

namespace {

std::vector<double> numbers(const Array<double>& x) { return {x.begin(), x.end()}; }

const Array<double> x23{{1, 2, 4}, {0, -1, 0.5}};

// What the pullback of f adds at x, for ybar.
template <class F>
std::vector<double> pull(const F& f, const Array<double>& x, const Array<double>& ybar) {
  Tape<double> tape;
  const Var<double> leaf = tape.leaf(x);
  tape.backward(f(leaf), ybar);
  return numbers(leaf.grad());
}

Array<double> softmax_of(const Array<double>& x) {
  Array<double> p = xt::exp(x);
  for (std::size_t i = 0; i < p.shape()[0]; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < p.shape()[1]; ++j) sum += p(i, j);
    for (std::size_t j = 0; j < p.shape()[1]; ++j) p(i, j) /= sum;
  }
  return p;
}

}  // namespace

TASK("5.1") {
  const Array<double> p = softmax_values(x23), right = softmax_of(x23);
  Array<double> whole = xt::exp(x23);
  double sum = 0;
  for (double one : whole) sum += one;
  for (double& one : whole) one /= sum;
  check_near("softmax of (1, 2, 4; 0, -1, 0.5)", numbers(p), numbers(right),
             {{numbers(whole), "All six are divided by one sum. Each row has its own."},
              {numbers(xt::exp(x23)), "The rows have not been divided by their sums."}});
  const Array<double> large = softmax_values({{1000, 1001}, {-1000, -1001}});
  check(std::isfinite(large(0, 0)) && std::isfinite(large(1, 0)),
        "softmax of (1000, 1001; -1000, -1001) is " + course::to_text(numbers(large)) +
            ": exp(1000) overflows, and exp(-1000) is 0. Subtract each row's largest number first; "
            "it cancels.");
  check_near("softmax of (1000, 1001; -1000, -1001)", numbers(large),
             numbers(softmax_of({{0, 1}, {1, 0}})));
}

TASK("5.2") {
  const Array<double> ybar{{1, 0, 2}, {-1, 3, 0}}, p = softmax_of(x23);
  const auto weighted = [&](const Array<double>& x) {
    double sum = 0;
    const Array<double> y = softmax_of(x);
    for (std::size_t i = 0; i < y.size(); ++i) sum += ybar.data()[i] * y.data()[i];
    return sum;
  };
  // row_softmax needs task 5.1; its pullback is tested at the right value.
  const auto f = [&](const Var<double>& x) { return row_softmax(x); };
  check_near("What the pullback gives x, row by row,", pull(f, x23, ybar),
             differences(weighted, x23),
             {{numbers(p * (1 - p) * ybar),
               "That is p (1 - p) ybar, as if p_j depended on x_j alone. But every x_k is in the "
               "sum below: "
               "dp_j/dx_k = -p_j p_k."},
              {numbers(p * ybar), "That is p ybar: the sum's dependence on x is missing."},
              {{0, 0, 0, 0, 0, 0}, "xbar is 0."}},
             1e-6);
}

TASK("5.3") {
  const Indices labels{2, 1};
  const auto value = [&](const Array<double>& x) {
    const Array<double> p = softmax_of(x);
    return -(std::log(p(0, 2)) + std::log(p(1, 1))) / 2;
  };
  const auto f = [&](const Var<double>& x) { return label_loss(x, labels); };
  const std::vector<double> got = pull(f, x23, scalar(10.0));
  std::vector<double> right = differences(value, x23), doubled = right, once = right,
                      negative = right;
  for (std::size_t i = 0; i < right.size(); ++i) {
    once[i] = right[i];
    right[i] *= 10;
    doubled[i] = 2 * right[i];
    negative[i] = -right[i];
  }
  const Array<double> p = softmax_of(x23);
  check_near(
      "What the pullback gives x, for ybar = 10,", got, right,
      {{negative,
        "The sign is wrong: the loss is *minus* the logarithm, so it is p - 1 at the label."},
       {doubled, "The loss is a mean over rows: divide by n."},
       {once, "ybar is missing: the chain rule."},
       {numbers(5 * p), "The label's 1 is missing: it is p - 1 there."},
       {{0, 0, 0, 0, 0, 0}, "xbar is 0."}},
      1e-6);
}

TASK("5.4") {
  Generator random(1);
  Network network(8, random);
  network.b1.value += 0.3;
  network.b2.value += Array<double>{0.5, -0.5};
  const Array<double> points{{1, 2}, {-0.5, 0.25}, {0, 1}};
  Tape<double> tape;
  const Var<double> got = network.logits(tape, points);
  check(got.shape() == Shape{3, 2}, "For three points the logits have shape " +
                                        to_text(got.shape()) + ", but should have (3, 2).");
  const auto by_hand = [&](bool squash) {
    std::vector<double> out;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t c = 0; c < 2; ++c) {
        double sum = network.b2.value(c);
        for (std::size_t j = 0; j < 8; ++j) {
          const double before = points(i, 0) * network.w1.value(0, j) +
                                points(i, 1) * network.w1.value(1, j) + network.b1.value(j);
          sum += (squash ? std::tanh(before) : before) * network.w2.value(j, c);
        }
        out.push_back(sum);
      }
    }
    return out;
  };
  check_near("The logits of three points", numbers(got.value()), by_hand(true),
             {{by_hand(false), "tanh is missing: without it two layers are one linear map."}});
  check(got.needs_grad(),
        "The result needs no gradient: the parameters have to be leaves, tape.leaf(w1).");
  tape.backward(sum(got));
  for (const Parameter<double>* p : {&network.w1, &network.b1, &network.w2, &network.b2}) {
    double size = 0;
    for (double one : p->grad) size += std::abs(one);
    check(size > 0, "No gradient reaches " + p->name + ". Use tape.leaf(" + p->name +
                        "), not a constant of its value.");
  }
}

TASK("5.5") {
  Generator random(2);
  Array<double> points;
  Indices labels;
  two_moons(200, random, points, labels);
  Network network(16, random);
  Adam<double> adam({&network.w1, &network.b1, &network.w2, &network.b2}, 0.03);
  double before = 0;
  {
    Tape<double> tape(Recording::off);
    before = cross_entropy(network.logits(tape, points), labels).item();
  }
  const double first = step(network, adam, points, labels);
  check(adam.steps() == 1, "The optimizer has made " + std::to_string(adam.steps()) +
                               " steps in one call; call "
                               "adam.step() once.");
  check_near("What step() returns", first, before, {{0, "Return the loss, loss.item()."}});
  double left = 0;
  for (double one : network.w1.grad) left += std::abs(one);
  check(left == 0,
        "After the step the gradients are still there, and the next one would be added to them: "
        "adam.zero_grad().");
  double loss = first;
  for (int i = 0; i < 300; ++i) loss = step(network, adam, points, labels);
  check(loss < 0.1, "After 300 steps the loss went from " + course::to_text({first}) + " to " +
                        course::to_text({loss}) +
                        "; it should be below 0.1. Is the order backward(), adam.step(), "
                        "adam.zero_grad()? Does cross_entropy get logits, "
                        "and not a softmax of them?");
}

int main(int, char** argv) { return course::run(argv[1]); }
