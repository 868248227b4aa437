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
  check_near(
      "For labels (0, 2) and (2, 0, 2)", numbers(same_label({0, 2}, {2, 0, 2})), {0, 1, 0, 1, 0, 1},
      {{{1, 0, 1, 0, 1, 0}, "It is 1 where they differ; it is to be 1 where they are the same."},
       {{0, 0, 0, 0, 0, 0}, "same is 0 everywhere."}});
}

TASK("11.3") {
  Tape<float> tape;
  // Far apart: the two nearest of rows 0 and 2 are 0 and 1, of row 1 they are 2 and 1.
  const Var<float> scores = tape.leaf({{0, -100, -200}, {-200, -100, 0}, {0, -100, -200}});
  const Array<float> same{{1, 1, 0}, {0, 0, 1}, {0, 1, 1}};
  const Var<float> loss = knn_loss(scores, same, 2, 1);
  check(loss.size() == 1,
        "The loss has shape " + to_text(loss.shape()) + "; it is to be one number.");
  check_near("The loss of three queries with 2, 1 and 1 right neighbours of 2", loss.item(),
             1 / 3.0,
             {{2 / 3.0,
               "That is the share of right neighbours; the loss is 1 minus it, so that training "
               "raises it."},
              {-1 / 3.0, "It has not been divided by k."},
              {-1, "It has not been averaged over the queries."},
              {-3, "It is divided neither by k nor by the number of queries."},
              {-2 / 3.0, "1 is missing: 1 - the share."}},
             1e-5);
}

TASK("11.4") {
  const Points queries(40, Generator(1)), candidates(60, Generator(2));
  Parameter<float> weights("weights", Generator(3).normal<float>({10, 2}, 0, 0.1f));
  Adam<float> adam({&weights}, 0.05);
  const Array<float> before = weights.value;
  const float first =
      step(weights, adam, queries.x, queries.labels, candidates.x, candidates.labels);
  check(weights.value != before, "The weights have not changed: backward(loss), then adam.step().");
  float left = 0;
  for (float one : weights.grad) left += std::abs(one);
  check(left == 0,
        "The gradients of this step are still there; the next one would add to them: "
        "adam.zero_grad().");
  float loss = first;
  for (int i = 0; i < 150; ++i)
    loss = step(weights, adam, queries.x, queries.labels, candidates.x, candidates.labels);
  check(
      loss < 0.15f,
      "After 150 steps the loss went from " + course::to_text({first}) + " to " +
          course::to_text({loss}) +
          "; it should be below 0.15. Are queries and candidates embedded with the same weights?");
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
}

int main(int, char** argv) { return course::run(argv[1]); }
