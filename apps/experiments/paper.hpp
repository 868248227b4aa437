// What Grover, Wang, Zweig and Ermon, ICLR 2019, report, to be put beside our results.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/program/options.hpp"

namespace tapesort {

// A number of a result row and how it is printed.
struct Figure {
  const char *key, *name;
  double scale;
  int decimals;
};

struct PaperRow {
  const char* name;                                // of a method
  std::vector<std::pair<double, double>> figures;  // for each of the paper's columns
};

struct PaperTable {
  const char *task, *title;
  const char* option;                // what the columns are values of
  std::vector<std::string> columns;  // the paper's
  std::size_t ready;                 // the first so many are the default: they need no data files
  std::vector<Figure> figures;       // of a cell, one or two; the first one is drawn
  std::vector<PaperRow> paper;
  void (*add)(Command);  // the command that a cell is
};

// sort, median, knn.
const std::vector<PaperTable>& paper_tables();

// The paper's figures of a cell, in the units of the result rows times Figure::scale:
//   sort    permutations and elements in order, fractions; column: n
//   median  mean squared error * 1e-4, R2; column: n
//   knn     test accuracy, fraction; column: mnist or digits, fashion, cifar10
// Nothing for what the paper does not have. Methods called .._published are looked up without this
// ending, as the paper's figures are of the published code.
std::optional<std::pair<double, double>> paper_figures(const std::string& task, std::string method,
                                                       const std::string& column);

}  // namespace tapesort
