// Prints a gnuplot script for each picture of the page, after a line "file NAME" (course.py pictures).
#include <estimators.hpp>
#include <random>

int main() {
  const Vector s{0, 0.5, -0.5, 1}, c{3, 1, 4, 2}, exact = exact_gradient(s, c);
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(1e-12, 1);
  const int draws = 20000;
  std::vector<Vector> noise, plain, with_baseline;
  for (int i = 0; i < draws; ++i) {
    Vector g;
    std::vector<std::size_t> choices;
    for (int k = 0; k < 5; ++k) {
      g.clear();
      Vector moved;
      for (double one : s) {
        g.push_back(-std::log(-std::log(uniform(random))));
        moved.push_back(one + g.back());
      }
      choices.push_back(std::size_t(std::max_element(moved.begin(), moved.end()) - moved.begin()));
    }
    noise.push_back(g);
    plain.push_back(score_function(s, choices[0], c[choices[0]], 0));
    with_baseline.push_back(leave_one_out(s, choices, c));
  }
  std::puts("file quality.svg");
  std::puts(
      "set logscale xy; set xlabel 'tau'; set ylabel 'squared error of one draw'; set key outside "
      "below; set xrange [0.1:10]; set yrange [1e-3:10]; set format y '10^{%T}'");
  std::puts("$data << end");
  for (double tau = 0.1; tau < 11; tau *= 1.25) {
    std::vector<Vector> estimates;
    for (const Vector& g : noise) estimates.push_back(reparameterised(s, c, g, tau));
    const Quality q = quality(estimates, exact);
    std::printf("%g %g %g\n", tau, q.variance, q.squared_bias);
  }
  std::puts("end");
  std::printf(
      "plot %g title 'score function: variance', %g title 'with baseline, 5 draws: variance x 5', "
      "$data using 1:2 with lines linewidth 2 title 'reparameterised: variance', "
      "$data using 1:3 with lines linewidth 2 title 'reparameterised: squared bias'\n",
      quality(plain, exact).variance, 5 * quality(with_baseline, exact).variance);
}
