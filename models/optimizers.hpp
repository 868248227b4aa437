// Optimizers: how a gradient changes a parameter. They read Parameter::grad and write
// Parameter::value; zero_grad makes room for the next step's gradients.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/layers.hpp"

namespace tapesort {

template <class T> class Optimizer {
 public:
  // std::invalid_argument unless learning_rate >= 0 and finite, and each parameter is there once.
  Optimizer(std::vector<Parameter<T>*> parameters, double learning_rate);
  virtual ~Optimizer() = default;

  virtual void step() = 0;  // calls changed() for each parameter
  void zero_grad();

  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double rate);

  // What must be saved, beside the parameters, to continue as if never stopped: the number of
  // steps, and arrays by name.
  std::vector<typename State<T>::Buffer> memory();
  std::size_t steps() const { return steps_; }
  void set_steps(std::size_t steps) { steps_ = steps; }

 protected:
  // One array of zeros for each parameter, named "optimizer.<kind>.<parameter>".
  std::vector<Array<T>>& add_memory(const std::string& kind);

  std::vector<Parameter<T>*> parameters_;
  double learning_rate_;
  std::size_t steps_ = 0;

 private:
  std::vector<std::pair<std::string, std::unique_ptr<std::vector<Array<T>>>>> memory_;
};

// Stochastic gradient descent. std::invalid_argument unless 0 <= momentum < 1, weight_decay >= 0.
//   g <- grad + weight_decay value;  v <- momentum v + g;  value <- value - learning_rate v
template <class T> class Sgd : public Optimizer<T> {
 public:
  Sgd(std::vector<Parameter<T>*> parameters, double learning_rate, double momentum = 0,
      double weight_decay = 0);
  void step() override;

 private:
  double momentum_, weight_decay_;
  std::vector<Array<T>>& velocity_;
};

// Adam (Kingma and Ba 2015), for step t = 1, 2, ..:
//   g <- grad + weight_decay value;  m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
//   value <- value - learning_rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
// std::invalid_argument unless 0 <= beta1, beta2 < 1, eps > 0, weight_decay >= 0.
template <class T> class Adam : public Optimizer<T> {
 public:
  Adam(std::vector<Parameter<T>*> parameters, double learning_rate, double beta1 = 0.9,
       double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0);
  void step() override;

 private:
  double beta1_, beta2_, eps_, weight_decay_;
  std::vector<Array<T>>&m_, &v_;
};

}  // namespace tapesort
