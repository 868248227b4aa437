#include "models/optimizers.hpp"

#include <cmath>
#include <set>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
#include "engine/parameter.hpp"

namespace tapesort {

template <class T>
Optimizer<T>::Optimizer(std::vector<Parameter<T>*> parameters, double learning_rate)
    : parameters_(std::move(parameters)) {
  const std::set<Parameter<T>*> all(parameters_.begin(), parameters_.end());
  require(
      all.size() == parameters_.size(),
      "optimizer: a parameter is given twice, and would be changed twice a step; need each once");
  set_learning_rate(learning_rate);
}

template <class T> void Optimizer<T>::zero_grad() {
  for (Parameter<T>* parameter : parameters_) parameter->zero_grad();
}

template <class T> void Optimizer<T>::set_learning_rate(double rate) {
  require(rate >= 0 && std::isfinite(rate), "optimizer: need learning_rate >= 0, got ", rate);
  learning_rate_ = rate;
}

template <class T> std::vector<Array<T>>& Optimizer<T>::add_memory(const std::string& kind) {
  auto arrays = std::make_unique<std::vector<Array<T>>>();
  for (const Parameter<T>* p : parameters_) arrays->push_back(zeros<T>(p->value.shape()));
  memory_.emplace_back(kind, std::move(arrays));
  return *memory_.back().second;
}

template <class T> std::vector<typename State<T>::Buffer> Optimizer<T>::memory() {
  std::vector<typename State<T>::Buffer> all;
  for (auto& [kind, arrays] : memory_) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      all.push_back({"optimizer." + kind + "." + parameters_[i]->name, &(*arrays)[i]});
    }
  }
  return all;
}

constexpr std::size_t grain = 1 << 18;  // elements a thread should at least have

template <class T>
Sgd<T>::Sgd(std::vector<Parameter<T>*> parameters, double learning_rate, double momentum,
            double weight_decay)
    : Optimizer<T>(std::move(parameters), learning_rate),
      momentum_(momentum),
      weight_decay_(weight_decay),
      velocity_(this->add_memory("velocity")) {
  require(momentum >= 0 && momentum < 1, "Sgd: need 0 <= momentum < 1, got ", momentum);
  require(weight_decay >= 0, "Sgd: need weight_decay >= 0, got ", weight_decay);
}

template <class T> void Sgd<T>::step() {
  ++this->steps_;
  const T rate = T(this->learning_rate_), momentum = T(momentum_), decay = T(weight_decay_);
  for (std::size_t k = 0; k < this->parameters_.size(); ++k) {
    this->parameters_[k]->changed();
    T* value = this->parameters_[k]->value.data();
    const T* grad = this->parameters_[k]->grad.data();
    T* velocity = velocity_[k].data();
    if (momentum == 0) {  // the velocity is the gradient: nothing to remember
      parallel_each(velocity_[k].size(), grain,
                    [=](std::size_t i) { value[i] -= rate * (grad[i] + decay * value[i]); });
      continue;
    }
    parallel_each(velocity_[k].size(), grain, [=](std::size_t i) {
      velocity[i] = momentum * velocity[i] + (grad[i] + decay * value[i]);
      value[i] -= rate * velocity[i];
    });
  }
}

template <class T>
Adam<T>::Adam(std::vector<Parameter<T>*> parameters, double learning_rate, double beta1,
              double beta2, double eps, double weight_decay)
    : Optimizer<T>(std::move(parameters), learning_rate),
      beta1_(beta1),
      beta2_(beta2),
      eps_(eps),
      weight_decay_(weight_decay),
      m_(this->add_memory("m")),
      v_(this->add_memory("v")) {
  require(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1,
          "Adam: need 0 <= beta1, beta2 < 1, got ", beta1, " and ", beta2);
  require(T(eps) > 0, "Adam: need eps > 0 in the type of the parameters, got ", eps);
  require(weight_decay >= 0, "Adam: need weight_decay >= 0, got ", weight_decay);
}

template <class T> void Adam<T>::step() {
  const double t = double(++this->steps_);
  const T rate = T(this->learning_rate_ / (1 - std::pow(beta1_, t)));
  const T scale = T(1 / std::sqrt(1 - std::pow(beta2_, t)));
  const T b1 = T(beta1_), b2 = T(beta2_), eps = T(eps_), decay = T(weight_decay_);
  for (std::size_t k = 0; k < this->parameters_.size(); ++k) {
    this->parameters_[k]->changed();
    T* value = this->parameters_[k]->value.data();
    const T* grad = this->parameters_[k]->grad.data();
    T *m = m_[k].data(), *v = v_[k].data();
    parallel_each(m_[k].size(), grain, [=](std::size_t i) {
      const T g = grad[i] + decay * value[i];
      m[i] = b1 * m[i] + (1 - b1) * g;
      v[i] = b2 * v[i] + (1 - b2) * g * g;
      value[i] -= rate * m[i] / (std::sqrt(v[i]) * scale + eps);
    });
  }
}

INSTANTIATE_CLASS(Optimizer)
INSTANTIATE_CLASS(Sgd)
INSTANTIATE_CLASS(Adam)

}  // namespace tapesort
