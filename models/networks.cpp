#include "models/networks.hpp"

#include "engine/check.hpp"
#include "models/resnet.hpp"

namespace tapesort {
namespace {

using Net = Sequential<float>;

std::unique_ptr<Layer<float>> paper_mnist(const ImageShape& image, std::size_t outputs,
                                          Generator& random) {
  // two times: 4 pixels less by the convolution, half by the pool
  require(image.height >= 16 && image.width >= 16, "paper_mnist: images are ", image.height, " x ",
          image.width, "; need at least 16 x 16");
  const auto left = [](std::size_t extent) { return ((extent - 4) / 2 - 4) / 2; };
  const std::size_t features = left(image.height) * left(image.width) * 50;
  const Init init = Init::fan_in;
  auto net = std::make_unique<Net>();
  net->add<Conv2dReluPool<float>>("conv1", 5, image.channels, 20, Conv2dOptions{}, init, random);
  net->add<Conv2dReluPool<float>>("conv2", 5, 20, 50, Conv2dOptions{}, init, random);
  net->add<Flatten<float>>();
  net->add<Linear<float>>("fc1", features, outputs ? outputs : 500, init, random);
  net->add<Relu<float>>();
  return net;
}

std::unique_ptr<Layer<float>> paper_sort(const ImageShape& image, std::size_t outputs,
                                         Generator& random) {
  require(image.height >= 4 && image.width >= 4, "paper_sort: images are ", image.height, " x ",
          image.width, "; need at least 4 x 4");
  const Init init = Init::truncated_normal;
  const Conv2dOptions same = Conv2dOptions::same(5);
  auto net = std::make_unique<Net>();
  net->add<Conv2dReluPool<float>>("conv1", 5, image.channels, 32, same, init, random);
  net->add<Conv2dReluPool<float>>("conv2", 5, 32, 64, same, init, random);
  net->add<Flatten<float>>();
  net->add<Linear<float>>("fc1", image.height / 4 * (image.width / 4) * 64, 64, init, random);
  net->add<Relu<float>>();
  net->add<Linear<float>>("fc2", 64, outputs ? outputs : 1, init, random);
  return net;
}

std::unique_ptr<Layer<float>> mlp(const ImageShape& image, std::size_t outputs, Generator& random) {
  auto net = std::make_unique<Net>();
  net->add<Flatten<float>>();
  net->add<Linear<float>>("fc1", image.height * image.width * image.channels, 256, Init::fan_in,
                          random);
  net->add<Relu<float>>();
  net->add<Linear<float>>("fc2", 256, outputs ? outputs : 64, Init::fan_in, random);
  return net;
}

struct Entry {
  const char* name;
  std::unique_ptr<Layer<float>> (*make)(const ImageShape&, std::size_t, Generator&);
};
constexpr Entry networks[] = {
    {"paper_mnist", paper_mnist},
    {"paper_sort", paper_sort},
    {"small_resnet", small_resnet},
    {"mlp", mlp},
};

}  // namespace

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Entry& entry : networks) names.push_back(entry.name);
  return names;
}

std::unique_ptr<Layer<float>> make_network(const std::string& name, const ImageShape& image,
                                           std::size_t outputs, Generator& random) {
  std::string known;
  for (const Entry& entry : networks) {
    if (name == entry.name) return entry.make(image, outputs, random);
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  bad_argument("make_network: there is no network \"", name, "\"; there are ", known);
}

}  // namespace tapesort
