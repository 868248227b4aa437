// A first layer for images: patches of 2 x 2 pixels, whitened.
//
// Neighbouring pixels and colours are nearly equal, so nearly all that patches vary in is their
// brightness, and descent sees little else at first. Whitening turns a patch to its principal
// components and scales each to variance 1:
//
//     y = (x - mean) E diag(variance + epsilon)^(-1/2)         E: the eigenvectors, as columns
//
// so that an edge or a colour counts as much as brightness does (LeCun et al. 1998; as the first
// layer of a fast network for CIFAR-10: Page 2019, Jordan 2024, arXiv 2404.00498). Both y and -y go
// through a ReLU, which would lose half of y alone. The layer is a convolution that nothing trains:
// it is fitted to the images of the first training pass, and kept.
#pragma once

#include "models/layers.hpp"

namespace tapesort {

// (N, H, W, C) -> (N, H - 1, W - 1, 8 C). Buffers name.weight (2, 2, C, 8 C) and name.bias (8 C),
// zero until they are fitted. std::invalid_argument for images of other channels, or without patches.
class Whitening : public Layer<float> {
 public:
  Whitening(const std::string& name, std::size_t channels);
  Var<float> forward(const Pass<float>& pass, const Var<float>& x) override;
  void collect(State<float>& state) override;

 private:
  void fit(const Array<float>& images);

  std::string name_;
  Array<float> weight_, bias_;
};

}  // namespace tapesort
