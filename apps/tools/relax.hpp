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
  std::optional<Array<T>> P, sorted, ranks, top_k, grad;
  Indices permutation;
};

// What is asked for, and of what.
struct RelaxRequest {
  Relaxation relaxation;
  std::size_t k = 0;                   // of the top-k mass; 0: none
  std::vector<Array<double>> sets;     // (n), or for sinkhorn (n, n)
  std::vector<ItemMask> masks;         // (n), one a set; or none: all items are there
  std::vector<Array<double>> weights;  // one a set, or none

  std::size_t n(std::size_t set) const { return sets[set].shape().back(); }
  // Places that have an item.
  std::size_t places(std::size_t set) const {
    return masks.empty() ? n(set) : std::size_t(masks[set].counts()());
  }
};

// Of one set. Computed in T; P only with `matrix`, for it takes n^2 numbers. With weights W, `grad`
// is the gradient of sum(output * W) of the first output in the order above that the method has.
template <class T> Relaxed<T> relax(const RelaxRequest& request, std::size_t set, bool matrix);

// These write one set after another, as it is computed, to `out`.
// For programs: {"method", "tau", "sets": [{"P", "grad", "permutation", "ranks", "scores",
// "sorted", "top_k"}]}, a set without what its method does not define.
template <class T> void write_relaxed_json(std::ostream& out, const RelaxRequest& request);
// set,tau,place,item,score,soft_sorted,soft_rank (and top_k, where k > 0): a line for each set, tau and place that has an
// item; empty where the method defines none. Rank and mass are the item's.
template <class T>
void write_relaxed_csv(std::ostream& out, RelaxRequest request, const std::vector<double>& taus);
// For people: a table, and P_hat, unless it is too wide for a terminal, as blocks of five shades.
template <class T> void write_relaxed_table(std::ostream& out, const RelaxRequest& request);

// The sets of an input text: a set of scores (n) a line, or for sinkhorn one (n, n) matrix or a
// list of them as JSON. std::invalid_argument with line and column.
std::vector<Array<double>> read_sets(const std::string& text, const std::string& source,
                                     Method method);

// Weights, JSON with one entry a set, in the shapes that relax needs.
std::vector<Array<double>> read_weights(const std::string& text, const std::string& source,
                                        const RelaxRequest& request);

}  // namespace tapesort
