// Networks in files: what `tapesort knn|sort --save FILE` writes, ready to be used.
//
//     const SavedNetwork saved = load_network("model.safetensors");
//     Tape<float> off(Recording::off);
//     Var<float> points = saved.network->forward({off}, off.constant(images));   // (N, outputs)
//
// The file is a checkpoint (checkpoint.hpp) whose metadata has what make_network needs:
//   network       its name
//   image_shape   "28 28 1": height, width, channels
//   outputs       as make_network takes them
// Pixels are expected as byte / 255.
#pragma once

#include <map>

#include "models/networks.hpp"

namespace tapesort {

struct SavedNetwork {
  std::string name;
  ImageShape image;
  std::size_t outputs;
  std::unique_ptr<Layer<float>> network;
};

std::map<std::string, std::string> network_metadata(const std::string& name,
                                                    const ImageShape& image, std::size_t outputs);

// std::runtime_error of one line when the file is faulty, or holds another kind of model.
SavedNetwork load_network(const std::string& file);

}  // namespace tapesort
