#include "apps/paper_tables.hpp"

#include <cmath>
#include <vector>

namespace tapesort {
namespace {

struct Row {
  const char *task, *method;
  std::vector<std::string> columns;
  std::vector<std::pair<double, double>> figures;
};

using Columns = std::vector<std::string>;

const std::vector<Row>& rows() {
  static const Columns sort{"3", "5", "7", "9", "15"}, median{"5", "9", "15"},
      knn{"digits", "fashion", "cifar10"};
  constexpr double none = 0;
  // clang-format off
  static const std::vector<Row> all = {
      {"sort", "row_stochastic", sort,
       {{.467, .801}, {.093, .603}, {.009, .492}, {.000, .113}, {.000, .067}}},
      {"sort", "sinkhorn", sort,
       {{.462, .561}, {.038, .293}, {.001, .197}, {.000, .143}, {.000, .078}}},
      {"sort", "gumbel_sinkhorn", sort,
       {{.484, .575}, {.033, .295}, {.001, .189}, {.000, .146}, {.000, .078}}},
      {"sort", "neural_sort", sort,
       {{.930, .951}, {.837, .927}, {.738, .909}, {.649, .896}, {.386, .857}}},
      {"sort", "neural_sort_stochastic", sort,
       {{.927, .950}, {.835, .926}, {.741, .909}, {.646, .895}, {.418, .862}}},
      {"median", "constant", median, {{356.79, .00}, {227.31, .00}, {146.94, .00}}},
      {"median", "vanilla", median, {{1004.70, .85}, {699.15, .82}, {562.97, .79}}},
      {"median", "sinkhorn", median, {{343.60, .25}, {231.87, .19}, {156.27, .04}}},
      {"median", "gumbel_sinkhorn", median, {{344.28, .25}, {232.56, .23}, {157.34, .06}}},
      {"median", "neural_sort", median, {{45.50, .95}, {34.98, .94}, {34.78, .92}}},
      {"median", "neural_sort_stochastic", median, {{33.80, .94}, {31.43, .93}, {29.34, .90}}},
      {"knn", "pixels", knn, {{.972, none}, {.858, none}, {.354, none}}},
      {"knn", "pca", knn, {{.976, none}, {.859, none}, {.409, none}}},
      {"knn", "autoencoder", knn, {{.976, none}, {.875, none}, {.442, none}}},
      {"knn", "neural_sort", knn, {{.995, none}, {.935, none}, {.907, none}}},
      {"knn", "neural_sort_stochastic", knn, {{.994, none}, {.934, none}, {.895, none}}},
      {"knn", "classifier", knn, {{.994, none}, {.934, none}, {.951, none}}},
  };
  // clang-format on
  return all;
}

}  // namespace

std::optional<std::pair<double, double>> paper_figures(const std::string& task, std::string method,
                                                       const std::string& column) {
  const std::size_t ending = method.rfind("_published");
  if (ending != std::string::npos) method.resize(ending);
  const std::string known = column.rfind("cifar10:", 0) == 0 ? "cifar10" : column;
  for (const Row& row : rows()) {
    if (task != row.task || method != row.method) continue;
    for (std::size_t i = 0; i < row.columns.size(); ++i) {
      if (row.columns[i] == known) return row.figures[i];
    }
  }
  return std::nullopt;
}

}  // namespace tapesort
