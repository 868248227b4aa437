// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <knn.hpp>

namespace {

void points(Generator random, std::size_t n, Array<float>& x, Indices& labels) {
  x = random.normal<float>({n, 10}, 0, 1.5f);
  labels = Indices::from_shape({n});
  for (std::size_t i = 0; i < n; ++i) {
    labels(i) = Index(random.below(4));
    x(i, 3) = (labels(i) & 1 ? 1.0f : -1.0f) + 0.2f * x(i, 3);
    x(i, 7) = (labels(i) & 2 ? 1.0f : -1.0f) + 0.2f * x(i, 7);
  }
}

void print(const char* name, const Array<float>& x, const Indices& labels,
           Parameter<float>& weights) {
  Tape<float> tape(Recording::off);
  const Array<float> placed = embed(tape, x, weights).value();
  std::printf("$%s << end\n", name);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::printf("%.2f %.2f %d\n", double(placed(i, 0)), double(placed(i, 1)), int(labels(i)));
  }
  std::puts("end");
}

}  // namespace

int main() {
  Array<float> x, candidates, test;
  Indices labels, candidate_labels, test_labels;
  points(Generator(1), 40, x, labels);
  points(Generator(2), 60, candidates, candidate_labels);
  points(Generator(6), 200, test, test_labels);
  Parameter<float> weights("weights", Generator(3).normal<float>({10, 2}, 0, 0.1f));
  Adam<float> adam({&weights}, 0.05);
  std::puts("file embedding.svg");
  print("before", test, test_labels, weights);
  for (int i = 0; i < 150; ++i) step(weights, adam, x, labels, candidates, candidate_labels);
  print("after", test, test_labels, weights);
  std::puts("set multiplot layout 1, 2; unset key; unset colorbox; set palette maxcolors 4");
  for (const char* name : {"before", "after"}) {
    std::printf(
        "set title '%s'; plot $%s using 1:2:3 with points pointtype 7 pointsize 0.4 palette\n",
        name, name);
  }
}
