#include "apps/bench/sort_reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/sorting/neural_sort.hpp"

namespace tapesort {

SortReference sort_reference(const Array<double>& scores, double tau,
                             const Array<double>& weights) {
  using Extended = long double;
  const std::size_t n = scores.size();
  const Indices order = argsort(scores);
  std::vector<double> v(n);
  for (std::size_t j = 0; j < n; ++j) v[j] = scores.data()[order.data()[j]];
  // A_j / tau and s_j / tau, about the largest score; the order makes A a prefix sum.
  std::vector<Extended> s(n), A(n);
  Extended total = 0, before = 0;
  for (std::size_t j = 0; j < n; ++j) total += s[j] = (Extended(v[j]) - Extended(v[0])) / tau;
  for (std::size_t j = 0; j < n; ++j) {
    A[j] = before - Extended(j) * s[j] + Extended(n - 1 - j) * s[j] - (total - before - s[j]);
    before += s[j];
  }
  SortReference result{std::vector<double>(n), std::vector<double>(n, 0)};
  std::vector<double> p(n), B(n, 0), direct(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    const Extended weight = Extended(n) - 1 - 2 * Extended(i), own = weight * s[i] - A[i];
    double norm = 0, mean = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const double logit = double(weight * s[j] - A[j] - own);
      p[j] = logit < -100 ? 0 : std::exp(logit);
      norm += p[j];
      mean += p[j] * (v[j] - v[i]);
    }
    mean /= norm;
    result.values[i] = v[i] + mean;
    for (std::size_t j = 0; j < n; ++j) {
      if (p[j] == 0) continue;
      const double w = weights.data()[i] * p[j] / norm, g = w * (v[j] - v[i] - mean) / tau;
      B[j] += g;
      direct[j] += w + double(weight) * g;
    }
  }
  // - sum_k sign(v_j - v_k) (B_j + B_k), where ties have no sign.
  Extended above = 0, all = 0;
  for (double b : B) all += b;
  for (std::size_t first = 0, next; first < n; first = next) {
    Extended tied = 0;
    for (next = first; next < n && v[next] == v[first]; ++next) tied += B[next];
    const Extended below = all - above - tied;
    for (std::size_t j = first; j < next; ++j) {
      const Extended signs = Extended(n - next) - Extended(first);
      result.gradient[order.data()[j]] = double(direct[j] - (signs * B[j] + below - above));
    }
    above += tied;
  }
  return result;
}

template <class T>
SortErrors sort_errors(const Array<T>& scores, double tau, bool interpolate, Generator& random) {
  const std::size_t n = scores.size();
  const Array<T> weights = random.normal<T>({n});
  const Array<double> s = convert<double>(scores);
  const SortReference reference = sort_reference(s, tau, convert<double>(weights));
  Tape<T> tape;
  const Var<T> x = tape.leaf(scores);
  const Var<T> y = neural_sort_values(x, {tau, Direction::descending, interpolate});
  tape.backward(y, weights);
  const Array<T> gradient = x.grad();

  const auto [lowest, highest] = std::minmax_element(s.data(), s.data() + n);
  const double spread = *highest - *lowest;
  double value = 0, wrong = 0, largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float size = std::abs(float(reference.values[i]));
    const double ulp =
        double(std::nextafter(size, std::numeric_limits<float>::infinity())) - double(size);
    const double error = std::abs(double(y.value().data()[i]) - reference.values[i]);
    const double gradient_error = std::abs(double(gradient.data()[i]) - reference.gradient[i]);
    if (!(error / std::max(ulp, 2e-6 * spread) <= value)) {
      value = error / std::max(ulp, 2e-6 * spread);
    }
    if (!(gradient_error <= wrong)) wrong = gradient_error;
    largest = std::max(largest, std::abs(reference.gradient[i]));
  }
  return {value, wrong / largest};
}

template SortErrors sort_errors(const Array<float>&, double, bool, Generator&);
template SortErrors sort_errors(const Array<double>&, double, bool, Generator&);

const std::vector<ScoreKind>& score_kinds() {
  static const std::vector<ScoreKind> kinds{
      {"normal", [](double x, double) { return x; }},
      {"uniform", [](double, double p) { return p; }},
      {"clusters", [](double x, double p) { return 3 * std::floor(7 * p) + 0.01 * x; }},
      {"cauchy", [](double, double p) { return std::tan(std::acos(-1.0) * (p - 0.5)); }},
      {"lattice", [](double x, double) { return 0.05 * std::round(x / 0.05); }},
      {"offset", [](double x, double) { return 100 * x + 1e6; }}};
  return kinds;
}

Array<double> draw_scores(const ScoreKind& kind, std::size_t n, Generator& random) {
  Array<double> s = random.normal<double>({n});
  const Array<double> u = random.uniform<double>({n});
  std::transform(s.begin(), s.end(), u.begin(), s.begin(), kind.score);
  return s;
}

}  // namespace tapesort
