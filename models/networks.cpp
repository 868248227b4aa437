#include "models/networks.hpp"

#include "engine/check.hpp"
#include "models/by_name.hpp"
#include "models/resnet.hpp"
#include "models/whitening.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

using Net = Sequential<float>;

// Two convolutions 5 x 5 of so many channels, without padding, each with ReLU and pool, then flat.
// Returns the number of features.
std::size_t add_unpadded(Net& net, const char* name, const ImageShape& image, std::size_t channels1,
                         std::size_t channels2, Generator& random) {
  // two times: 4 pixels less by the convolution, half by the pool
  require(image.height >= 16 && image.width >= 16, name, ": images are ", image.height, " x ",
          image.width, "; need at least 16 x 16");
  const auto left = [](std::size_t extent) { return ((extent - 4) / 2 - 4) / 2; };
  const Init init = Init::fan_in;
  net.add<Conv2dReluPool<float>>("conv1", 5, image.channels, channels1, Conv2dOptions{}, init,
                                 random);
  net.add<Conv2dReluPool<float>>("conv2", 5, channels1, channels2, Conv2dOptions{}, init, random);
  net.add<Flatten<float>>();
  return left(image.height) * left(image.width) * channels2;
}

std::unique_ptr<Layer<float>> paper_mnist(const ImageShape& image, std::size_t outputs,
                                          Generator& random) {
  auto net = std::make_unique<Net>();
  const std::size_t features = add_unpadded(*net, "paper_mnist", image, 20, 50, random);
  net->add<Linear<float>>("fc1", features, 500, Init::fan_in, random).add<Relu<float>>();
  if (outputs > 0) net->add<Linear<float>>("fc2", 500, outputs, Init::fan_in, random);
  return net;
}

std::unique_ptr<Layer<float>> lenet5(const ImageShape& image, std::size_t outputs,
                                     Generator& random) {
  auto net = std::make_unique<Net>();
  const std::size_t features = add_unpadded(*net, "lenet5", image, 6, 16, random);
  net->add<Linear<float>>("fc1", features, 120, Init::fan_in, random).add<Relu<float>>();
  net->add<Linear<float>>("fc2", 120, 84, Init::fan_in, random).add<Relu<float>>();
  if (outputs > 0) net->add<Linear<float>>("fc3", 84, outputs, Init::fan_in, random);
  return net;
}

// Two convolutions 5 x 5 of so many channels, each with ReLU and pool, then a dense layer and ReLU.
void add_reader(Net& net, const ImageShape& image, std::size_t channels1, std::size_t channels2,
                std::size_t features, Init init, Generator& random) {
  const Conv2dOptions same = Conv2dOptions::same(5);
  const std::size_t pixels = image.height / 4 * (image.width / 4);
  net.add<Conv2dReluPool<float>>("conv1", 5, image.channels, channels1, same, init, random);
  net.add<Conv2dReluPool<float>>("conv2", 5, channels1, channels2, same, init, random);
  net.add<Flatten<float>>();
  net.add<Linear<float>>("fc1", pixels * channels2, features, init, random);
  net.add<Relu<float>>();
}

std::unique_ptr<Layer<float>> paper_sort(const ImageShape& image, std::size_t outputs,
                                         Generator& random) {
  require(image.height >= 4 && image.width >= 4, "paper_sort: images are ", image.height, " x ",
          image.width, "; need at least 4 x 4");
  const Init init = Init::truncated_normal;
  auto net = std::make_unique<Net>();
  add_reader(*net, image, 32, 64, 64, init, random);
  net->add<Linear<float>>("fc2", 64, outputs ? outputs : 1, init, random);
  return net;
}

// A column of square pictures, each looked at by the same layers, whose features stand side by
// side.
class EachSquare : public Layer<float> {
 public:
  Net layers;

  Var<float> forward(const Pass<float>& pass, const Var<float>& x) override {
    const Index side = Index(x.shape()[2]), channels = Index(x.shape()[3]);
    // Rows come first in memory: the pictures of a column already follow each other.
    const Var<float> features = layers.forward(pass, reshape(x, {-1, side, side, channels}));
    return reshape(features, {Index(x.shape()[0]), -1});
  }
  void collect(State<float>& state) override { layers.collect(state); }
};

// The reader of a square ends in sigmoids, for a reason: the last layer adds up the places of a
// number, and what it takes from the first digit must not vary by a tenth of a digit's worth, or the
// second digit is lost in it. Sigmoids that are sure of themselves do not vary; ReLUs do.
std::unique_ptr<Layer<float>> column(const ImageShape& image, std::size_t outputs,
                                     Generator& random) {
  const std::size_t side = image.width, features = 64;
  require(side >= 4 && image.height >= side && image.height % side == 0, "column: images are ",
          image.height, " x ", image.width,
          "; need squares of at least 4 x 4, one above the other");
  auto each = std::make_unique<EachSquare>();
  Net& reader = each->layers;
  add_reader(reader, {side, side, image.channels}, 16, 32, features, Init::he, random);
  reader.add<Linear<float>>("fc2", features, features, Init::he, random).add<Sigmoid<float>>();
  auto net = std::make_unique<Net>();
  net->add(std::move(each));
  net->add<Linear<float>>("fc3", image.height / side * features, outputs ? outputs : 1,
                          Init::fan_in, random);
  return net;
}

// Convolution 3 x 3, normalised, rectified.
void add_conv_block(Net& net, const std::string& name, std::size_t in, std::size_t out,
                    Generator& random) {
  net.add<Conv2d<float>>(name, 3, in, out, Conv2dOptions::same(3), Init::he, random,
                         /*bias=*/false);  // the normalisation has its own
  net.add<BatchNorm2d<float>>(name + ".norm", out, /*relu=*/true);
}

// The mean over all pixels, and a dense layer if outputs are asked for.
void add_head(Net& net, std::size_t features, std::size_t outputs, Generator& random) {
  net.add<GlobalAvgPool2d<float>>();
  if (outputs > 0) net.add<Linear<float>>("fc", features, outputs, Init::fan_in, random);
}

// Five blocks of so many channels, a pool after the second and the fourth.
std::unique_ptr<Layer<float>> five_blocks(const char* name,
                                          const std::vector<std::size_t>& channels,
                                          const ImageShape& image, std::size_t outputs,
                                          Generator& random) {
  require(image.height >= 4 && image.width >= 4, name, ": images are ", image.height, " x ",
          image.width, "; need at least 4 x 4");
  auto net = std::make_unique<Net>();
  std::size_t in = image.channels;
  for (std::size_t block = 0; block < channels.size(); ++block) {
    if (block == 2 || block == 4) net->add<MaxPool2d<float>>(2);
    add_conv_block(*net, "conv" + std::to_string(block + 1), in, channels[block], random);
    in = channels[block];
  }
  add_head(*net, in, outputs, random);
  return net;
}

std::unique_ptr<Layer<float>> small(const ImageShape& image, std::size_t outputs,
                                    Generator& random) {
  return five_blocks("small", {16, 32, 64, 64, 128}, image, outputs, random);
}

std::unique_ptr<Layer<float>> medium(const ImageShape& image, std::size_t outputs,
                                     Generator& random) {
  return five_blocks("medium", {32, 32, 64, 128, 256}, image, outputs, random);
}

// The picture is large where channels are few: pooling comes early, before the normalisation.
std::unique_ptr<Layer<float>> whitened(const ImageShape& image, std::size_t outputs,
                                       Generator& random) {
  require(image.height >= 9 && image.width >= 9, "whitened: images are ", image.height, " x ",
          image.width, "; need at least 9 x 9");
  auto net = std::make_unique<Net>();
  net->add<Whitening>("whitening", image.channels);
  std::size_t in = 8 * image.channels;
  for (const std::size_t out : {64, 128, 256}) {
    const std::string name = "conv" + std::to_string(out);
    net->add<Conv2d<float>>(name + "a", 3, in, out, Conv2dOptions::same(3), Init::he, random,
                            /*bias=*/false);
    net->add<MaxPool2d<float>>(2).add<BatchNorm2d<float>>(name + "a.norm", out, /*relu=*/true);
    add_conv_block(*net, name + "b", out, out, random);
    in = out;
  }
  add_head(*net, in, outputs, random);
  return net;
}

std::unique_ptr<Layer<float>> resnet18(const ImageShape& image, std::size_t outputs,
                                       Generator& random) {
  return resnet({64, 128, 256, 512}, image, outputs, random);
}

std::unique_ptr<Layer<float>> small_resnet(const ImageShape& image, std::size_t outputs,
                                           Generator& random) {
  return resnet({16, 32, 64}, image, outputs, random);
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
    {"lenet5", lenet5},
    {"paper_sort", paper_sort},
    {"column", column},
    {"resnet18", resnet18},
    {"small_resnet", small_resnet},
    {"small", small},
    {"medium", medium},
    {"whitened", whitened},
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
  return by_name(networks, name, "make_network", "network").make(image, outputs, random);
}

}  // namespace tapesort
