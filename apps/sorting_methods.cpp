#include "apps/sorting_methods.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "engine/check.hpp"
#include "engine/parameter.hpp"
#include "models/by_name.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/control_variate.hpp"
#include "ops/losses.hpp"
#include "ops/noise.hpp"
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
  Shape shape(x.dimension() + 1);
  shape[0] = samples;
  std::copy(x.shape().begin(), x.shape().end(), shape.begin() + 1);
  return x + pass.tape.constant(gumbel_noise<float>(shape, *pass.random));
}

// A method that looks at one score for each item.
class ScoreMethod : public SortingMethod {
 public:
  using Logits = std::function<V(const V& scores)>;

  explicit ScoreMethod(Logits logits, std::size_t samples = 0)
      : logits_(std::move(logits)), samples_(samples) {}

  V logits(const Pass<float>& pass, const V& x) override {
    return logits_(perturbed(scores(x), pass, samples_));
  }
  Indices order(const Array<float>& x) override {
    return argsort(with_shape(x, {x.shape(0), x.shape(1)}));
  }

 protected:
  static V scores(const V& x) { return reshape(x, {Index(x.shape()[0]), Index(x.shape()[1])}); }

 private:
  Logits logits_;
  std::size_t samples_;
};

class SinkhornMethod : public SortingMethod {
 public:
  SinkhornMethod(const MethodSettings& settings, bool stochastic, bool outputs_are_rows)
      : n_(settings.n),
        tau_(settings.tau),
        samples_(stochastic ? settings.samples : 0),
        outputs_are_rows_(outputs_are_rows) {}

  std::size_t outputs() const override { return n_; }
  V logits(const Pass<float>& pass, const V& x) override {
    return log_sinkhorn(perturbed(log_alpha(x), pass, samples_), tau_);
  }
  // The limit of tau -> 0 (and of infinitely many iterations).
  Indices order(const Array<float>& x) override {
    return best_assignment(log_alpha(constant(x)).value());
  }

 private:
  V log_alpha(const V& x) const { return outputs_are_rows_ ? x : transpose(x, {0, 2, 1}); }

  std::size_t n_;
  double tau_;
  std::size_t samples_;
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

V no_matrix(const V&) { throw std::logic_error("this method has no P_hat and so no logits"); }

// Soft ranks should be the true ones. There is no P_hat.
class SoftRankMethod : public ScoreMethod {
 public:
  explicit SoftRankMethod(double strength) : ScoreMethod(no_matrix), strength_(strength) {}

  V sorting_loss(const Pass<float>&, const V& x, const Indices& labels) override {
    return mean(square(fast_soft_rank(scores(x), strength_) - constant(true_ranks(labels))));
  }

 private:
  double strength_;
};

// Scores as the log-scores of a Plackett-Luce distribution over orders; its expected cost is
// estimated from exact samples. There is no P_hat.
class ScoreFunctionMethod : public ScoreMethod {
 public:
  explicit ScoreFunctionMethod(std::size_t samples) : ScoreMethod(no_matrix), samples_(samples) {}

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

template <bool stochastic, bool outputs_are_rows>
Made make_sinkhorn(const Settings& s, Generator&) {
  return std::make_unique<SinkhornMethod>(s, stochastic, outputs_are_rows);
}
template <bool relu_between> Made make_row_stochastic(const Settings& s, Generator& random) {
  return std::make_unique<RowStochastic>(s.n, relu_between, random);
}
template <Method method, bool stochastic = false> Made make_relaxed(const Settings& s, Generator&) {
  Relaxation relaxation;
  relaxation.method = method;
  relaxation.tau = s.tau;
  return std::make_unique<ScoreMethod>([relaxation](const V& x) { return relaxation.logits(x); },
                                       stochastic ? s.samples : 0);
}
Made make_soft_rank(const Settings& s, Generator&) {
  return std::make_unique<SoftRankMethod>(s.tau);
}
Made make_reinforce(const Settings& s, Generator&) {
  require(s.samples >= 2, "reinforce: a sample's baseline is the mean of the others; need ",
          "--samples >= 2, got ", s.samples);
  return std::make_unique<ScoreFunctionMethod>(s.samples);
}
Made make_relax(const Settings& s, Generator&) { return std::make_unique<RelaxMethod>(s); }

}  // namespace

const std::vector<MethodEntry>& sorting_methods() {
  constexpr bool linear = true, squared = false;
  static const std::vector<MethodEntry> methods = {
      {"row_stochastic", 1, Gives::matrix, squared, make_row_stochastic<true>},
      {"row_stochastic_published", 1, Gives::matrix, squared, make_row_stochastic<false>},
      {"sinkhorn", 1, Gives::matrix, squared, make_sinkhorn<false, false>},
      {"sinkhorn_published", 1, Gives::matrix, squared, make_sinkhorn<false, true>},
      {"gumbel_sinkhorn", 1, Gives::matrix, squared, make_sinkhorn<true, false>},
      {"gumbel_sinkhorn_published", 1, Gives::matrix, squared, make_sinkhorn<true, true>},
      {"neural_sort", 5, Gives::matrix, squared, make_relaxed<Method::neural_sort>},
      {"neural_sort_stochastic", 5, Gives::matrix, linear, make_relaxed<Method::neural_sort, true>},
      {"soft_sort", 1, Gives::matrix, squared, make_relaxed<Method::soft_sort>},
      {"odd_even", 1, Gives::matrix, squared, make_relaxed<Method::odd_even>},
      {"bitonic", 1, Gives::matrix, squared, make_relaxed<Method::bitonic>},
      {"lap_sum", 1, Gives::matrix, squared, make_relaxed<Method::lap_sum>},
      {"fast_soft_rank", 1, Gives::ranks, squared, make_soft_rank},
      {"reinforce", 1, Gives::orders, linear, make_reinforce},
      {"relax", 1, Gives::orders, linear, make_relax},
  };
  return methods;
}

const MethodEntry& sorting_method(const std::string& name) {
  return by_name(sorting_methods(), name, "sorting_method", "method");
}

Var<float> SortingMethod::sorting_loss(const Pass<float>& pass, const Var<float>& x,
                                       const Indices& labels) {
  return cross_entropy(logits(pass, x), true_rows(labels));
}

Var<float> SortingMethod::expected_cost(const Pass<float>& pass, const Var<float>& x,
                                        const MatrixCost<float>& cost, const MatrixCost<float>&) {
  return mean(cost(softmax(logits(pass, x))));
}

Array<float> true_rows(const Indices& labels) {
  require(labels.dimension() == 2, "true_rows: labels are ", labels.shape(), "; need (sets, n)");
  const std::size_t sets = labels.shape(0), n = labels.shape(1);
  Array<float> rows = zeros<float>({sets, n, n});
  for (std::size_t set = 0; set < sets; ++set) {
    const Index* label = labels.data() + set * n;
    std::vector<Index> sorted(label, label + n);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    float* row = rows.data() + set * n * n;
    for (std::size_t i = 0; i < n; ++i, row += n) {
      const float share = 1.0f / float(std::count(label, label + n, sorted[i]));
      for (std::size_t j = 0; j < n; ++j) row[j] = label[j] == sorted[i] ? share : 0.0f;
    }
  }
  return rows;
}

Array<float> true_ranks(const Indices& labels) {
  const Array<float> rows = true_rows(labels);
  const std::size_t n = labels.shape(1);
  Array<float> ranks = zeros<float>(labels.shape());
  for (std::size_t e = 0; e < rows.size(); ++e) {
    const std::size_t set = e / (n * n), i = e / n % n, j = e % n;
    ranks.data()[set * n + j] += float(i + 1) * rows.data()[e];
  }
  return ranks;
}

void SortingScores::add(const Indices& order, const Indices& labels) {
  require_same_shape("SortingScores", "order", order.shape(), "labels", labels.shape());
  const std::size_t n = labels.shape().back();
  for (std::size_t start = 0; start < labels.size(); start += n) {
    std::vector<Index> sorted(labels.data() + start, labels.data() + start + n);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    std::size_t right = 0;
    for (std::size_t i = 0; i < n; ++i) {
      right += labels.data()[start + std::size_t(order.data()[start + i])] == sorted[i];
    }
    ++sets_;
    elements_ += n;
    right_elements_ += right;
    right_sets_ += right == n;
  }
}

void SortingScores::add_soft(const Array<float>& P_hat, const Indices& order,
                             const Indices& labels) {
  const Array<float> rows = true_rows(labels);
  require_same_shape("SortingScores", "P_hat", P_hat.shape(), "rows", rows.shape());
  const std::size_t n = labels.shape().back();
  for (std::size_t i = 0; i < order.size(); ++i) {  // i counts rows of all sets
    const float *p = P_hat.data() + i * n, *right = rows.data() + i * n;
    for (std::size_t j = 0; j < n; ++j) soft_right_ += right[j] > 0 ? double(p[j]) : 0.0;
    off_order_ += 1 - double(p[order.data()[i]]);
  }
  soft_elements_ += order.size();
}

void RegressionScores::add(double prediction, double truth) {
  ++count_;
  const double p = prediction - mean_p_, t = truth - mean_t_;  // Welford's updates
  mean_p_ += p / count_;
  mean_t_ += t / count_;
  pp_ += p * (prediction - mean_p_);
  tt_ += t * (truth - mean_t_);
  pt_ += p * (truth - mean_t_);
  squares_ += (prediction - truth) * (prediction - truth);
}

double RegressionScores::mean_squared_error() const { return squares_ / count_; }
double RegressionScores::variance() const { return tt_ / count_; }
double RegressionScores::r2() const { return 1 - squares_ / tt_; }
double RegressionScores::squared_correlation() const {
  if (pp_ == 0) return std::numeric_limits<double>::quiet_NaN();
  return pt_ / pp_ * (pt_ / tt_);
}

}  // namespace tapesort
