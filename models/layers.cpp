#include "models/layers.hpp"

#include <cmath>

#include "engine/check.hpp"
#include "ops/conv/relu_pool.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/pool.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

template <class T>
Array<T> initial_weight(const Shape& shape, std::size_t fan_in, Init init, Generator& random) {
  switch (init) {
    case Init::fan_in: {
      const T bound = fan_in == 0 ? T(0) : T(1 / std::sqrt(double(fan_in)));
      return random.uniform<T>(shape, -bound, bound);
    }
    case Init::he:
      return random.normal<T>(shape, T(0), T(std::sqrt(2 / double(fan_in))));
    case Init::truncated_normal: {
      Array<T> weight = random.normal<T>(shape);
      for (T& w : weight) {
        while (std::abs(w) > T(2)) w = random.normal<T>({1}).data()[0];
        w *= T(0.1);
      }
      return weight;
    }
  }
  bad_argument("layers: unknown Init");
}

template <class T>
Array<T> initial_bias(std::size_t out, std::size_t fan_in, Init init, Generator& random) {
  if (init == Init::fan_in) return initial_weight<T>({out}, fan_in, init, random);
  return full<T>({out}, init == Init::truncated_normal ? T(0.1) : T(0));
}

}  // namespace

template <class T>
Linear<T>::Linear(const std::string& name, std::size_t in, std::size_t out, Init init,
                  Generator& random)
    : weight_(name + ".weight", initial_weight<T>({in, out}, in, init, random)),
      bias_(name + ".bias", initial_bias<T>(out, in, init, random)) {}

template <class T> Var<T> Linear<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  return matmul(x, pass.tape.leaf(weight_)) + pass.tape.leaf(bias_);
}

template <class T> void Linear<T>::collect(State<T>& state) {
  state.parameters.push_back(&weight_);
  state.parameters.push_back(&bias_);
}

template <class T>
Conv2d<T>::Conv2d(const std::string& name, std::size_t kernel, std::size_t in, std::size_t out,
                  const Conv2dOptions& options, Init init, Generator& random, bool bias)
    : options_(options),
      weight_(name + ".weight",
              initial_weight<T>({kernel, kernel, in, out}, kernel * kernel * in, init, random)) {
  if (bias) bias_.emplace(name + ".bias", initial_bias<T>(out, kernel * kernel * in, init, random));
}

template <class T> Var<T> Conv2d<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  const Var<T> weight = pass.tape.leaf(weight_);
  return bias_ ? conv2d(x, weight, pass.tape.leaf(*bias_), options_) : conv2d(x, weight, options_);
}

template <class T> void Conv2d<T>::collect(State<T>& state) {
  state.parameters.push_back(&weight_);
  if (bias_) state.parameters.push_back(&*bias_);
}

template <class T> Var<T> Conv2dReluPool<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  return conv2d_relu_pool(x, pass.tape.leaf(this->weight_), pass.tape.leaf(*this->bias_),
                          this->options_);
}

template <class T>
BatchNorm2d<T>::BatchNorm2d(const std::string& name, std::size_t channels, bool relu)
    : name_(name),
      relu_(relu),
      gamma_(name + ".gamma", full<T>({channels}, T(1))),
      beta_(name + ".beta", zeros<T>({channels})),
      statistics_(channels) {}

template <class T> Var<T> BatchNorm2d<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  BatchNormOptions options;
  options.training = pass.training;
  options.relu = relu_;
  return batch_norm(x, pass.tape.leaf(gamma_), pass.tape.leaf(beta_), statistics_, options);
}

template <class T> void BatchNorm2d<T>::collect(State<T>& state) {
  state.parameters.push_back(&gamma_);
  state.parameters.push_back(&beta_);
  state.buffers.push_back({name_ + ".mean", &statistics_.mean});
  state.buffers.push_back({name_ + ".variance", &statistics_.variance});
}

template <class T> Var<T> Dropout<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  if (!pass.training) return x;
  require(pass.random != nullptr, "Dropout: the pass has no generator; give it one in training");
  return dropout(x, p_, *pass.random, true);
}

template <class T> Relu<T>::Relu() : Function<T>([](const Var<T>& x) { return relu(x); }) {}

template <class T>
Sigmoid<T>::Sigmoid() : Function<T>([](const Var<T>& x) { return sigmoid(x); }) {}

template <class T>
MaxPool2d<T>::MaxPool2d(std::size_t window)
    : Function<T>([window](const Var<T>& x) { return max_pool2d(x, window, window); }) {}

template <class T>
GlobalAvgPool2d<T>::GlobalAvgPool2d()
    : Function<T>([](const Var<T>& x) {
        return mean(x, Axes{1, 2});
      }) {}

template <class T>
Flatten<T>::Flatten()
    : Function<T>([](const Var<T>& x) {
        const Shape& shape = x.shape();
        require(!shape.empty(), "Flatten: x is 0-d; need (N, ..)");
        const std::size_t features = element_count(Shape(shape.begin() + 1, shape.end()));
        return reshape(x, {Index(shape[0]), Index(features)});
      }) {}

template <class T> Var<T> Sequential<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  Var<T> y = x;
  for (const auto& layer : layers_) y = layer->forward(pass, y);
  return y;
}

template <class T> void Sequential<T>::collect(State<T>& state) {
  for (const auto& layer : layers_) layer->collect(state);
}

#define INSTANTIATE_FOR(T)            \
  template class Linear<T>;           \
  template class Conv2d<T>;           \
  template class Conv2dReluPool<T>;   \
  template class BatchNorm2d<T>;      \
  template class Dropout<T>;          \
  template struct Relu<T>;            \
  template struct Sigmoid<T>;         \
  template struct MaxPool2d<T>;       \
  template struct GlobalAvgPool2d<T>; \
  template struct Flatten<T>;         \
  template class Sequential<T>;
INSTANTIATE_FOR(float)
INSTANTIATE_FOR(double)
#undef INSTANTIATE_FOR

}  // namespace tapesort
