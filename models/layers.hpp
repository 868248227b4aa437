// Layers: functions with parameters. A layer owns its Parameters; a forward pass borrows them.
//
//     Sequential<float> net;
//     net.add<Linear<float>>("fc1", 784, 128, Init::fan_in, random).add<Relu<float>>();
//     Tape<float> tape;
//     Var<float> y = net.forward({tape, /*training=*/true, &random}, x);
//
// Images are (N, H, W, C), channels last.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engine/parameter.hpp"
#include "engine/random.hpp"
#include "ops/conv/conv.hpp"
#include "ops/norm.hpp"

namespace tapesort {

// What a forward pass needs beside its input.
template <class T> struct Pass {
  Tape<T>& tape;
  bool training = false;        // batch_norm and dropout do two different things
  Generator* random = nullptr;  // for dropout in training
};

// All that makes up a trained model: what the optimizer changes, and what else is remembered.
template <class T> struct State {
  struct Buffer {
    std::string name;
    Array<T>* value;
  };
  std::vector<Parameter<T>*> parameters;
  std::vector<Buffer> buffers;

  // The arrays of both, parameters first.
  std::vector<Buffer> arrays() const {
    std::vector<Buffer> all;
    for (Parameter<T>* p : parameters) all.push_back({p->name, &p->value});
    all.insert(all.end(), buffers.begin(), buffers.end());
    return all;
  }
};

template <class T> class Layer {
 public:
  virtual ~Layer() = default;
  virtual Var<T> forward(const Pass<T>& pass, const Var<T>& x) = 0;
  // Adds this layer's parameters and buffers.
  virtual void collect(State<T>& state) { static_cast<void>(state); }

  State<T> state() {
    State<T> all;
    collect(all);
    return all;
  }
};

// How weights and biases begin. fan_in counts the inputs of one output.
enum class Init {
  fan_in,            // both uniform in +-1 / sqrt(fan_in)
  he,                // normal, deviation sqrt(2 / fan_in), biases 0: He et al. 2015
  truncated_normal,  // normal, deviation 0.1, redrawn beyond two deviations, biases 0.1: the
                     // NeuralSort paper's networks
};

// y = x W + b: (.., in) -> (.., out). Parameters name.weight (in, out) and name.bias (out).
template <class T> class Linear : public Layer<T> {
 public:
  Linear(const std::string& name, std::size_t in, std::size_t out, Init init, Generator& random);
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;
  void collect(State<T>& state) override;

 private:
  Parameter<T> weight_, bias_;
};

// (N, H, W, in) -> (N, H', W', out). Parameters name.weight (kernel, kernel, in, out)
// and, unless there is none, name.bias (out).
template <class T> class Conv2d : public Layer<T> {
 public:
  Conv2d(const std::string& name, std::size_t kernel, std::size_t in, std::size_t out,
         const Conv2dOptions& options, Init init, Generator& random, bool bias = true);
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;
  void collect(State<T>& state) override;

 protected:
  Conv2dOptions options_;
  Parameter<T> weight_;
  std::optional<Parameter<T>> bias_;
};

// Conv2d, ReLU and MaxPool2d(2) in one step, which is faster (ops/conv/relu_pool.hpp).
template <class T> class Conv2dReluPool : public Conv2d<T> {
 public:
  Conv2dReluPool(const std::string& name, std::size_t kernel, std::size_t in, std::size_t out,
                 const Conv2dOptions& options, Init init, Generator& random)
      : Conv2d<T>(name, kernel, in, out, options, init, random) {}
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;
};

// Each channel to a learned mean and deviation (ops/norm.hpp), then ReLU if asked for, which is
// faster than a layer of its own. Parameters name.gamma, name.beta; buffers name.mean,
// name.variance.
template <class T> class BatchNorm2d : public Layer<T> {
 public:
  BatchNorm2d(const std::string& name, std::size_t channels, bool relu = false);
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;
  void collect(State<T>& state) override;

 private:
  std::string name_;
  bool relu_;
  Parameter<T> gamma_, beta_;
  BatchStatistics<T> statistics_;
};

// Zeroes elements with probability p in training (ops/norm.hpp), which needs Pass::random.
template <class T> class Dropout : public Layer<T> {
 public:
  explicit Dropout(double p) : p_(p) {}
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;

 private:
  double p_;
};

// A layer without parameters, from any function of one Var.
template <class T> class Function : public Layer<T> {
 public:
  using F = std::function<Var<T>(const Var<T>&)>;
  explicit Function(F f) : f_(std::move(f)) {}
  Var<T> forward(const Pass<T>&, const Var<T>& x) override { return f_(x); }

 private:
  F f_;
};

template <class T> struct Relu : Function<T> { Relu(); };
template <class T> struct Sigmoid : Function<T> { Sigmoid(); };
// Windows of `window` pixels each way, side by side.
template <class T> struct MaxPool2d : Function<T> { explicit MaxPool2d(std::size_t window); };
// (N, H, W, C) -> (N, C): the mean over all pixels.
template <class T> struct GlobalAvgPool2d : Function<T> { GlobalAvgPool2d(); };
// (N, ..) -> (N, all the rest)
template <class T> struct Flatten : Function<T> { Flatten(); };

// One layer after the other.
template <class T> class Sequential : public Layer<T> {
 public:
  template <class L, class... Arguments> Sequential& add(Arguments&&... arguments) {
    layers_.push_back(std::make_unique<L>(std::forward<Arguments>(arguments)...));
    return *this;
  }
  Sequential& add(std::unique_ptr<Layer<T>> layer) {
    layers_.push_back(std::move(layer));
    return *this;
  }
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;
  void collect(State<T>& state) override;

 private:
  std::vector<std::unique_ptr<Layer<T>>> layers_;
};

// How many numbers training changes.
template <class T> std::size_t parameter_count(const State<T>& state) {
  std::size_t count = 0;
  for (const Parameter<T>* parameter : state.parameters) count += parameter->value.size();
  return count;
}

}  // namespace tapesort
