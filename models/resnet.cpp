#include "models/resnet.hpp"

#include <cmath>

#include "ops/elementwise.hpp"

namespace tapesort {
namespace {

// He's normal initialisation, as Init::he.
template <class T>
Array<T> conv_weight(std::size_t kernel, std::size_t in, std::size_t out, Generator& random) {
  const T deviation = T(std::sqrt(2 / double(kernel * kernel * in)));
  return random.normal<T>({kernel, kernel, in, out}, T(0), deviation);
}

}  // namespace

template <class T>
ResidualBlock<T>::ResidualBlock(const std::string& name, std::size_t in, std::size_t out,
                                std::size_t stride, Generator& random)
    : stride_(stride),
      norm1_(name + ".norm1", in, /*relu=*/true),
      norm2_(name + ".norm2", out, /*relu=*/true),
      conv1_(name + ".conv1.weight", conv_weight<T>(3, in, out, random)),
      conv2_(name + ".conv2.weight", conv_weight<T>(3, out, out, random)) {
  if (in != out || stride != 1) {
    shortcut_ = std::make_unique<Parameter<T>>(name + ".shortcut.weight",
                                               conv_weight<T>(1, in, out, random));
  }
}

template <class T>
Var<T> ResidualBlock<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  const Var<T> a = norm1_.forward(pass, x);
  const Var<T> b = conv2d(a, pass.tape.leaf(conv1_), {stride_, 1});
  const Var<T> c = conv2d(norm2_.forward(pass, b), pass.tape.leaf(conv2_), {1, 1});
  return c + (shortcut_ ? conv2d(a, pass.tape.leaf(*shortcut_), {stride_, 0}) : x);
}

template <class T>
void ResidualBlock<T>::collect(State<T>& state) {
  norm1_.collect(state);
  state.parameters.push_back(&conv1_);
  norm2_.collect(state);
  state.parameters.push_back(&conv2_);
  if (shortcut_) state.parameters.push_back(shortcut_.get());
}

std::unique_ptr<Layer<float>> resnet(const std::vector<std::size_t>& channels,
                                     const ImageShape& image, std::size_t outputs,
                                     Generator& random) {
  auto net = std::make_unique<Sequential<float>>();
  std::size_t in = channels.at(0);
  net->add<Conv2d<float>>("conv", 3, image.channels, in, Conv2dOptions::same(3), Init::he, random,
                          /*bias=*/false);
  for (std::size_t stage = 0; stage < channels.size(); ++stage) {
    const std::string name = "stage" + std::to_string(stage + 1);
    const std::size_t out = channels[stage];
    net->add<ResidualBlock<float>>(name + ".1", in, out, stage == 0 ? 1 : 2, random);
    net->add<ResidualBlock<float>>(name + ".2", out, out, 1, random);
    in = out;
  }
  net->add<BatchNorm2d<float>>("norm", in, /*relu=*/true).add<GlobalAvgPool2d<float>>();
  if (outputs > 0) net->add<Linear<float>>("fc", in, outputs, Init::fan_in, random);
  return net;
}

template class ResidualBlock<float>;
template class ResidualBlock<double>;

}  // namespace tapesort
