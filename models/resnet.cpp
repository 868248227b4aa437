#include "models/resnet.hpp"

#include "ops/elementwise.hpp"

namespace tapesort {

template <class T>
ResidualBlock<T>::ResidualBlock(const std::string& name, std::size_t in, std::size_t out,
                                std::size_t stride, Generator& random)
    : norm1_(name + ".norm1", in, /*relu=*/true),
      norm2_(name + ".norm2", out, /*relu=*/true),
      conv1_(name + ".conv1", 3, in, out, {stride, 1}, Init::he, random, /*bias=*/false),
      conv2_(name + ".conv2", 3, out, out, {1, 1}, Init::he, random, /*bias=*/false) {
  if (in == out && stride == 1) return;
  const Conv2dOptions options{stride, 0};
  shortcut_.emplace(name + ".shortcut", 1, in, out, options, Init::he, random, /*bias=*/false);
}

template <class T> Var<T> ResidualBlock<T>::forward(const Pass<T>& pass, const Var<T>& x) {
  const Var<T> a = norm1_.forward(pass, x);
  const Var<T> b = conv1_.forward(pass, a);
  const Var<T> c = conv2_.forward(pass, norm2_.forward(pass, b));
  return c + (shortcut_ ? shortcut_->forward(pass, a) : x);
}

template <class T> void ResidualBlock<T>::collect(State<T>& state) {
  norm1_.collect(state);
  conv1_.collect(state);
  norm2_.collect(state);
  conv2_.collect(state);
  if (shortcut_) shortcut_->collect(state);
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
