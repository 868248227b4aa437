// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <checking.hpp>

int main() {
  const auto relu = [](double x) { return x > 0 ? x : 0; };
  std::puts("file kink.svg");
  std::puts("set xrange [-1:1]; set yrange [-0.6:1]; set key top left invert; set xlabel 'x'");
  std::string plot =
      "plot (x > 0 ? x : 0) with lines linewidth 3 linecolor rgb 'black' title 'max(x, 0)'";
  for (int i = -1; i <= 5; ++i) {
    const double slope = i / 4.0;
    const bool right = is_slope(relu, 0, slope);
    char line[200];
    std::snprintf(line, sizeof line, ", %g * x with lines linecolor rgb '%s' dashtype %d %s", slope,
                  right ? "#1f77b4" : "#d62728", right ? 1 : 2,
                  i == 0    ? "title 'slopes that is\\_slope accepts'"
                  : i == -1 ? "title 'and refuses'"
                            : "notitle");
    plot += line;
  }
  std::puts(plot.c_str());
}
