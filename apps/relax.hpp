// What `tapesort relax` computes, apart from reading and printing.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ops/sorting/relaxation.hpp"

namespace tapesort {

// {"method", "tau", "sets": [{"scores", "P", "sorted", "ranks", "permutation", "grad"}]}: of the
// outputs those that the method defines; P's row i is place i; permutation[i] is the index of the
// item at place i. "grad", only with weights (one array a set), is the gradient of sum(P * W), or
// of sum(output * W) for methods without a matrix. Computed in T.
template <class T>
nlohmann::json relax(const Relaxation& relaxation, const std::vector<Array<double>>& sets,
                     const std::vector<Array<double>>& weights);

// The sets of an input text: a set of scores (n) a line, or for sinkhorn one (n, n) matrix or a
// list of them as JSON. std::invalid_argument with line and column.
std::vector<Array<double>> read_sets(const std::string& text, const std::string& source,
                                     Method method);

// Weights, JSON with one entry a set, in the shapes that relax needs.
std::vector<Array<double>> read_weights(const std::string& text, const std::string& source,
                                        const Relaxation& relaxation,
                                        const std::vector<Array<double>>& sets);

// relax's result for people: a table, and P_hat as blocks of five shades.
std::string to_table(const nlohmann::json& result);

}  // namespace tapesort
