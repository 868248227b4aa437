// Residual networks with pre-activation (He, Zhang, Ren, Sun, "Identity mappings in deep residual
// networks", ECCV 2016).
#pragma once

#include "models/networks.hpp"

namespace tapesort {

// (N, H, W, in) -> (N, H / stride, W / stride, out), 3 x 3 convolutions without biases:
//   a = relu(norm1(x)),  y = shortcut + conv2(relu(norm2(conv1(a))))
// where the shortcut is x itself, or a 1 x 1 convolution of a when channels or stride change.
// Parameters name.norm1.gamma, name.conv1.weight and so on, name.shortcut.weight.
template <class T>
class ResidualBlock : public Layer<T> {
 public:
  ResidualBlock(const std::string& name, std::size_t in, std::size_t out, std::size_t stride,
                Generator& random);
  Var<T> forward(const Pass<T>& pass, const Var<T>& x) override;
  void collect(State<T>& state) override;

 private:
  std::size_t stride_;
  BatchNorm2d<T> norm1_, norm2_;
  Parameter<T> conv1_, conv2_;
  std::unique_ptr<Parameter<T>> shortcut_;  // null where x itself serves
};

// A convolution to 16 channels, three stages of two blocks with 16, 32 and 64 channels, the later
// two beginning with stride 2, norm, ReLU, the mean over all pixels, and a dense layer to `outputs`
// (0: 64): 14 layers with weights on the longest path.
std::unique_ptr<Layer<float>> small_resnet(const ImageShape& image, std::size_t outputs,
                                           Generator& random);

}  // namespace tapesort
