// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <plackett_luce.hpp>
#include <random>

int main() {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::puts("file race.svg");
  const double weights[] = {4, 2, 1};
  int first[3] = {};
  std::vector<Vector> times(3);
  for (int run = 0; run < 1000; ++run) {
    double t[3];
    for (int j = 0; j < 3; ++j) {
      t[j] = arrival(1 - uniform(random), weights[j]);
      times[std::size_t(j)].push_back(t[j]);
    }
    ++first[std::min_element(t, t + 3) - t];
  }
  for (int j = 0; j < 3; ++j) {
    std::sort(times[std::size_t(j)].begin(), times[std::size_t(j)].end());
    std::printf("$item%d << end\n", j);
    for (std::size_t k = 0; k < 1000; k += 10)
      std::printf("%.4f %.2f\n", times[std::size_t(j)][k], 1 - double(k) / 1000);
    std::puts("end");
  }
  std::puts(
      "set xrange [0:2.5]; set yrange [0:1]; set xlabel 'time t'; set ylabel 'has not arrived "
      "yet'");
  std::string plot = "plot ";
  for (int j = 0; j < 3; ++j) {
    char line[200];
    std::snprintf(line, sizeof line,
                  "%s$item%d with steps linewidth 2 title 'weight %g: first in %.1f %%'",
                  j ? ", " : "", j, weights[j], first[j] / 10.0);
    plot += line;
  }
  std::puts(plot.c_str());
}
