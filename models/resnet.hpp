// Residual networks with pre-activation (He, Zhang, Ren, Sun, "Identity mappings in deep residual
// networks", ECCV 2016).
#pragma once

#include "models/networks.hpp"

namespace tapesort {

// (N, H, W, in) -> (N, H / stride, W / stride, out), 3 x 3 convolutions without biases:
//   a = relu(norm1(x)),  y = shortcut + conv2(relu(norm2(conv1(a))))
// where the shortcut is x itself, or a 1 x 1 convolution of a when channels or stride change.
// Parameters name.norm1.gamma, name.conv1.weight and so on, name.shortcut.weight.
template <class T> class ResidualBlock : public Layer<T> {
 public:
  ResidualBlock(const std::string& name, std::size_t in, std::size_t out, std::size_t stride,
                Generator& random);
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;
  void collect(State<T>& state) override;

 private:
  BatchNorm2d<T> norm1_, norm2_;
  Conv2d<T> conv1_, conv2_;
  std::optional<Conv2d<T>> shortcut_;  // none where x itself serves
};

// A convolution to channels[0], then for each entry of `channels` a stage of two blocks, each stage
// but the first beginning with stride 2; normalisation, ReLU, the mean over all pixels, and a dense
// layer to `outputs` unless that is 0.
std::unique_ptr<Layer<float>> resnet(const std::vector<std::size_t>& channels,
                                     const ImageShape& image, std::size_t outputs,
                                     Generator& random);

}  // namespace tapesort
