// The networks of the experiments, by name.
#pragma once

#include "models/layers.hpp"

namespace tapesort {

// (N, height, width, channels) -> (N, outputs), float.
struct ImageShape {
  std::size_t height, width, channels;
};

// name =
//   "paper_mnist"   the NeuralSort paper's embedding for MNIST: conv 5x5x20, ReLU, pool,
//                   conv 5x5x50, ReLU, pool, dense 500, ReLU; convolutions without padding
//   "lenet5"        the same with 6 and 16 channels, then dense 120, ReLU, dense 84, ReLU (after LeCun et
//                   al. 1998, in today's form): 84 features
//   "paper_sort"    the paper's network for sorting and for medians: conv 5x5x32 same, ReLU, pool,
//                   conv 5x5x64 same, ReLU, pool, dense 64, ReLU, dense `outputs`
//   "column"        one reader for each square of a column of pictures (the digits of a number):
//                   conv 5x5x16 same, ReLU, pool, conv 5x5x32 same, ReLU, pool, dense 64, ReLU,
//                   dense 64, sigmoid; then dense `outputs` on the features of all squares
//   "resnet18"      pre-activation ResNet-18 (He et al. 2016): 64, 128, 256, 512 channels, two
//                   blocks each, the mean over pixels: 512 features. The paper's network for
//                   Fashion-MNIST and CIFAR-10
//   "small_resnet"  the same with 16, 32, 64 channels: 14 layers, 64 features
//   "small"         3x3 convolutions, each normalised: 16, 32, pool, 64, 64, pool, 128, the mean
//                   over pixels: 128 features. The right size for minutes on two cores
//   "medium"        the same with 32, 32, pool, 64, 128, pool, 256: 256 features. For an hour
//   "whitened"      whitened patches (whitening.hpp), then 3x3 convolutions, each normalised: 64, 64,
//                   128, 128, 256, 256 with a pool after the first of each two: 256 features. For
//                   coloured images
//   "mlp"           dense 256, ReLU, dense `outputs`
//
// outputs = 0 asks for the network's own: 500 of paper_mnist, 84 of lenet5, 1 of paper_sort and column,
// 64 of mlp, of the others their features; otherwise a dense layer of so many outputs follows those
// features.
// std::invalid_argument for another name, with the list of names, or an image too small for it.
std::unique_ptr<Layer<float>> make_network(const std::string& name, const ImageShape& image,
                                           std::size_t outputs, Generator& random);

std::vector<std::string> network_names();

}  // namespace tapesort
