// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <knn.hpp>

namespace {

void print(const char* name, const Points& points, Parameter<float>& weights) {
  Tape<float> tape(Recording::off);
  const Array<float> placed = embed(tape, points.x, weights).value();
  std::printf("$%s << end\n", name);
  for (std::size_t i = 0; i < points.labels.size(); ++i) {
    std::printf("%.2f %.2f %d\n", double(placed(i, 0)), double(placed(i, 1)),
                int(points.labels(i)));
  }
  std::puts("end");
}

}  // namespace

int main() {
  const Points queries(40, Generator(1)), candidates(60, Generator(2)), test(200, Generator(6));
  Parameter<float> weights("weights", Generator(3).normal<float>({10, 2}, 0, 0.1f));
  Adam<float> adam({&weights}, 0.05);
  std::puts("file embedding.svg");
  print("before", test, weights);
  for (int i = 0; i < 150; ++i)
    step(weights, adam, queries.x, queries.labels, candidates.x, candidates.labels);
  print("after", test, weights);
  std::puts("set multiplot layout 1, 2; unset key; unset colorbox; set palette maxcolors 4");
  for (const char* name : {"before", "after"}) {
    std::printf(
        "set title '%s'; plot $%s using 1:2:3 with points pointtype 7 pointsize 0.4 palette\n",
        name, name);
  }
}
