#include <knn.hpp>

using course::check;
using course::check_near;

namespace {

std::vector<double> numbers(const Array<float>& x) { return {x.begin(), x.end()}; }

}  // namespace

TASK("11.1") {
  Tape<float> tape;
  const Var<float> a = tape.leaf({{0, 0}, {1, 1}}), b = tape.leaf({{0, 2}, {3, 4}, {0, 0}});
  const Var<float> got = nearness(a, b);
  check(got.shape() == Shape{2, 3}, "For 2 queries and 3 candidates the shape is " +
                                        to_text(got.shape()) + ", but should be (2, 3).");
  check_near("The scores", numbers(got.value()), {-4, -25, 0, -2, -13, -2},
             {{{4, 25, 0, 2, 13, 2},
               "These are distances: the farthest would come first. Take them negative."}},
             1e-5);
}

TASK("11.2") {
  check_near("same_label of (0, 1, 2) and (1, 1, 0), row by row,",
             numbers(same_label({0, 1, 2}, {1, 1, 0})), {0, 0, 1, 1, 1, 0, 0, 0, 0},
             {{{1, 1, 0, 0, 0, 1, 1, 1, 1},
               "It is 1 where they differ; it is to be 1 where they are the same."},
              {{0, 1, 0, 0, 1, 0, 1, 0, 0},
               "The indices are exchanged: same(i, j) is of queries(i) and candidates(j)."},
              {std::vector<double>(9), "same is 0 everywhere."}});
  check_near("same_label of (0, 1) and (1, 2, 0), row by row,",
             numbers(same_label({0, 1}, {1, 2, 0})), {0, 0, 1, 1, 0, 0});
}

TASK("11.3") {
  Tape<float> tape;
  // Far apart: the two nearest of rows 0 and 2 are 0 and 1, of row 1 they are 2 and 1.
  const Var<float> scores = tape.leaf({{0, -100, -200}, {-200, -100, 0}, {0, -100, -200}});
  const Array<float> same{{1, 1, 0}, {0, 0, 1}, {0, 1, 1}};
  const Var<float> loss = knn_loss(scores, same, 2, 1);
  check(loss.size() == 1,
        "The loss has shape " + to_text(loss.shape()) + "; it is to be one number.");
  check_near(
      "The loss of three queries with 2, 1 and 1 right neighbours of 2", loss.item(), 1 / 3.0,
      {{2 / 3.0,
        "That is the share of right neighbours; the loss is 1 minus it, so that training "
        "raises it."},
       {-1 / 3.0, "It has not been divided by k."},
       {-1, "It has not been averaged over the queries."},
       {5 / 9.0,
        "That is averaged over queries and candidates. Sum each query's mass of its own label, "
        "divide by k, and average over the queries."},
       {7 / 9.0,
        "That is averaged over queries and candidates. Sum each query's mass of its own label, "
        "divide by k, and average over the queries."},
       {-3, "It is divided neither by k nor by the number of queries."},
       {-2 / 3.0, "1 is missing: 1 - the share."}},
      1e-5);
}

namespace {

const Array<float>& start() {
  static const Array<float> weights = Generator(3).normal<float>({10, 2}, 0, 0.1f);
  return weights;
}

// The loss of step() at the start, and the weights after it, without the student's functions.
std::pair<double, std::vector<double>> one_step(const Points& queries, const Points& candidates,
                                                std::size_t k, double tau) {
  Parameter<float> weights("weights", start());
  Adam<float> adam({&weights}, 0.05);
  const auto count = float(queries.labels.size());
  Array<float> same = zeros<float>({queries.labels.size(), candidates.labels.size()});
  for (std::size_t i = 0; i < queries.labels.size(); ++i) {
    for (std::size_t j = 0; j < candidates.labels.size(); ++j)
      same(i, j) = queries.labels(i) == candidates.labels(j) ? 1 : 0;
  }
  Tape<float> tape;
  const Var<float> leaf = tape.leaf(weights);
  const Var<float> distances = squared_distances(matmul(tape.constant(queries.x), leaf),
                                                 matmul(tape.constant(candidates.x), leaf));
  const Var<float> loss = 1.0f - sum(top_k_mass(-distances, k, tau) * same) / (float(k) * count);
  tape.backward(loss);
  adam.step();
  return {loss.item(), numbers(weights.value)};
}

}  // namespace

TASK("11.4") {
  const Points queries(40, Generator(1)), candidates(60, Generator(2));
  Parameter<float> weights("weights", start());
  Adam<float> adam({&weights}, 0.05);
  const float first =
      step(weights, adam, queries.x, queries.labels, candidates.x, candidates.labels);
  check(weights.value != start(),
        "The weights have not changed: backward(loss), then adam.step().");
  const auto [loss_before, weights_after] = one_step(queries, candidates, 3, 1);
  check_near("What the first step returns", first, loss_before,
             {{0, "Return the loss, loss.item()."},
              {one_step(queries, candidates, 1, 1).first, "That is the loss for k = 1; k is 3."},
              {one_step(queries, queries, 3, 1).first,
               "The queries are their own candidates; the candidates are not looked at."},
              {one_step(candidates, candidates, 3, 1).first,
               "The candidates are queries as well; the queries are not looked at."},
              {one_step(candidates, queries, 3, 1).first, "Queries and candidates are exchanged."}},
             1e-4);
  check_near("The weights after one step, row by row,", numbers(weights.value), weights_after, {},
             1e-4);
  float left = 0;
  for (float one : weights.grad) left += std::abs(one);
  check(left == 0,
        "The gradients of this step are still there; the next one would add to them: "
        "adam.zero_grad().");
  float loss = first;
  for (int i = 0; i < 150; ++i)
    loss = step(weights, adam, queries.x, queries.labels, candidates.x, candidates.labels);
  check(loss < 0.15f, "After 150 steps the loss went from " + course::to_text({first}) + " to " +
                          course::to_text({loss}) + "; it should be below 0.15.");
  // The two coordinates that matter have the large weights.
  float useful = 0, all = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      const float square = weights.value(i, j) * weights.value(i, j);
      all += square;
      if (i == 3 || i == 7) useful += square;
    }
  }
  check(useful > 0.8f * all, "The embedding still looks at the coordinates that are noise.");
}

TASK("11.5") {
  // Only coordinates 3 and 7 are looked at.
  Parameter<float> weights("weights", zeros<float>({10, 2}));
  weights.value(3, 0) = weights.value(7, 1) = 1;
  const Points queries(40, Generator(4)), candidates(200, Generator(5));
  const Indices got = classify(weights, queries.x, candidates.x, candidates.labels);
  check(got.shape() == Shape{40},
        "For 40 queries the labels have shape " + to_text(got.shape()) + ", but should have (40).");
  const double share = accuracy(got, queries.labels);
  check(share > 0.95,
        "Only " + course::to_text({share}) +
            " of the labels are right; with these weights it should be almost all. Are "
            "both embedded, and are the neighbours' labels, not their indices, counted?");
  // Two queries, at (0, 0) and (20, 20), and candidates at these distances, to the right.
  const std::vector<float> distances[] = {{0.1f, 2, 2.1f},
                                          {0.5f, 0.51f, 0.52f, 0.53f, 0.54f, 0.55f}};
  const std::vector<Index> labels[] = {{1, 0, 0}, {0, 0, 1, 1, 1, 1}};
  Array<float> two = zeros<float>({2, 10}), near = zeros<float>({9, 10});
  Indices near_labels = Indices::from_shape({9});
  std::size_t row = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    two(i, 3) = two(i, 7) = 20 * float(i);
    for (std::size_t j = 0; j < distances[i].size(); ++j, ++row) {
      near(row, 3) = 20 * float(i) + distances[i][j];
      near(row, 7) = 20 * float(i);
      near_labels(row) = labels[i][j];
    }
  }
  const Indices votes = classify(weights, two, near, near_labels);
  check_near(
      "The labels of a query whose candidates have, nearest first, the labels 1, 0, 0, and "
      "of one with 0, 0, 1, 1, 1, 1,",
      {double(votes(0)), double(votes(1))}, {0, 0},
      {{{1, 0}, "The nearest alone decides. k is 3, and each of the three has one vote."},
       {{0, 1}, "More than the three nearest vote: farther ones have none."},
       {{1, 1}, "That is a soft vote. k is 3, and each of the three has one vote, however near."}});
}

int main(int, char** argv) { return course::run(argv[1]); }
