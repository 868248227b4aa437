#include <cmath>
#include <deque>

#include "apps/page/answers.hpp"
#include "engine/check.hpp"
#include "engine/parameter.hpp"
#include "models/nearest_neighbours.hpp"
#include "models/optimizers.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/neural_sort.hpp"

namespace tapesort {
namespace {

using V = Var<double>;

// What both trainings have: parameters, and an Adam that changes them.
class Trained : public Training {
 public:
  double step() override {
    Tape<double> tape;
    std::vector<V> leaves;
    for (Parameter<double>& parameter : parameters_) leaves.push_back(tape.leaf(parameter));
    const V loss = loss_of(leaves);
    tape.backward(loss);
    optimizer_->step();
    optimizer_->zero_grad();
    return loss.item();
  }

 protected:
  explicit Trained(const Json& question)
      : tau_(question.at("tau")),
        random_(question.at("seed").get<std::uint64_t>()),
        learning_rate_(question.at("learning_rate")) {}

  virtual V loss_of(const std::vector<V>& parameters) = 0;

  void add_parameter(const char* name, Array<double> value) {
    parameters_.emplace_back(name, std::move(value));
  }
  void begin() {
    std::vector<Parameter<double>*> pointers;
    for (Parameter<double>& parameter : parameters_) pointers.push_back(&parameter);
    optimizer_ = std::make_unique<Adam<double>>(pointers, learning_rate_);
  }
  std::vector<V> constants() const {
    std::vector<V> values;
    for (const Parameter<double>& parameter : parameters_)
      values.push_back(constant(parameter.value));
    return values;
  }

  double tau_;
  Generator random_;
  std::deque<Parameter<double>> parameters_;

 private:
  double learning_rate_;
  std::unique_ptr<Adam<double>> optimizer_;
};

// Points of the square [-1, 1]^2 have a hidden value. A network learns to score them from sets of
// points of which only the order is told.
class LearnToSort final : public Trained {
 public:
  explicit LearnToSort(const Json& question) : Trained(question), n_(question.at("n")) {
    require(n_ >= 2 && n_ <= 16, "training: the page sorts 2 to 16 points, got ", n_);
    add_parameter("W", random_.normal<double>({2, hidden}, 0, 1));
    add_parameter("b", random_.normal<double>({hidden}, 0, 0.5));
    add_parameter("out", random_.normal<double>({hidden, 1}, 0, 0.3));
    begin();
    Generator for_test = random_.split(1);
    shown_ = for_test.uniform<double>({n_, 2}, -1, 1);
    test_ = for_test.uniform<double>({test_sets, n_, 2}, -1, 1);
    grid_ = uninitialized<double>({cells * cells, 2});
    for (std::size_t i = 0; i < cells * cells; ++i) {
      grid_(i, 0) = (double(i % cells) + 0.5) * 2 / cells - 1;
      grid_(i, 1) = 1 - (double(i / cells) + 0.5) * 2 / cells;
    }
  }

  Json state() const override {
    const std::vector<V> now = constants();
    const V scores = score(now, constant(shown_));
    return {{"points", to_json(shown_)},
            {"hidden", to_json(hidden_value(shown_))},
            {"scores", to_json(scores.value())},
            {"P", to_json(neural_sort(scores, tau_).value())},
            {"truth", to_json(argsort(hidden_value(shown_)))},
            {"cells", cells},
            {"map", to_json(score(now, constant(grid_)).value())},
            {"hidden_map", to_json(hidden_value(grid_))},
            {"accuracy", accuracy(now)}};
  }

 private:
  static constexpr std::size_t hidden = 16, sets = 16, test_sets = 100, cells = 24;

  // A ridge that turns: no linear score sorts it.
  static Array<double> hidden_value(const Array<double>& points) {
    Array<double> values =
        uninitialized<double>(Shape(points.shape().begin(), points.shape().end() - 1));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double x = points.data()[2 * i], y = points.data()[2 * i + 1];
      values.data()[i] = std::sin(2.5 * x) + y * y - 0.5 * x * y;
    }
    return values;
  }

  // (.., 2) -> (..)
  static V score(const std::vector<V>& p, const V& points) {
    const V scored = matmul(tanh(matmul(points, p[0]) + p[1]), p[2]);
    return sum(scored, -1);
  }

  V loss_of(const std::vector<V>& p) override {
    const Array<double> points = random_.uniform<double>({sets, n_, 2}, -1, 1);
    return mean(neural_sort_cross_entropy(score(p, constant(points)), hidden_value(points), tau_));
  }

  // How many of the test's places have their item.
  double accuracy(const std::vector<V>& p) const {
    return tapesort::accuracy(argsort(score(p, constant(test_)).value()),
                              argsort(hidden_value(test_)));
  }

  std::size_t n_;
  Array<double> shown_, test_, grid_;
};

// Points of six features, of which two tell the class and four are noise of twice their size. A linear
// map to the plane is learnt by the mass of a query's class among its k nearest neighbours.
class LearnNeighbours final : public Trained {
 public:
  explicit LearnNeighbours(const Json& question) : Trained(question), k_(question.at("k")) {
    require(k_ >= 1 && k_ <= 20, "training: the page has 1 to 20 neighbours, got ", k_);
    add_parameter("W", random_.normal<double>({features, 2}, 0, 0.5));
    begin();
    Generator for_data = random_.split(1);
    draw(candidates, for_data, points_, labels_);
    Generator for_test = random_.split(2);
    draw(queries, for_test, test_, test_labels_);
  }

  Json state() const override {
    const V W = constants()[0];
    const V near = scores(constant(test_), W);
    const V P = neural_sort(reshape(slice(near, 0, 0, 1), {Index(candidates)}), tau_);
    return {{"points", to_json(matmul(constant(points_), W).value())},
            {"labels", to_json(labels_)},
            {"queries", to_json(matmul(constant(test_), W).value())},
            {"query_labels", to_json(test_labels_)},
            {"P", to_json(slice(P, 0, 0, Index(k_)).value())},
            {"W", to_json(W.value())},
            {"accuracy", accuracy(near.value())}};
  }

 private:
  static constexpr std::size_t features = 6, classes = 3, candidates = 60, queries = 90;

  static void draw(std::size_t n, Generator& random, Array<double>& x, Indices& labels) {
    x = random.normal<double>({n, features}, 0, 2);
    labels = uninitialized<Index>({n});
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t label = i % classes;
      const double angle = 6.283185307179586 * double(label) / classes;
      labels(i) = Index(label);
      x(i, 1) = std::cos(angle) * 1.5 + 0.25 * x(i, 1);
      x(i, 4) = std::sin(angle) * 1.5 + 0.25 * x(i, 4);
    }
  }

  V scores(const V& x, const V& W) const {
    return -squared_distances(matmul(x, W), matmul(constant(points_), W));
  }

  V loss_of(const std::vector<V>& p) override {
    Array<double> x;
    Indices labels;
    draw(30, random_, x, labels);
    Array<double> same = zeros<double>({labels.size(), candidates});
    for (std::size_t i = 0; i < labels.size(); ++i) {
      for (std::size_t j = 0; j < candidates; ++j) same(i, j) = labels(i) == labels_(j);
    }
    const V mass = top_k_mass(scores(constant(x), p[0]), k_, tau_);
    return 1.0 - sum(mass * constant(same)) / double(labels.size() * k_);
  }

  // Of the queries, by the vote of their k nearest; the nearer class wins a tie.
  double accuracy(const Array<double>& near) const {
    const Indices order = argsort(near);
    Indices nearest = uninitialized<Index>({queries, k_});
    for (std::size_t i = 0; i < nearest.size(); ++i) nearest.data()[i] = order(i / k_, i % k_);
    return tapesort::accuracy(majority_vote(neighbour_labels(nearest, labels_)), test_labels_);
  }

  std::size_t k_;
  Array<double> points_, test_;
  Indices labels_, test_labels_;
};

}  // namespace

std::unique_ptr<Training> make_training(const Json& question) {
  const std::string task = question.at("task");
  if (task == "sort") return std::make_unique<LearnToSort>(question);
  require(task == "neighbours", "training: there is no task ", task);
  return std::make_unique<LearnNeighbours>(question);
}

}  // namespace tapesort
