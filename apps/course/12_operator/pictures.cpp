// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <operator.hpp>

int main() {
  std::puts("file huber.svg");
  std::puts("set key top center; set xlabel 'x'; set yrange [-1.2:3]");
  std::puts("$data << end");
  for (double x = -3; x <= 3; x += 0.05) {
    Tape<double> tape;
    const Var<double> leaf = tape.leaf({x}), y = huber(leaf, 1);
    tape.backward(y);
    std::printf("%.2f %.4f %.4f\n", x, y.item(), leaf.grad()(0));
  }
  std::puts("end");
  std::puts(
      "plot $data using 1:2 with lines linewidth 2 title 'Huber', $data using 1:3 with lines "
      "linewidth 2 title 'its "
      "slope', x * x / 2 with lines dashtype 2 linecolor rgb 'gray' title 'parabola'");
}
