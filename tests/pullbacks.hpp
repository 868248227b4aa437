// Pullbacks that a gradient checker must find wrong, and right ones that are awkward to check.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gradcheck/gradcheck.hpp"

namespace tapesort::testing {

using Numbers = std::vector<double>;

struct PullbackCase {
  std::string name;
  std::vector<std::size_t> shape, output_shape;
  Numbers x;
  std::function<Numbers(const Numbers&)> f;
  std::function<Numbers(const Numbers& x, const Numbers& ybar)> vjp;
  std::string looks_like = "";  // what the report has to say, in the full mode

  GradcheckReport check(GradcheckMode mode = GradcheckMode::automatic) const {
    GradcheckProblem problem;
    problem.inputs = {{"x", shape, x}};
    problem.output_shape = output_shape;
    problem.f = [this](const GradcheckProblem::Values& values) { return f(values[0]); };
    problem.vjp = [this](const GradcheckProblem::Values& values, const Numbers& ybar) {
      return GradcheckProblem::Values{vjp(values[0], ybar)};
    };
    GradcheckOptions options;
    options.mode = mode;
    return gradcheck(problem, options);
  }
};

inline Numbers normals(std::size_t n, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Numbers x(n);
  for (double& value : x) value = normal(random);
  return x;
}

// f of each element, and ybar times slope of each element.
template <class F> auto each(const F& f) {
  return [f](const Numbers& x) {
    Numbers y;
    for (double value : x) y.push_back(f(value));
    return y;
  };
}
template <class F> auto each_slope(const F& slope) {
  return [slope](const Numbers& x, const Numbers& ybar) {
    Numbers xbar;
    for (std::size_t i = 0; i < x.size(); ++i) xbar.push_back(ybar[i] * slope(x[i]));
    return xbar;
  };
}
template <class F, class Slope>
PullbackCase elementwise(std::string name, Numbers x, const F& f, const Slope& slope,
                         std::string looks_like = "") {
  return {std::move(name), {x.size()},        {x.size()},           x,
          each(f),         each_slope(slope), std::move(looks_like)};
}

inline Numbers softmax_of(const Numbers& x) {
  const double largest = *std::max_element(x.begin(), x.end());
  Numbers p = each([&](double v) { return std::exp(v - largest); })(x);
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= total;
  return p;
}
inline double dot_of(const Numbers& a, const Numbers& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
inline Numbers softmax_pullback(const Numbers& x, const Numbers& ybar) {
  const Numbers p = softmax_of(x);
  const double common = dot_of(p, ybar);
  Numbers xbar;
  for (std::size_t i = 0; i < x.size(); ++i) xbar.push_back(p[i] * (ybar[i] - common));
  return xbar;
}
// The positions of x from its largest to its smallest.
inline std::vector<std::size_t> descending(const Numbers& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return x[a] > x[b]; });
  return order;
}
inline Numbers sorted(const Numbers& x) {
  Numbers y;
  for (std::size_t i : descending(x)) y.push_back(x[i]);
  return y;
}

// A (2, 3) matrix in the first six numbers, times a fixed (3, 2) one.
inline Numbers times_fixed(const Numbers& a) {
  const double b[3][2] = {{1, 2}, {-3, 0.5}, {0.25, 4}};
  Numbers y(4, 0.0);
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      for (std::size_t k = 0; k < 3; ++k) y[i * 2 + j] += a[i * 3 + k] * b[k][j];
    }
  }
  return y;
}

inline std::vector<PullbackCase> wrong_pullbacks() {
  std::vector<PullbackCase> cases;
  const Numbers five{0.5, -1.2, 2.0, 0.3, -0.7}, positive{0.5, 1.2, 2.0, 0.3, 0.7};
  const auto square = [](double x) { return x * x; };
  const auto add = [&](PullbackCase c) { cases.push_back(std::move(c)); };

  add(elementwise(
      "square: x instead of 2 x", five, square, [](double x) { return x; },
      "a factor: every element is 0.5 times"));
  add(elementwise(
      "cos: the sign", five, [](double x) { return std::cos(x); },
      [](double x) { return std::sin(x); }, "the sign of every element is wrong"));
  add(elementwise(
      "abs: always +1", five, [](double x) { return std::abs(x); }, [](double) { return 1.0; },
      "the sign is wrong where the input is negative"));
  add(elementwise(
      "exp: nothing passed on", five, [](double x) { return std::exp(x); },
      [](double) { return 0.0; }, "the gradient is 0"));
  add(elementwise("square: value of another step", five, square,
                  [](double x) { return 2 * (x + 1e-3); }));
  add(elementwise(
      "log: 1 / (x + .001)", positive, [](double x) { return std::log(x); },
      [](double x) { return 1 / (x + 1e-3); }));
  add(elementwise(
      "sigmoid: 1 - y instead of y (1 - y)", five, [](double x) { return 1 / (1 + std::exp(-x)); },
      [](double x) { return 1 - 1 / (1 + std::exp(-x)); }));
  add(elementwise(
      "tanh: 1 - y instead of 1 - y^2", five, [](double x) { return std::tanh(x); },
      [](double x) { return 1 - std::tanh(x); }));
  add(elementwise(
      "pow: x^3 with 3 x^3", five, [](double x) { return x * x * x; },
      [](double x) { return 3 * x * x * x; }));
  add(elementwise(
      "clip to [-1, 1]: passes outside", five, [](double x) { return std::clamp(x, -1.0, 1.0); },
      [](double) { return 1.0; }, "a dependence too many: every wrong element should be 0"));
  add(elementwise(
      "softsort: 1 / tau forgotten", five, [](double x) { return std::exp(x / 0.5); },
      [](double x) { return std::exp(x / 0.5); }, "a factor: every element is 0.5 times"));
  add(elementwise(
      "x tanh(x), a diamond: one branch", five, [](double x) { return x * std::tanh(x); },
      [](double x) { return std::tanh(x); }));
  add(elementwise(
      "x * stop(x): half of a square", five, square, [](double x) { return x; },
      "a factor: every element is 0.5 times"));
  add(elementwise(
      "relu: slope 1 everywhere", five, [](double x) { return x > 0 ? x : 0; },
      [](double) { return 1.0; }, "a dependence too many"));
  add(elementwise(
      "relu: wrong at the kink only", {1.0, 0.0, -1.0}, [](double x) { return x > 0 ? x : 0; },
      [](double x) { return x > 0   ? 1.0
                            : x < 0 ? 0.0
                                    : 2.0; }));
  add(elementwise(
      "reciprocal: the sign", positive, [](double x) { return 1 / x; },
      [](double x) { return 1 / (x * x); }, "the sign of every element is wrong"));

  add({"bias (3) added to (4, 3): only the first row",
       {3},
       {4, 3},
       {1, 2, 3},
       [](const Numbers& b) {
         Numbers y;
         for (std::size_t i = 0; i < 12; ++i) y.push_back(b[i % 3] + double(i));
         return y;
       },
       [](const Numbers&, const Numbers& ybar) {
         return Numbers{ybar[0], ybar[1], ybar[2]};
       },
       "a sum over a broadcast axis, or a batch, is missing?"});
  add({"bias (3) added to (4, 3): the mean of the rows",
       {3},
       {4, 3},
       {1, 2, 3},
       [](const Numbers& b) {
         Numbers y;
         for (std::size_t i = 0; i < 12; ++i) y.push_back(b[i % 3]);
         return y;
       },
       [](const Numbers&, const Numbers& ybar) {
         Numbers bbar(3, 0.0);
         for (std::size_t i = 0; i < 12; ++i) bbar[i % 3] += ybar[i] / 4;
         return bbar;
       },
       "1/4: a mean instead of a sum?"});
  add({"mean: 1 / n forgotten",
       {5},
       {},
       five,
       [](const Numbers& x) { return Numbers{std::accumulate(x.begin(), x.end(), 0.0) / 5}; },
       [](const Numbers& x, const Numbers& ybar) { return Numbers(x.size(), ybar[0]); },
       "counted 5 times?"});
  add({"matmul: the gradient transposed",
       {2, 3},
       {2, 2},
       normals(6),
       times_fixed,
       [](const Numbers&, const Numbers& ybar) {
         const double b[3][2] = {{1, 2}, {-3, 0.5}, {0.25, 4}};
         Numbers abar(6, 0.0);  // (3, 2) instead of (2, 3)
         for (std::size_t i = 0; i < 2; ++i) {
           for (std::size_t j = 0; j < 2; ++j) {
             for (std::size_t k = 0; k < 3; ++k) abar[k * 2 + i] += ybar[i * 2 + j] * b[k][j];
           }
         }
         return abar;
       },
       "the gradient is written transposed"});
  add({"matmul: b instead of its transpose",
       {2, 2},
       {2, 2},
       normals(4),
       [](const Numbers& a) {
         return Numbers{a[0] + 3 * a[1], 2 * a[0] + 4 * a[1], a[2] + 3 * a[3], 2 * a[2] + 4 * a[3]};
       },
       [](const Numbers&, const Numbers& g) {
         return Numbers{g[0] + 3 * g[1], 2 * g[0] + 4 * g[1], g[2] + 3 * g[3], 2 * g[2] + 4 * g[3]};
       }});
  add({"scale of a batch (2, 3): right for the first alone",
       {2, 3},
       {2, 3},
       normals(6),
       each(square),
       [](const Numbers& x, const Numbers& ybar) {
         Numbers xbar;
         for (std::size_t i = 0; i < 6; ++i) xbar.push_back(ybar[i] * 2 * x[i % 3]);
         return xbar;
       },
       "the outputs at index 0 of the first axis are right"});
  add({"softmax: the sum forgotten",
       {5},
       {5},
       five,
       softmax_of,
       [](const Numbers& x, const Numbers& ybar) {
         Numbers p = softmax_of(x);
         for (std::size_t i = 0; i < p.size(); ++i) p[i] *= ybar[i];
         return p;
       },
       "is a sum, mean or norm of them taken for a constant?"});
  add({"logsumexp: not normalised",
       {5},
       {},
       five,
       [](const Numbers& x) {
         const Numbers e = each([](double v) { return std::exp(v); })(x);
         return Numbers{std::log(std::accumulate(e.begin(), e.end(), 0.0))};
       },
       each_slope([](double v) { return std::exp(v); })});
  cases.back().vjp = [](const Numbers& x, const Numbers& ybar) {
    Numbers e = each([](double v) { return std::exp(v); })(x);
    for (double& value : e) value *= ybar[0];
    return e;
  };
  cases.back().looks_like = "a factor: every element";
  add({"cumsum: its own direction, not the other",
       {5},
       {5},
       five,
       [](const Numbers& x) {
         Numbers y(x.size());
         std::partial_sum(x.begin(), x.end(), y.begin());
         return y;
       },
       [](const Numbers&, const Numbers& ybar) {
         Numbers xbar(ybar.size());
         std::partial_sum(ybar.begin(), ybar.end(), xbar.begin());
         return xbar;
       }});
  add({"max: to the smallest",
       {5},
       {},
       five,
       [](const Numbers& x) { return Numbers{*std::max_element(x.begin(), x.end())}; },
       [](const Numbers& x, const Numbers& ybar) {
         Numbers xbar(x.size(), 0.0);
         xbar[std::size_t(std::min_element(x.begin(), x.end()) - x.begin())] = ybar[0];
         return xbar;
       }});
  add({"sort: the permutation instead of its inverse",
       {5},
       {5},
       five,
       sorted,
       [](const Numbers& x, const Numbers& ybar) {
         Numbers xbar;
         for (std::size_t i : descending(x)) xbar.push_back(ybar[i]);
         return xbar;
       }});
  add({"sort: wrong at ties only, both get all of it",
       {4},
       {4},
       {3.0, 1.0, 1.0, 2.0},
       sorted,
       [](const Numbers& x, const Numbers& ybar) {
         const auto order = descending(x);
         Numbers xbar(4, 0.0);
         for (std::size_t i = 0; i < 4; ++i) {
           for (std::size_t j = 0; j < 4; ++j) {
             if (x[order[i]] == x[order[j]]) xbar[order[i]] += ybar[j] * (i == j ? 1.5 : 1.0);
           }
           if (std::count(x.begin(), x.end(), x[order[i]]) == 1) xbar[order[i]] = ybar[i];
         }
         return xbar;
       }});
  add({"take (0, 1, 1, 2): the last instead of the sum",
       {3},
       {4},
       {1.0, 2.0, 3.0},
       [](const Numbers& x) {
         return Numbers{x[0], x[1], x[1], x[2]};
       },
       [](const Numbers&, const Numbers& ybar) {
         return Numbers{ybar[0], ybar[2], ybar[3]};
       },
       "a dependence is forgotten"});
  add({"norm: x instead of x / abs(x)",
       {5},
       {},
       five,
       [](const Numbers& x) { return Numbers{std::sqrt(dot_of(x, x))}; },
       [](const Numbers& x, const Numbers& ybar) {
         Numbers xbar = x;
         for (double& value : xbar) value *= ybar[0];
         return xbar;
       },
       "a factor"});
  add({"centring: the mean taken for a constant",
       {5},
       {5},
       five,
       [](const Numbers& x) {
         const double mean = std::accumulate(x.begin(), x.end(), 0.0) / double(x.size());
         return each([&](double v) { return v - mean; })(x);
       },
       [](const Numbers&, const Numbers& ybar) { return ybar; }});
  add({"correlation for convolution: the kernel not flipped",
       {3},
       {3},
       {1.0, 2.0, 3.0},
       [](const Numbers& x) {
         const double k[3] = {1, 2, 4};
         Numbers y(3, 0.0);
         for (std::size_t i = 0; i < 3; ++i) {
           for (std::size_t j = 0; j < 3; ++j) y[i] += k[(i + 3 - j) % 3] * x[j];
         }
         return y;
       },
       [](const Numbers&, const Numbers& ybar) {
         const double k[3] = {1, 2, 4};
         Numbers xbar(3, 0.0);
         for (std::size_t i = 0; i < 3; ++i) {
           for (std::size_t j = 0; j < 3; ++j) xbar[j] += k[(j + 3 - i) % 3] * ybar[i];
         }
         return xbar;
       }});
  add({"a masked item gets a gradient",
       {3},
       {3},
       {1.0, 2.0, -1e30},
       softmax_of,
       [](const Numbers& x, const Numbers& ybar) {
         Numbers xbar = softmax_pullback(x, ybar);
         xbar[2] = 0.5 * ybar[2];
         return xbar;
       }});

  // Large ones, which are checked along directions.
  const Numbers many = normals(10000, 7);
  const auto one_wrong = [](double by) {
    return [by](const Numbers& x, const Numbers& ybar) {
      Numbers xbar;
      for (std::size_t i = 0; i < x.size(); ++i) xbar.push_back(ybar[i] * 2 * x[i]);
      xbar[4321] *= 1 + by;
      return xbar;
    };
  };
  add({"one element of 10,000: half", {10000}, {10000}, many, each(square), one_wrong(-0.5)});
  add({"one element of 10,000: a thousandth",
       {10000},
       {10000},
       many,
       each(square),
       one_wrong(1e-3)});
  // y_i = w_i x_i^2, where w is 1e-6 for one element in a hundred.
  const auto weighted = [](const Numbers& x) {
    Numbers y;
    for (std::size_t i = 0; i < x.size(); ++i) y.push_back((i % 100 == 7 ? 1e-6 : 1) * x[i] * x[i]);
    return y;
  };
  add({"a small element, 1e-6 of the others: twice",
       {100},
       {100},
       normals(100, 3),
       weighted,
       [](const Numbers& x, const Numbers& ybar) {
         Numbers xbar;
         for (std::size_t i = 0; i < x.size(); ++i) {
           xbar.push_back(ybar[i] * (i == 7 ? 4e-6 : 2) * x[i]);
         }
         return xbar;
       },
       "a factor: every wrong element is 2 times"});
  return cases;
}

inline std::vector<PullbackCase> awkward_pullbacks() {
  std::vector<PullbackCase> cases;
  const auto add = [&](PullbackCase c) { cases.push_back(std::move(c)); };
  const auto relu = [](double x) { return x > 0 ? x : 0; };
  const auto step = [](double x) { return x > 0 ? 1.0 : 0.0; };
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const auto sigmoid_slope = [](double x) {  // from the small side
    const double e = std::exp(-std::abs(x));
    return e / ((1 + e) * (1 + e));
  };
  Numbers offset = normals(20, 5), steep = normals(50, 6);
  for (double& x : offset) x += 1000;

  add(elementwise("relu of 10,000 normals", normals(10000, 2), relu, step));
  add(elementwise("relu at 0", {0.0, -0.0, 1.0, -1.0}, relu, step));
  add(elementwise(
      "abs at 0", {0.0, 2.0}, [](double x) { return std::abs(x); },
      [](double x) { return x > 0   ? 1.0
                            : x < 0 ? -1.0
                                    : 0.0; }));
  add(elementwise("relu close to 0", {1e-7, -1e-7, 1e-5, -3e-6}, relu, step));
  add(elementwise(
      "sigmoid(100 x)", steep, [=](double x) { return sigmoid(100 * x); },
      [=](double x) { return 100 * sigmoid_slope(100 * x); }));
  add(elementwise("sigmoid, saturated", {18.0, -25.0, 40.0}, sigmoid, sigmoid_slope));
  add(elementwise(
      "log near 0", {1e-12, 1e-5, 3.0}, [](double x) { return std::log(x); },
      [](double x) { return 1 / x; }));
  add(elementwise(
      "sqrt near 0", {1e-10, 1e-6, 4.0}, [](double x) { return std::sqrt(x); },
      [](double x) { return 0.5 / std::sqrt(x); }));
  add(elementwise(
      "a constant", {1.0, 2.0}, [](double) { return 5.0; }, [](double) { return 0.0; }));
  add(elementwise("a step, away from its jump", {0.3, -2.0}, step, [](double) { return 0.0; }));
  add(elementwise(
      "exp(300)", {300.0, -300.0}, [](double x) { return std::exp(x); },
      [](double x) { return std::exp(x); }));
  add(elementwise(
      "1e15 and 1e-15", {1e15, 1e-15, -1e8}, [](double x) { return 3 * x; },
      [](double) { return 3.0; }));
  add(elementwise(
      "x^3 at 0", {0.0, 1.0}, [](double x) { return x * x * x; },
      [](double x) { return 3 * x * x; }));
  add(elementwise(
      "an element of 1e-20", {1.0, 2.0, 3.0}, [](double x) { return 1e-20 * x * x; },
      [](double x) { return 2e-20 * x; }));
  add({"log_softmax at an offset of 1,000",
       {20},
       {20},
       offset,
       [](const Numbers& x) {
         const double top = *std::max_element(x.begin(), x.end());
         double sum = 0;
         for (double v : x) sum += std::exp(v - top);
         return each([&](double v) { return v - top - std::log(sum); })(x);
       },
       [](const Numbers& x, const Numbers& ybar) {
         const Numbers p = softmax_of(x);
         const double total = std::accumulate(ybar.begin(), ybar.end(), 0.0);
         Numbers xbar;
         for (std::size_t i = 0; i < x.size(); ++i) xbar.push_back(ybar[i] - p[i] * total);
         return xbar;
       }});
  add({"softmax beside a mask", {3}, {3}, {1.0, 2.0, -1e30}, softmax_of, softmax_pullback});
  const auto sort_pullback = [](const Numbers& x, const Numbers& ybar) {
    const auto order = descending(x);
    Numbers xbar(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) xbar[order[i]] = ybar[i];
    return xbar;
  };
  add({"sort with ties", {6}, {6}, {3.0, 1.0, 1.0, 2.0, 1.0, 3.0}, sorted, sort_pullback});
  add({"sort of 2,000, ten of them equal",
       {2000},
       {2000},
       normals(2000, 8),
       sorted,
       sort_pullback});
  for (std::size_t i = 0; i < 10; ++i) cases.back().x[i * 150] = 0.125;
  add({"max of two equal, in halves",
       {2},
       {},
       {1.5, 1.5},
       [](const Numbers& x) { return Numbers{std::max(x[0], x[1])}; },
       [](const Numbers&, const Numbers& ybar) {
         return Numbers{ybar[0] / 2, ybar[0] / 2};
       }});
  // A sum of 1,000 rectified units of 10 inputs: near every point some of them switch.
  const Numbers weights = normals(10000, 9);
  add({"1,000 ReLUs of 10 inputs",
       {10},
       {},
       normals(10, 10),
       [weights](const Numbers& x) {
         double sum = 0;
         for (std::size_t u = 0; u < 1000; ++u) {
           const double a = std::inner_product(x.begin(), x.end(),
                                               weights.begin() + std::ptrdiff_t(10 * u), 0.0);
           sum += a > 0 ? a : 0;
         }
         return Numbers{sum};
       },
       [weights](const Numbers& x, const Numbers& ybar) {
         Numbers xbar(10, 0.0);
         for (std::size_t u = 0; u < 1000; ++u) {
           const double a = std::inner_product(x.begin(), x.end(),
                                               weights.begin() + std::ptrdiff_t(10 * u), 0.0);
           for (std::size_t i = 0; i < 10 && a > 0; ++i) xbar[i] += ybar[0] * weights[10 * u + i];
         }
         return xbar;
       }});
  return cases;
}

}  // namespace tapesort::testing
