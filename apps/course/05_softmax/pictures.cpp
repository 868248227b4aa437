// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <softmax.hpp>

int main() {
  Generator random(2);
  const std::size_t n = 200;
  Array<double> points;
  Indices labels;
  two_moons(n, random, points, labels);
  Network network(16, random);
  Adam<double> adam({&network.w1, &network.b1, &network.w2, &network.b2}, 0.03);
  for (int i = 0; i < 300; ++i) step(network, adam, points, labels);

  std::puts("file moons.svg");
  for (int label = 0; label < 2; ++label) {
    std::printf("$class%d << end\n", label);
    for (std::size_t i = 0; i < n; ++i) {
      if (labels(i) == label) std::printf("%.3f %.3f\n", points(i, 0), points(i, 1));
    }
    std::puts("end");
  }
  // Where the two logits are equal: on each vertical line, between two heights.
  std::puts("$border << end");
  for (double x = -1.3; x <= 2.3; x += 0.02) {
    double before = 0;
    for (double y = -1; y <= 1.5; y += 0.01) {
      Tape<double> tape(Recording::off);
      const Array<double> out = network.logits(tape, {{x, y}}).value();
      const double difference = out(0, 0) - out(0, 1);
      if (before * difference < 0) std::printf("%.2f %.3f\n", x, y);
      before = difference;
    }
  }
  std::puts("end");
  std::puts("set xrange [-1.3:2.3]; set yrange [-1:1.5]; unset key");
  std::puts(
      "plot $class0 with points pointtype 7 pointsize 0.4, "
      "$class1 with points pointtype 7 pointsize 0.4, "
      "$border with points pointtype 7 pointsize 0.15 linecolor rgb 'black'");
}
