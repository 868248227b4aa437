#include "apps/experiments/paper.hpp"

#include "apps/program/program.hpp"

namespace tapesort {

const std::vector<PaperTable>& paper_tables() {
  constexpr double none = 0;
  // clang-format off
  static const std::vector<PaperTable> all = {
      {"sort", "Sorting: permutations (elements) right", "--n", {"3", "5", "7", "9", "15"}, 5,
       {{"permutation_accuracy", "permutations", 1, 3}, {"element_accuracy", "elements", 1, 3}},
       {{"row_stochastic",
         {{.467, .801}, {.093, .603}, {.009, .492}, {.000, .113}, {.000, .067}}},
        {"sinkhorn",
         {{.462, .561}, {.038, .293}, {.001, .197}, {.000, .143}, {.000, .078}}},
        {"gumbel_sinkhorn",
         {{.484, .575}, {.033, .295}, {.001, .189}, {.000, .146}, {.000, .078}}},
        {"neural_sort",
         {{.930, .951}, {.837, .927}, {.738, .909}, {.649, .896}, {.386, .857}}},
        {"neural_sort_stochastic",
         {{.927, .950}, {.835, .926}, {.741, .909}, {.646, .895}, {.418, .862}}}},
       add_sort},
      {"median", "Median: mean squared error x 1e-4 (squared correlation)", "--n",
       {"5", "9", "15"}, 3,
       {{"mean_squared_error", "mean squared error x 1e-4", 1e-4, 2},
        {"squared_correlation", "R2", 1, 2}},
       {{"constant", {{356.79, .00}, {227.31, .00}, {146.94, .00}}},
        {"vanilla", {{1004.70, .85}, {699.15, .82}, {562.97, .79}}},
        {"sinkhorn", {{343.60, .25}, {231.87, .19}, {156.27, .04}}},
        {"gumbel_sinkhorn", {{344.28, .25}, {232.56, .23}, {157.34, .06}}},
        {"neural_sort", {{45.50, .95}, {34.98, .94}, {34.78, .92}}},
        {"neural_sort_stochastic", {{33.80, .94}, {31.43, .93}, {29.34, .90}}}},
       add_median},
      {"knn", "k nearest neighbours: test accuracy", "--data", {"digits", "fashion", "cifar10"}, 2,
       {{"test_accuracy", "test accuracy", 1, 4}},
       {{"pixels", {{.972, none}, {.858, none}, {.354, none}}},
        {"pca", {{.976, none}, {.859, none}, {.409, none}}},
        {"autoencoder", {{.976, none}, {.875, none}, {.442, none}}},
        {"neural_sort", {{.995, none}, {.935, none}, {.907, none}}},
        {"neural_sort_stochastic", {{.994, none}, {.934, none}, {.895, none}}},
        {"classifier", {{.994, none}, {.934, none}, {.951, none}}}},
       add_knn},
  };
  // clang-format on
  return all;
}

std::optional<std::pair<double, double>> paper_figures(const std::string& task, std::string method,
                                                       const std::string& column) {
  const std::size_t ending = method.rfind("_published");
  if (ending != std::string::npos) method.resize(ending);
  // Our digits stand beside the paper's MNIST.
  const std::string known = column.rfind("cifar10:", 0) == 0 ? "cifar10"
                            : column == "mnist"              ? "digits"
                                                             : column;
  for (const PaperTable& table : paper_tables()) {
    for (const PaperRow& row : table.paper) {
      if (task != table.task || method != row.name) continue;
      for (std::size_t i = 0; i < row.figures.size(); ++i) {
        if (table.columns[i] == known) return row.figures[i];
      }
    }
  }
  return std::nullopt;
}

}  // namespace tapesort
