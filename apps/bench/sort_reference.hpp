// What NeuralSort's values and their gradient should be: the formula, row after row, with logits in
// extended precision. O(n^2) time, O(n) memory. And scores of several kinds to try.
#pragma once

#include <vector>

#include "engine/random.hpp"

namespace tapesort {

struct SortReference {
  std::vector<double> values;    // y = P_hat s, descending
  std::vector<double> gradient;  // of sum_i weights[i] y[i]
};

SortReference sort_reference(const Array<double>& scores, double tau, const Array<double>& weights);

// How far neural_sort_values in type T is from it.
struct SortErrors {
  // Of the values, in units of what is allowed: 2e-6 of the spread of the scores, or one unit in
  // the last place of a float, whichever is larger.
  double value;
  double gradient;  // relative to the largest gradient; 1e-4 is allowed
};

template <class T>
SortErrors sort_errors(const Array<T>& scores, double tau, bool interpolate, Generator& random);

// "normal", "uniform", "clusters" (seven of width 0.01, 3 apart), "cauchy", "lattice" (multiples
// of 0.05, with many ties), "offset" (normal, times 100 plus 1e6).
struct ScoreKind {
  const char* name;
  double (*score)(double normal, double uniform);  // of two random numbers
};
const std::vector<ScoreKind>& score_kinds();
Array<double> draw_scores(const ScoreKind& kind, std::size_t n, Generator& random);

}  // namespace tapesort
