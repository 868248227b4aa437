// Memory in long runs: operators on batches that two threads share, hundreds of times.
#include "op_table.hpp"
#include "ops/conv/relu_pool.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/pool.hpp"
#include "ops/reduce.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/sinkhorn.hpp"
#include "ops/sorting/soft_sort.hpp"
#include "ops/sorting/sorting_network.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("operators that share a batch between two threads stop taking new memory") {
  std::vector<OpRow> rows{
      {"gumbel_sinkhorn",
       {{100, 15, 15}},
       anywhere,
       [](const auto& x) {
         Generator random(5);
         return gumbel_sinkhorn(x[0], 1.0, random);
       }},
      {"sinkhorn, tolerance",
       {{100, 8, 8}},
       anywhere,
       [](const auto& x) {
         return sinkhorn(x[0], 1.0, {20, 1e-3});
       }},
      {"neural_sort", {{200, 20}}, anywhere, [](const auto& x) { return neural_sort(x[0], 1.0); }},
      {"top_k_mass",
       {{100, 200}},
       anywhere,
       [](const auto& x) { return top_k_mass(x[0], 5, 1.0); }},
      {"soft_sort", {{200, 20}}, anywhere, [](const auto& x) { return soft_sort(x[0], 1.0); }},
      {"lap_sum", {{200, 20}}, anywhere, [](const auto& x) { return lap_sum(x[0], 1.0); }},
      {"lap_sum_sort",
       {{200, 20}},
       anywhere,
       [](const auto& x) { return lap_sum_sort(x[0], 1.0); }},
      {"fast_soft_sort",
       {{300, 20}},
       anywhere,
       [](const auto& x) { return fast_soft_sort(x[0], 1.0); }},
      {"fast_soft_rank",
       {{300, 20}},
       anywhere,
       [](const auto& x) { return fast_soft_rank(x[0], 1.0, Regularization::kl); }},
      {"softmax", {{200, 500}}, anywhere, [](const auto& x) { return softmax(x[0]); }},
      {"matmul", {{128, 64}, {64, 96}}, anywhere, [](const auto& x) { return matmul(x[0], x[1]); }},
      {"squared_distances",
       {{100, 64}, {100, 64}},
       anywhere,
       [](const auto& x) { return squared_distances(x[0], x[1]); }},
      {"mul, broadcast", {{300, 1}, {500}}, anywhere, [](const auto& x) { return x[0] * x[1]; }},
      {"conv2d by tiles",
       {{8, 8, 8, 16}, {3, 3, 16, 16}, {16}},
       anywhere,
       [](const auto& x) { return conv2d(x[0], x[1], x[2], Conv2dOptions::same(3)); }},
      {"conv2d, stride 2",
       {{8, 9, 9, 3}, {3, 3, 3, 5}, {5}},
       anywhere,
       [](const auto& x) {
         return conv2d(x[0], x[1], x[2], {2, 1});
       }},
      {"conv2d_relu_pool",
       {{8, 8, 8, 16}, {5, 5, 16, 8}, {8}},
       anywhere,
       [](const auto& x) { return conv2d_relu_pool(x[0], x[1], x[2]); }},
      {"max_pool2d",
       {{64, 8, 8, 16}},
       anywhere,
       [](const auto& x) { return max_pool2d(x[0], 2, 2); }},
  };
  for (const Network network : {Network::odd_even, Network::bitonic}) {
    NetworkOptions options;
    options.network = network;
    rows.push_back({"sorting_network", {{300, 8}}, anywhere, [options](const auto& x) {
                      return sorting_network(x[0], options);
                    }});
    rows.push_back({"sorting_network_values", {{300, 8}}, anywhere, [options](const auto& x) {
                      return sorting_network_values(x[0], options);
                    }});
  }
  for (const OpRow& row : rows) check_steady(row);
}

TEST_CASE("lent memory is shown by one Array, and left to its owner") {
  std::vector<double> mine{1.0, 2.0, 3.0};
  for (int twice = 0; twice < 2; ++twice) {
    Storage::lend(mine.data());
    Array<double> shown = uninitialized<double>({3});
    CHECK(shown.data() == mine.data());
    const Array<double> copy = shown;
    CHECK(copy.data() != mine.data());
    Tape<double> tape;
    const Var<double> leaf = tape.leaf(std::move(shown)), y = sum(leaf * leaf);
    CHECK(leaf.value().data() == mine.data());
    tape.backward(y);
    CHECK(leaf.grad() == Array<double>{2.0, 4.0, 6.0});
    std::vector<Array<double>> others(10, copy);
    for (const Array<double>& other : others) CHECK(other.data() != mine.data());
  }
  std::vector<Array<double>> later(10, zeros<double>({3}));
  for (const Array<double>& other : later) CHECK(other.data() != mine.data());
  CHECK(mine == std::vector<double>{1.0, 2.0, 3.0});
}
