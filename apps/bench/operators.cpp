#include "apps/bench/operators.hpp"

#include "engine/random.hpp"
#include "ops/conv/relu_pool.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/norm.hpp"
#include "ops/pool.hpp"
#include "ops/ranking.hpp"
#include "ops/reduce.hpp"
#include "ops/select.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/relaxation.hpp"

namespace tapesort {
namespace {

// Gathers rows.
struct Table {
  std::vector<OperatorRow> rows;

  void add(const std::string& name, const std::vector<Shape>& inputs,
           const OperatorRow::Function& f) {
    rows.push_back({name, inputs, f});
  }
};

void add_elementwise(Table& t) {
  const Shape a{600, 500}, row{500};
  t.add("exp", {a}, [](auto& x) { return exp(x[0]); });
  t.add("log", {a}, [](auto& x) { return log(x[0]); });
  t.add("tanh", {a}, [](auto& x) { return tanh(x[0]); });
  t.add("relu", {a}, [](auto& x) { return relu(x[0]); });
  t.add("sigmoid", {a}, [](auto& x) { return sigmoid(x[0]); });
  t.add("add a row", {a, row}, [](auto& x) { return x[0] + x[1]; });
  t.add("multiply", {a, a}, [](auto& x) { return x[0] * x[1]; });
  t.add("multiply a row", {a, row}, [](auto& x) { return x[0] * x[1]; });
  t.add("divide", {a, a}, [](auto& x) { return x[0] / x[1]; });
  t.add("pow", {a, a}, [](auto& x) { return pow(x[0], x[1]); });
  t.add("maximum", {a, a}, [](auto& x) { return maximum(x[0], x[1]); });
  t.add("where", {a, a, a}, [](auto& x) { return where(greater(x[0], 0.5f), x[1], x[2]); });
}

void add_along_axes(Table& t) {
  const Shape a{600, 500};
  t.add("softmax", {a}, [](auto& x) { return softmax(x[0]); });
  t.add("log_softmax", {a}, [](auto& x) { return log_softmax(x[0]); });
  t.add("transpose", {a}, [](auto& x) { return transpose(x[0]); });
  t.add("slice", {a}, [](auto& x) { return slice(x[0], 1, 10, 490); });
  t.add("concat", {a, a}, [](auto& x) { return concat(x, 1); });
  for (const int axis : {0, 1}) {
    const std::string along = " along axis " + std::to_string(axis);
    t.add("max" + along, {a}, [=](auto& x) { return max(x[0], axis); });
    t.add("norm" + along, {a}, [=](auto& x) { return norm(x[0], axis); });
    t.add("var" + along, {a}, [=](auto& x) { return var(x[0], axis); });
    t.add("logsumexp" + along, {a}, [=](auto& x) { return logsumexp(x[0], axis); });
    t.add("cumsum" + along, {a}, [=](auto& x) { return cumsum(x[0], axis); });
    const Shape many = axis == 0 ? Shape{500, 60000} : Shape{60000, 500};
    const Indices some{7, 3, 499, 3};
    t.add("take" + along, {many}, [=](auto& x) { return take(x[0], some, axis); });
  }
}

void add_layers(Table& t) {
  const Shape square{300, 300}, points{300, 64}, images{16, 28, 28, 16};
  t.add("matmul", {square, square}, [](auto& x) { return matmul(x[0], x[1]); });
  t.add("distances", {points, points}, [](auto& x) { return squared_distances(x[0], x[1]); });
  t.add("mse", {{600, 500}, {600, 500}}, [](auto& x) { return mse(x[0], x[1]); });
  const Indices labels(Shape{1000}, 1);
  t.add("cross_entropy", {{1000, 500}}, [=](auto& x) { return cross_entropy(x[0], labels); });
  t.add("dropout", {{600, 500}}, [](auto& x) {
    Generator random(3);
    return dropout(x[0], 0.5, random, true);
  });
  t.add("batch_norm", {images, {16}, {16}}, [](auto& x) {
    BatchStatistics<float> statistics(16);
    return batch_norm(x[0], x[1], x[2], statistics, {});
  });
  const auto conv = Conv2dOptions::same;
  t.add("conv2d", {images, {3, 3, 16, 16}}, [=](auto& x) { return conv2d(x[0], x[1], conv(3)); });
  t.add("conv2d_relu_pool", {images, {5, 5, 16, 16}, {16}},
        [=](auto& x) { return conv2d_relu_pool(x[0], x[1], x[2], conv(5)); });
  t.add("max_pool2d", {images}, [](auto& x) { return max_pool2d(x[0], 2, 2); });
  t.add("avg_pool2d", {images}, [](auto& x) { return avg_pool2d(x[0], 2, 2); });
}

void add_ranking(Table& t) {
  const auto graded = [](std::size_t sets) {  // 50 documents each, of five grades
    Array<float> labels = uninitialized<float>({sets, 50});
    for (std::size_t i = 0; i < labels.size(); ++i) labels.data()[i] = float(i % 5);
    return labels;
  };
  const Array<float> few = graded(64), many = graded(2000);
  const Shape a = few.shape(), b = many.shape();
  t.add("pairwise_logistic_loss", {a}, [=](auto& x) { return pairwise_logistic_loss(x[0], few); });
  t.add("lambda_loss", {a}, [=](auto& x) { return lambda_loss(x[0], few); });
  t.add("list_mle_loss", {b}, [=](auto& x) { return list_mle_loss(x[0], many); });
  t.add("neural_ndcg_loss", {a}, [=](auto& x) { return neural_ndcg_loss(x[0], few, 1.0); });
  t.add("pi_rank_loss", {a}, [=](auto& x) { return pi_rank_loss(x[0], few, 1.0); });
  t.add("spearman_loss", {b}, [=](auto& x) { return spearman_loss(x[0], many, 1.0); });
}

void add_relaxations(Table& t) {
  const NeuralSortOptions tau{0.1};
  t.add("NeuralSort of one set", {{100000}},
        [=](auto& x) { return neural_sort_values(x[0], tau); });
  for (std::size_t m = 0; m <= std::size_t(Method::k_subset); ++m) {
    Relaxation r;
    r.method = Method(m);
    r.samples = 10;
    const std::string name = name_of(r.method);
    const Shape a = r.method == Method::sinkhorn ? Shape{64, 32, 32} : Shape{2000, 32};
    if (r.has_matrix()) t.add(name + ": matrix", {a}, [=](auto& x) { return r.matrix(x[0]); });
    if (r.has_sorted()) t.add(name + ": sorted", {a}, [=](auto& x) { return r.sorted(x[0]); });
    if (r.has_ranks()) t.add(name + ": ranks", {a}, [=](auto& x) { return r.ranks(x[0]); });
    if (r.has_top_k()) t.add(name + ": top_k", {a}, [=](auto& x) { return r.top_k(x[0], 5); });
  }
}

}  // namespace

std::vector<Array<float>> OperatorRow::operands() const {
  Generator random(11);
  std::vector<Array<float>> drawn;
  for (const Shape& shape : inputs) drawn.push_back(random.uniform<float>(shape, 0.1f, 1));
  return drawn;
}

std::vector<OperatorRow> operator_rows() {
  Table table;
  add_elementwise(table);
  add_along_axes(table);
  add_layers(table);
  add_ranking(table);
  add_relaxations(table);
  return table.rows;
}

}  // namespace tapesort
