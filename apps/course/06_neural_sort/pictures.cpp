// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <neural_sort.hpp>

int main() {
  std::puts("file ranks.svg");
  std::puts(
      "set xlabel 'the score x, beside -1, 0 and 1.5'; set ylabel 'rank of x'; set yrange "
      "[4.3:0.7]; set ytics 1");
  std::puts("set key bottom right");
  std::puts("$data << end");
  for (double x = -2; x <= 2.5; x += 0.01) {
    const Vector s{x, -1, 0, 1.5};
    std::printf("%g %g", x, ranks(s)[0]);
    for (const double tau : {0.1, 1.0, 5.0}) {
      const Matrix p = neural_sort_matrix(s, tau);
      double rank = 0, mass = 0;  // the mean place, as rows, not columns, sum to one
      for (std::size_t i = 0; i < 4; ++i) {
        rank += p[i][0] * double(i + 1);
        mass += p[i][0];
      }
      std::printf(" %g", rank / mass);
    }
    std::puts("");
  }
  std::puts("end");
  std::puts(
      "plot $data using 1:2 with lines linecolor rgb 'black' linewidth 2 title 'rank', "
      "$data using 1:3 with lines linewidth 2 title 'tau = 0.1', "
      "$data using 1:4 with lines linewidth 2 title 'tau = 1', "
      "$data using 1:5 with lines linewidth 2 title 'tau = 5'");
}
