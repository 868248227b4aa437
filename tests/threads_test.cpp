// Which operators use the threads. Sums, broadcasts and gradients that are scattered do not: on one thread
// they already run at the memory's speed, or have an order to keep.
#include "engine/threads.hpp"

#include <doctest/doctest.h>

#include "engine/random.hpp"
#include "ops/conv/relu_pool.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/norm.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/pool.hpp"
#include "ops/ranking.hpp"
#include "ops/reduce.hpp"
#include "ops/select.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/relaxation.hpp"

using namespace tapesort;

namespace {

using Inputs = std::vector<Var<float>>;
using Operator = std::function<Var<float>(const Inputs&)>;
enum Pullback { shared, alone };
enum Digits { the_same, others };  // on any number of threads, or sums are made in another order

// An operator at a size that is worth several threads.
struct Row {
  std::string name;
  std::vector<Shape> inputs;
  Operator f;
  Pullback pullback = shared;
  Digits digits = the_same;
};

// What a run gives, and how many loops it shared out.
struct Run {
  Array<float> value, gradient;
  std::size_t forward, backward;
};

Run run(const Row& row, int threads_used) {
  set_threads(threads_used);
  Generator random(11);
  Tape<float> tape;
  Inputs x;
  for (const Shape& shape : row.inputs) {
    x.push_back(tape.leaf(random.uniform<float>(shape, 0.1f, 1)));
  }
  const std::size_t before = loops_shared();
  const Var<float> y = row.f(x);
  const std::size_t between = loops_shared();
  tape.backward(y.dimension() == 0 ? y : sum(y));
  return {y.value(), x[0].grad(), between - before, loops_shared() - between};
}

void check_rows(const std::vector<Row>& rows) {
  const int before = threads();
  for (const Row& row : rows) {
    INFO(row.name);
    const Run one = run(row, 1), two = run(row, 2);
    CHECK(one.forward + one.backward == 0);
    CHECK(two.forward > 0);
    if (row.pullback == shared) CHECK(two.backward > 0);
    if (row.digits == the_same) {
      CHECK(two.value == one.value);
      CHECK(two.gradient == one.gradient);
    }
  }
  set_threads(before);
}

// A row of one input.
Row of(const std::string& name, Var<float> (*f)(const Var<float>&)) {
  return {name, {{600, 500}}, [f](const Inputs& x) { return f(x[0]); }};
}

}  // namespace

TEST_CASE("elementwise operators share their loops out to the threads, forward and backward") {
  const Shape a{600, 500}, row{500};
  check_rows({
      of("exp", exp<float>),
      of("log", log<float>),
      of("tanh", tanh<float>),
      of("relu", relu<float>),
      of("sigmoid", sigmoid<float>),
      {"add a row", {a, row}, [](const Inputs& x) { return x[0] + x[1]; }, alone},
      {"multiply", {a, a}, [](const Inputs& x) { return x[0] * x[1]; }},
      {"multiply a row", {a, row}, [](const Inputs& x) { return x[0] * x[1]; }},
      {"divide", {a, a}, [](const Inputs& x) { return x[0] / x[1]; }},
      {"pow", {a, a}, [](const Inputs& x) { return pow(x[0], x[1]); }},
      {"maximum", {a, a}, [](const Inputs& x) { return maximum(x[0], x[1]); }},
      {"where", {a, a, a}, [](const Inputs& x) { return where(greater(x[0], 0.5f), x[1], x[2]); }},
  });
}

TEST_CASE("operators along an axis share its lines out to the threads, forward and backward") {
  std::vector<Row> rows{of("softmax", softmax<float>), of("log_softmax", log_softmax<float>)};
  for (const int axis : {0, 1}) {
    const auto add = [&](const char* name, const auto& f, Pullback pullback = shared) {
      rows.push_back({name + (" along axis " + std::to_string(axis)),
                      {{600, 500}},
                      [f, axis](const Inputs& x) { return Var<float>(f(x[0], axis)); },
                      pullback});
    };
    add(
        "max", [](auto& x, int axis) { return max(x, axis); }, alone);
    add("norm", [](auto& x, int axis) { return norm(x, axis); });
    add("var", [](auto& x, int axis) { return var(x, axis); });
    add("standard_deviation", [](auto& x, int axis) { return standard_deviation(x, axis); });
    add("logsumexp", [](auto& x, int axis) { return logsumexp(x, axis); });
    add("cumsum", [](auto& x, int axis) { return cumsum(x, axis); });
    if (axis == 1) add("slice", [](auto& x, int axis) { return slice(x, axis, 10, 490); });
    if (axis == 1) add("concat", [](auto& x, int axis) { return concat(Inputs{x, x, x}, axis); });
    add(
        "take",
        [](auto& x, int axis) {
          return take(x, Indices{7, 3, 499, 3}, axis);
        },
        alone);
    rows.back().inputs = {{axis == 0 ? 500u : 60000u, axis == 0 ? 60000u : 500u}};
  }
  rows.push_back(of("transpose", transpose<float>));
  check_rows(rows);
}

TEST_CASE("products, distances, losses and layers share their work out to the threads") {
  const Shape images{16, 28, 28, 16};
  const auto graded = [](std::size_t sets) {  // 50 documents each, of five grades
    Array<float> labels = uninitialized<float>({sets, 50});
    for (std::size_t i = 0; i < labels.size(); ++i) labels.data()[i] = float(i % 5);
    return labels;
  };
  const Array<float> labels = graded(64), many = graded(2000);
  check_rows({
      {"matmul",
       {{300, 300}, {300, 300}},
       [](const Inputs& x) { return matmul(x[0], x[1]); },
       shared,
       others},
      {"distances",
       {{300, 64}, {300, 64}},
       [](const Inputs& x) { return squared_distances(x[0], x[1]); }},
      {"mse", {{600, 500}, {600, 500}}, [](const Inputs& x) { return mse(x[0], x[1]); }},
      {"cross_entropy",
       {{1000, 500}},
       [](const Inputs& x) { return cross_entropy(x[0], Indices(Shape{1000}, 1)); }},
      {"dropout",
       {{600, 500}},
       [](const Inputs& x) {
         Generator random(3);
         return dropout(x[0], 0.5, random, true);
       }},
      {"batch_norm",
       {images, {16}, {16}},
       [](const Inputs& x) {
         BatchStatistics<float> statistics(16);
         return batch_norm(x[0], x[1], x[2], statistics, {});
       }},
      {"conv2d",
       {images, {3, 3, 16, 16}},
       [](const Inputs& x) {
         return conv2d(x[0], x[1], {1, 1});
       }},
      {"conv2d_relu_pool",
       {images, {5, 5, 16, 16}, {16}},
       [](const Inputs& x) {
         return conv2d_relu_pool(x[0], x[1], x[2], {1, 2});
       }},
      {"max_pool2d", {images}, [](const Inputs& x) { return max_pool2d(x[0], 2, 2); }},
      {"avg_pool2d", {images}, [](const Inputs& x) { return avg_pool2d(x[0], 2, 2); }},
      {"pairwise_logistic_loss",
       {labels.shape()},
       [&](const Inputs& x) { return pairwise_logistic_loss(x[0], labels); }},
      {"lambda_loss", {labels.shape()}, [&](const Inputs& x) { return lambda_loss(x[0], labels); }},
      {"list_mle_loss",
       {many.shape()},
       [&](const Inputs& x) { return list_mle_loss(x[0], many); },
       alone},
      {"neural_ndcg_loss",
       {labels.shape()},
       [&](const Inputs& x) { return neural_ndcg_loss(x[0], labels, 1.0); }},
      {"pi_rank_loss",
       {labels.shape()},
       [&](const Inputs& x) { return pi_rank_loss(x[0], labels, 1.0); }},
      {"spearman_loss",
       {many.shape()},
       [&](const Inputs& x) { return spearman_loss(x[0], many, 1.0); }},
  });
}

TEST_CASE("every relaxation shares its sets out to the threads, and NeuralSort one large set") {
  std::vector<Row> rows{
      {"one set",
       {{100000}},
       [](const Inputs& x) { return neural_sort_values(x[0], NeuralSortOptions{0.1}); },
       shared,
       others}};
  for (std::size_t m = 0; m <= std::size_t(Method::k_subset); ++m) {
    Relaxation relaxation;
    relaxation.method = Method(m);
    relaxation.samples = 10;
    const bool matrices = relaxation.method == Method::sinkhorn;
    const auto add = [&](bool has, const char* output, const auto& f) {
      if (!has) return;
      const std::vector<Shape> shapes{matrices ? Shape{64, 32, 32} : Shape{2000, 32}};
      rows.push_back(
          {name_of(relaxation.method) + std::string(": ") + output, shapes,
           [f, relaxation](const Inputs& x) { return Var<float>(f(relaxation, x[0])); }});
    };
    add(relaxation.has_matrix(), "matrix", [](auto& r, auto& x) { return r.matrix(x); });
    add(relaxation.has_sorted(), "sorted", [](auto& r, auto& x) { return r.sorted(x); });
    add(relaxation.has_ranks(), "ranks", [](auto& r, auto& x) { return r.ranks(x); });
    add(relaxation.has_top_k(), "top_k", [](auto& r, auto& x) { return r.top_k(x, 5); });
  }
  check_rows(rows);
}
