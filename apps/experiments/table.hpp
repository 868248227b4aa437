// The published results that ours are put beside.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace tapesort {

// Grover, Wang, Zweig, Ermon, ICLR 2019, in the units of `tapesort table`:
//   sort    permutations and elements in order, fractions; column: n
//   median  mean squared error * 1e-4, R2; column: n
//   knn     test accuracy, fraction; column: digits (MNIST), fashion, cifar10
// Nothing for what the paper does not have. Methods called .._published are looked up without this
// ending, as the paper's figures are of the published code.
std::optional<std::pair<double, double>> paper_figures(const std::string& task, std::string method,
                                                       const std::string& column);

}  // namespace tapesort
