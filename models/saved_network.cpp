#include "models/saved_network.hpp"

#include <sstream>

#include "engine/check.hpp"
#include "engine/random.hpp"
#include "models/checkpoint.hpp"

namespace tapesort {

std::map<std::string, std::string> network_metadata(const std::string& name,
                                                    const ImageShape& image, std::size_t outputs) {
  return {{"network", name},
          {"image_shape", to_message(image.height, " ", image.width, " ", image.channels)},
          {"outputs", std::to_string(outputs)}};
}

SavedNetwork load_network(const std::string& file) {
  const Checkpoint<float> checkpoint = load_checkpoint<float>(file);
  const auto text = [&](const char* key) {
    const auto found = checkpoint.metadata.find(key);
    if (found != checkpoint.metadata.end()) return found->second;
    fault(file, ": does not say its ", key,
          "; need a file that sort saved, or knn with a method that trains a network by name");
  };
  SavedNetwork saved{text("network"), {}, 0, nullptr};
  std::istringstream numbers(text("image_shape") + " " + text("outputs"));
  ImageShape& image = saved.image;
  constexpr std::size_t most = 1 << 16;
  if (!(numbers >> image.height >> image.width >> image.channels >> saved.outputs) ||
      std::max({image.height, image.width, image.channels, saved.outputs}) > most) {
    fault(file, ": image_shape is '", text("image_shape"), "', outputs '", text("outputs"),
          "'; expected height, width and channels, and a number");
  }
  Generator random(0);  // its weights are replaced
  try {
    saved.network = make_network(saved.name, image, saved.outputs, random);
  } catch (const std::invalid_argument& error) {
    fault(file, ": ", error.what());
  }
  restore(file, checkpoint, saved.network->state());
  return saved;
}

}  // namespace tapesort
