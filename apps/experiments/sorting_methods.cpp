#include "apps/experiments/sorting_methods.hpp"

#include "apps/experiments/scores.hpp"
#include "engine/check.hpp"
#include "engine/parameter.hpp"
#include "models/by_name.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/control_variate.hpp"
#include "ops/losses.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/logits.hpp"
#include "ops/sorting/permutation.hpp"
#include "ops/sorting/relaxation.hpp"

namespace tapesort {
namespace {

using V = Var<float>;

// Samples in front, if training asks for them, each with its own Gumbel noise.
V perturbed(const V& x, const Pass<float>& pass, std::size_t samples) {
  if (!pass.training || samples == 0) return x;
  return PlackettLuce<float>(x).perturbed(*pass.random, {samples});
}

// A relaxation of sorting. Most take one score for each item; Sinkhorn's takes a matrix of logits, in
// which the outputs for an item are a column, or, as published, a row.
class Relaxed : public SortingMethod {
 public:
  Relaxed(Method method, const MethodSettings& settings, bool stochastic, bool outputs_are_rows)
      : n_(settings.n),
        samples_(stochastic ? settings.samples : 0),
        outputs_are_rows_(outputs_are_rows) {
    relaxation_.method = method;
    relaxation_.tau = settings.tau;
  }

  std::size_t outputs() const override { return of_matrix() ? n_ : 1; }
  V logits(const Pass<float>& pass, const V& x) override {
    return relaxation_.logits(perturbed(input(x), pass, samples_));
  }
  // Without P_hat: soft ranks should be the true ones.
  V sorting_loss(const Pass<float>& pass, const V& x, const Indices& labels) override {
    if (relaxation_.has_matrix()) return SortingMethod::sorting_loss(pass, x, labels);
    return mean(square(relaxation_.ranks(input(x)) - constant(true_ranks(labels))));
  }
  // Of a matrix: the limit of tau -> 0 (and of infinitely many iterations).
  Indices order(const Array<float>& x) override {
    return of_matrix() ? best_assignment(input(constant(x)).value()) : SortingMethod::order(x);
  }

 private:
  bool of_matrix() const { return relaxation_.method == Method::sinkhorn; }
  V input(const V& x) const {
    if (!of_matrix()) return scores(x);
    return outputs_are_rows_ ? x : transpose(x, {0, 2, 1});
  }

  Relaxation relaxation_;
  std::size_t n_, samples_;
  bool outputs_are_rows_;
};

// The paper's "vanilla row-stochastic" baseline: the outputs for all items go through three dense
// layers that give n rows of n logits. The rows need not agree on a permutation.
class RowStochastic : public SortingMethod {
 public:
  RowStochastic(std::size_t n, bool relu_between, Generator& random) : n_(n) {
    for (const char* name : {"rows1", "rows2", "rows3"}) {
      if (name != std::string("rows1") && relu_between) head_.add<Relu<float>>();
      head_.add<Linear<float>>(name, n * n, n * n, Init::truncated_normal, random);
    }
  }
  std::size_t outputs() const override { return n_; }
  void collect(State<float>& state) override { head_.collect(state); }
  V logits(const Pass<float>& pass, const V& x) override {
    const Index sets = Index(x.shape()[0]), n = Index(n_);
    return reshape(head_.forward(pass, reshape(x, {sets, n * n})), {sets, n, n});
  }
  Indices order(const Array<float>& x) override {
    Tape<float> off(Recording::off);
    return argmax(logits({off}, constant(x)).value());
  }

 private:
  std::size_t n_;
  Sequential<float> head_;
};

// The fraction of places with the wrong item, (samples, sets). For a relaxed P: the mass on them.
MatrixCost<float> misplaced(const Indices& labels) {
  return [rows = true_rows(labels)](const V& P) {
    // A row of a tied group is right with any of its items, so the targets are 1 for each of them.
    Array<float> right = rows;
    for (float& r : right) r = r > 0 ? 1.0f : 0.0f;
    return 1.0f - mean(sum(P * constant(right), -1), -1);
  };
}

// Scores as the log-scores of a Plackett-Luce distribution over orders; its expected cost is
// estimated from exact samples. There is no P_hat.
class ScoreFunctionMethod : public SortingMethod {
 public:
  explicit ScoreFunctionMethod(std::size_t samples) : samples_(samples) {}

  V sorting_loss(const Pass<float>& pass, const V& x, const Indices& labels) override {
    return expected_cost(pass, x, misplaced(labels), misplaced(labels));
  }
  V expected_cost(const Pass<float>& pass, const V& x, const MatrixCost<float>& cost,
                  const MatrixCost<float>&) override {
    return mean(
        reinforce(scores(x), on_orders(cost), samples_, *pass.random, Baseline::leave_one_out));
  }

 protected:
  std::size_t samples_;
};

// The same with the cost of a relaxed permutation as a control variate, whose scale, temperature
// and offset learn to reduce the variance.
class RelaxMethod : public ScoreFunctionMethod {
 public:
  explicit RelaxMethod(const MethodSettings& settings)
      : ScoreFunctionMethod(settings.samples),
        tau_(settings.tau),
        control_(relaxed_control<float>({}, {})) {}

  void collect(State<float>& state) override {
    for (Parameter<float>& phi : control_.phi) state.parameters.push_back(&phi);
  }
  V expected_cost(const Pass<float>& pass, const V& x, const MatrixCost<float>& cost,
                  const MatrixCost<float>& frozen) override {
    const auto relaxed_sort = [this](const V& s) { return softmax(neural_sort_logits(s, tau_)); };
    control_.value = relaxed_control<float>(frozen, relaxed_sort).value;
    return mean(control_variate_expectation(scores(x), on_orders(cost), control_, samples_,
                                            *pass.random, pass.training ? Learn::yes : Learn::no));
  }

 private:
  double tau_;
  ControlVariate<float> control_;
};

using Made = std::unique_ptr<SortingMethod>;
using Settings = MethodSettings;

template <Method method, bool stochastic = false, bool outputs_are_rows = false>
Made make_relaxed(const Settings& s, Generator&) {
  return std::make_unique<Relaxed>(method, s, stochastic, outputs_are_rows);
}
template <bool relu_between> Made make_row_stochastic(const Settings& s, Generator& random) {
  return std::make_unique<RowStochastic>(s.n, relu_between, random);
}
Made make_reinforce(const Settings& s, Generator&) {
  require(s.samples >= 2, "reinforce: a sample's baseline is the mean of the others; need ",
          "--samples >= 2, got ", s.samples);
  return std::make_unique<ScoreFunctionMethod>(s.samples);
}
Made make_relax(const Settings& s, Generator&) { return std::make_unique<RelaxMethod>(s); }

}  // namespace

std::vector<MethodEntry>& sorting_methods() {
  constexpr bool linear = true, squared = false, noise = true, rows = true;
  static std::vector<MethodEntry> methods = {
      {"row_stochastic", 1, Gives::matrix, squared, make_row_stochastic<true>},
      {"row_stochastic_published", 1, Gives::matrix, squared, make_row_stochastic<false>},
      {"sinkhorn", 1, Gives::matrix, squared, make_relaxed<Method::sinkhorn>},
      {"sinkhorn_published", 1, Gives::matrix, squared,
       make_relaxed<Method::sinkhorn, !noise, rows>},
      {"gumbel_sinkhorn", 1, Gives::matrix, squared, make_relaxed<Method::sinkhorn, noise>},
      {"gumbel_sinkhorn_published", 1, Gives::matrix, squared,
       make_relaxed<Method::sinkhorn, noise, rows>},
      {"neural_sort", 5, Gives::matrix, squared, make_relaxed<Method::neural_sort>},
      {"neural_sort_stochastic", 5, Gives::matrix, linear,
       make_relaxed<Method::neural_sort, noise>},
      {"soft_sort", 1, Gives::matrix, squared, make_relaxed<Method::soft_sort>},
      {"odd_even", 1, Gives::matrix, squared, make_relaxed<Method::odd_even>},
      {"bitonic", 1, Gives::matrix, squared, make_relaxed<Method::bitonic>},
      {"lap_sum", 1, Gives::matrix, squared, make_relaxed<Method::lap_sum>},
      {"fast_soft_rank", 1, Gives::ranks, squared, make_relaxed<Method::fast_soft_rank>},
      {"reinforce", 1, Gives::orders, linear, make_reinforce},
      {"relax", 1, Gives::orders, linear, make_relax},
  };
  return methods;
}

const MethodEntry& sorting_method(const std::string& name) {
  return by_name(sorting_methods(), name, "sorting_method", "method");
}

Var<float> SortingMethod::scores(const Var<float>& x) {
  return reshape(x, {Index(x.shape()[0]), Index(x.shape()[1])});
}

Var<float> SortingMethod::logits(const Pass<float>&, const Var<float>&) {
  misuse("this method has no P_hat and so no logits");
}

Indices SortingMethod::order(const Array<float>& x) {
  return argsort(with_shape(x, {x.shape(0), x.shape(1)}));
}

Var<float> SortingMethod::sorting_loss(const Pass<float>& pass, const Var<float>& x,
                                       const Indices& labels) {
  return cross_entropy(logits(pass, x), true_rows(labels));
}

Var<float> SortingMethod::expected_cost(const Pass<float>& pass, const Var<float>& x,
                                        const MatrixCost<float>& cost, const MatrixCost<float>&) {
  return mean(cost(softmax(logits(pass, x))));
}

}  // namespace tapesort
