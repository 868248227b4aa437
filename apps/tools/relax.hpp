// What `tapesort relax` computes and prints, apart from its options.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "ops/sorting/relaxation.hpp"

namespace tapesort {

// What is computed of one set: of the outputs those that the method defines. P's row i is place i;
// permutation[i] is the index of the item at place i.
template <class T> struct Relaxed {
  Array<T> scores;
  std::optional<Array<T>> P, sorted, ranks, grad;
  Indices permutation;
};

// Computed in T; P only with `matrix`, for it takes n^2 numbers. With weights W (or else null),
// `grad` is the gradient of sum(P * W), or of sum(output * W) for methods without a matrix.
template <class T>
Relaxed<T> relax(const Relaxation& relaxation, const Array<double>& set,
                 const Array<double>* weights, bool matrix);

// Both write one set after another, as it is computed, to `out`; weights, one array a set, or none.
// For programs: {"method", "tau", "sets": [{"P", "grad", "permutation", "ranks", "scores",
// "sorted"}]}, a set without what its method does not define.
template <class T>
void write_relaxed_json(std::ostream& out, const Relaxation& relaxation,
                        const std::vector<Array<double>>& sets,
                        const std::vector<Array<double>>& weights);
// set,tau,place,item,score,soft_sorted,soft_rank: a line for each set, tau and place; empty where the
// method defines none. The rank is the item's.
template <class T>
void write_relaxed_csv(std::ostream& out, Relaxation relaxation, const std::vector<double>& taus,
                       const std::vector<Array<double>>& sets);
// For people: a table, and P_hat, unless it is too wide for a terminal, as blocks of five shades.
template <class T>
void write_relaxed_table(std::ostream& out, const Relaxation& relaxation,
                         const std::vector<Array<double>>& sets);

// The sets of an input text: a set of scores (n) a line, or for sinkhorn one (n, n) matrix or a
// list of them as JSON. std::invalid_argument with line and column.
std::vector<Array<double>> read_sets(const std::string& text, const std::string& source,
                                     Method method);

// Weights, JSON with one entry a set, in the shapes that relax needs.
std::vector<Array<double>> read_weights(const std::string& text, const std::string& source,
                                        const Relaxation& relaxation,
                                        const std::vector<Array<double>>& sets);

}  // namespace tapesort
