// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <linear.hpp>

int main() {
  Vector v(40);
  for (std::size_t j = 0; j < 40; ++j) v[j] = -double(j) - std::sin(double(j * j));
  std::sort(v.begin(), v.end(), std::greater<double>());
  const Vector d = gaps(v, 5);
  std::puts("file band.svg");
  std::puts(
      "set size ratio 1; set xrange [-0.5:39.5]; set yrange [39.5:-0.5]; unset key; unset grid");
  std::puts("set xlabel 'item'; set ylabel 'place'; set palette defined (0 'white', 1 'navy')");
  std::puts("$data << end");
  for (std::size_t i = 0; i < 40; ++i) {
    double sum = 0;
    const Vector logits = row_logits(d, i);
    for (double one : logits) sum += std::exp(one);
    for (double one : logits) std::printf("%.2f ", std::exp(one) / sum);
    std::puts("");
  }
  std::puts("end");
  std::puts("plot $data matrix with image");
}
