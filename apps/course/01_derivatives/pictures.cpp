// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <derivatives.hpp>

int main() {
  std::puts("file error.svg");
  std::puts("set logscale xy; set format xy '10^{%T}'; set xlabel 'step h'; set ylabel 'error'");
  std::puts("set key bottom left; set yrange [1e-13:1]");
  std::puts("$data << end");
  const Function f = [](double x) { return std::exp(x); };
  for (double h = 1e-14; h < 0.5; h *= 1.5) {
    const double one_sided = (f(1 + h) - f(1)) / h, central = central_difference(f, 1, h);
    std::printf("%g %g %g\n", h, std::abs(one_sided - f(1)), std::abs(central - f(1)));
  }
  std::puts("end");
  std::printf("set arrow from %g, graph 0 to %g, graph 1 nohead dashtype 2\n", good_step(1),
              good_step(1));
  std::puts(
      "plot $data using 1:2 with lines linewidth 2 title 'one-sided', "
      "$data using 1:3 with lines linewidth 2 title 'central'");
}
