// The methods that the sorting and median experiments compare, by name, behind one interface: what
// stands between a network's outputs for the pictures of a set and a permutation of the set.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/layers.hpp"
#include "ops/estimators/estimators.hpp"

namespace tapesort {

// Sets of n items; x (sets, n, outputs()) is what a network says about each item. Row i of P_hat
// is where the i-th largest item stands.
class SortingMethod {
 public:
  virtual ~SortingMethod() = default;

  // How many numbers the network gives for an item: a score, or as many as there are places.
  virtual std::size_t outputs() const { return 1; }
  virtual void collect(State<float>& state) { static_cast<void>(state); }

  // Logits of the rows of P_hat, (sets, n, n): P_hat is their softmax. Logits, because a
  // cross-entropy needs log P_hat where P_hat itself is 0 in its type. In training a stochastic
  // method gives P_hat of several perturbed copies, (samples, sets, n, n). An exception when the
  // method has no P_hat.
  virtual Var<float> logits(const Pass<float>& pass, const Var<float>& x);

  // What to minimise when the numbers `labels` (sets, n) behind the items are known: the
  // cross-entropy of the true permutation against P_hat, unless a method has its own idea.
  virtual Var<float> sorting_loss(const Pass<float>& pass, const Var<float>& x,
                                  const Indices& labels);

  // The expectation of a cost of the permutation, one number for all sets and samples: by default
  // the cost of P_hat. `frozen` is the cost with all that it depends on held constant.
  virtual Var<float> expected_cost(const Pass<float>& pass, const Var<float>& x,
                                   const MatrixCost<float>& cost, const MatrixCost<float>& frozen);

  // What it decides: the item at each place, (sets, n), without noise. An order of the items, by
  // default that of their scores, except where a method cannot promise one.
  virtual Indices order(const Array<float>& x);

 protected:
  static Var<float> scores(const Var<float>& x);  // (sets, n, 1) -> (sets, n)
};

struct MethodSettings {
  std::size_t n;
  double tau;
  std::size_t samples;
};

enum class Gives {
  matrix,  // P_hat
  orders,  // samples of orders, whose costs are known
  ranks    // soft ranks: no cost of a permutation, so that no median can be asked for
};

struct MethodEntry {
  const char* name;
  double tau;   // a tau that trains well with the default learning rate, in units of x
  Gives gives;  // what it is trained through
  // How the median's error is taken over a row p of P_hat: (y - <p, v>)^2 or <p, (y - v)^2>. The
  // paper has the latter for samples of NeuralSort only.
  bool linear_cost;
  std::unique_ptr<SortingMethod> (*make)(const MethodSettings& settings, Generator& random);
};

// All of them; a program may add its own (tapesort_program.hpp). Three have a second entry,
// _published, for what the NeuralSort paper's code does where it is not what the text says
// (tables.md, "Where the published code is not what the text says").
std::vector<MethodEntry>& sorting_methods();
// std::invalid_argument for another name.
const MethodEntry& sorting_method(const std::string& name);

}  // namespace tapesort
