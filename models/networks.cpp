#include "models/networks.hpp"

#include "engine/check.hpp"
#include "models/by_name.hpp"
#include "models/resnet.hpp"
#include "models/whitening.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

using Net = Sequential<float>;

// Two convolutions 5 x 5 of so many channels, each with ReLU and pool, then flat. Returns the number
// of features.
std::size_t add_reader(Net& net, const ImageShape& image, std::size_t channels1,
                       std::size_t channels2, const Conv2dOptions& options, Init init,
                       Generator& random) {
  net.add<Conv2dReluPool<float>>("conv1", 5, image.channels, channels1, options, init, random);
  net.add<Conv2dReluPool<float>>("conv2", 5, channels1, channels2, options, init, random);
  net.add<Flatten<float>>();
  const std::size_t cut = 4 - 2 * options.padding;  // pixels less by a convolution
  const auto left = [cut](std::size_t extent) { return ((extent - cut) / 2 - cut) / 2; };
  return left(image.height) * left(image.width) * channels2;
}

void paper_mnist(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  const std::size_t features = add_reader(net, image, 20, 50, {}, Init::fan_in, random);
  net.add<Linear<float>>("fc1", features, 500, Init::fan_in, random).add<Relu<float>>();
  if (outputs > 0) net.add<Linear<float>>("fc2", 500, outputs, Init::fan_in, random);
}

void lenet5(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  const std::size_t features = add_reader(net, image, 6, 16, {}, Init::fan_in, random);
  net.add<Linear<float>>("fc1", features, 120, Init::fan_in, random).add<Relu<float>>();
  net.add<Linear<float>>("fc2", 120, 84, Init::fan_in, random).add<Relu<float>>();
  if (outputs > 0) net.add<Linear<float>>("fc3", 84, outputs, Init::fan_in, random);
}

void paper_sort(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  const Init init = Init::truncated_normal;
  const std::size_t features = add_reader(net, image, 32, 64, Conv2dOptions::same(5), init, random);
  net.add<Linear<float>>("fc1", features, 64, init, random).add<Relu<float>>();
  net.add<Linear<float>>("fc2", 64, outputs ? outputs : 1, init, random);
}

// A column of square pictures, each looked at by the same layers, whose features stand side by
// side.
class EachSquare : public Layer<float> {
 public:
  Net layers;

  Var<float> forward(const Pass<float>& pass, const Var<float>& x) override {
    require(x.dimension() == 4, "column: x must be (N, H, W, C), its shape is ", x.shape());
    const Index n = Index(x.shape()[0]), side = Index(x.shape()[2]), channels = Index(x.shape()[3]);
    const Index squares = Index(x.shape()[1]) / side;
    // Rows come first in memory: the pictures of a column already follow each other.
    const Var<float> features =
        layers.forward(pass, reshape(x, {n * squares, side, side, channels}));
    return reshape(features, {n, squares * Index(features.shape()[1])});
  }
  void collect(State<float>& state) override { layers.collect(state); }
};

// The reader of a square ends in sigmoids, for a reason: the last layer adds up the places of a
// number, and what it takes from the first digit must not vary by a tenth of a digit's worth, or the
// second digit is lost in it. Sigmoids that are sure of themselves do not vary; ReLUs do.
void column(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  const std::size_t side = image.width, features = 64;
  require(side >= 4 && image.height >= side && image.height % side == 0, "column: images are ",
          image.height, " x ", image.width,
          "; need squares of at least 4 x 4, one above the other");
  auto each = std::make_unique<EachSquare>();
  Net& reader = each->layers;
  const std::size_t flat = add_reader(reader, {side, side, image.channels}, 16, 32,
                                      Conv2dOptions::same(5), Init::he, random);
  reader.add<Linear<float>>("fc1", flat, features, Init::he, random).add<Relu<float>>();
  reader.add<Linear<float>>("fc2", features, features, Init::he, random).add<Sigmoid<float>>();
  net.add(std::move(each));
  net.add<Linear<float>>("fc3", image.height / side * features, outputs ? outputs : 1, Init::fan_in,
                         random);
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

// Blocks of so many channels, a pool after the second and the fourth.
template <std::size_t... channels>
void conv_blocks(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  std::size_t in = image.channels, block = 0;
  for (const std::size_t out : {channels...}) {
    if (block == 2 || block == 4) net.add<MaxPool2d<float>>(2);
    add_conv_block(net, "conv" + std::to_string(++block), in, out, random);
    in = out;
  }
  add_head(net, in, outputs, random);
}

// The picture is large where channels are few: pooling comes early, before the normalisation.
void whitened(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  net.add<Whitening>("whitening", image.channels);
  std::size_t in = 8 * image.channels;
  for (const std::size_t out : {64, 128, 256}) {
    const std::string name = "conv" + std::to_string(out);
    net.add<Conv2d<float>>(name + "a", 3, in, out, Conv2dOptions::same(3), Init::he, random,
                           /*bias=*/false);
    net.add<MaxPool2d<float>>(2).add<BatchNorm2d<float>>(name + "a.norm", out, /*relu=*/true);
    add_conv_block(net, name + "b", out, out, random);
    in = out;
  }
  add_head(net, in, outputs, random);
}

template <std::size_t... channels>
void resnet_of(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  net.add(resnet({channels...}, image, outputs, random));
}

void mlp(Net& net, const ImageShape& image, std::size_t outputs, Generator& random) {
  net.add<Flatten<float>>();
  net.add<Linear<float>>("fc1", image.height * image.width * image.channels, 256, Init::fan_in,
                         random);
  net.add<Relu<float>>();
  net.add<Linear<float>>("fc2", 256, outputs ? outputs : 64, Init::fan_in, random);
}

struct Entry {
  const char* name;
  std::size_t least;  // pixels of an image, each way
  void (*add_to)(Net&, const ImageShape&, std::size_t outputs, Generator&);
};
constexpr Entry networks[] = {
    {"paper_mnist", 16, paper_mnist},
    {"lenet5", 16, lenet5},
    {"paper_sort", 4, paper_sort},
    {"column", 1, column},
    {"resnet18", 1, resnet_of<64, 128, 256, 512>},
    {"small_resnet", 1, resnet_of<16, 32, 64>},
    {"small", 4, conv_blocks<16, 32, 64, 64, 128>},
    {"medium", 4, conv_blocks<32, 32, 64, 128, 256>},
    {"whitened", 9, whitened},
    {"mlp", 1, mlp},
};

}  // namespace

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Entry& entry : networks) names.push_back(entry.name);
  return names;
}

std::unique_ptr<Layer<float>> make_network(const std::string& name, const ImageShape& image,
                                           std::size_t outputs, Generator& random) {
  const Entry& entry = by_name(networks, name, "make_network", "network");
  require(image.height >= entry.least && image.width >= entry.least, name, ": images are ",
          image.height, " x ", image.width, "; need at least ", entry.least, " x ", entry.least);
  auto net = std::make_unique<Net>();
  entry.add_to(*net, image, outputs, random);
  return net;
}

}  // namespace tapesort
