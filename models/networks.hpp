// The networks of the experiments, by name.
#pragma once

#include "models/layers.hpp"

namespace tapesort {

// (N, height, width, channels) -> (N, outputs), float.
struct ImageShape {
  std::size_t height, width, channels;
};

// name =
//   "paper_mnist"   the NeuralSort paper's embedding for MNIST: conv 5x5x20, ReLU, pool, conv 5x5x50,
//                   ReLU, pool, dense 500, ReLU; convolutions without padding
//   "paper_sort"    its network for sorting and for medians: conv 5x5x32 same, ReLU, pool, conv
//                   5x5x64 same, ReLU, pool, dense 64, ReLU, dense `outputs`
//   "small_resnet"  14 layers of 16, 32 and 64 channels (resnet.hpp)
//   "mlp"           dense 256, ReLU, dense `outputs`
// outputs = 0 asks for the network's own number of features (500 for paper_mnist).
// std::invalid_argument for another name, with the list of names, or an image too small for it.
std::unique_ptr<Layer<float>> make_network(const std::string& name, const ImageShape& image,
                                           std::size_t outputs, Generator& random);

std::vector<std::string> network_names();

}  // namespace tapesort
