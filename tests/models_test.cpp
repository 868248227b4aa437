#include <filesystem>
#include <fstream>

#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/parameter.hpp"
#include "engine/threads.hpp"
#include "models/checkpoint.hpp"
#include "models/nearest_neighbours.hpp"
#include "models/networks.hpp"
#include "models/optimizers.hpp"
#include "models/whitening.hpp"
#include "op_table.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;
namespace fs = std::filesystem;

namespace {

std::string content(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}
void write(const std::string& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

// Two layers and normalisation in double, to be differentiated.
struct Small {
  Generator random{3};
  Sequential<double> net;
  Small() {
    net.add<Linear<double>>("fc1", 4, 5, Init::fan_in, random).add<Relu<double>>();
    net.add<BatchNorm2d<double>>("norm", 5);
    net.add<Linear<double>>("fc2", 5, 3, Init::he, random);
  }
};

}  // namespace

TEST_CASE("a parameter's gradient, through all layers, agrees with central differences") {
  Small small;
  const Array<double> x = Generator(4).normal<double>({6, 4});
  const Indices labels{0, 1, 2, 0, 1, 2};
  const auto loss = [&](Tape<double>& tape) {
    return cross_entropy(small.net.forward({tape, true}, tape.constant(x)), labels);
  };
  {
    Tape<double> tape;
    tape.backward(loss(tape));
  }
  for (Parameter<double>* p : small.net.state().parameters) {
    CAPTURE(p->name);
    for (std::size_t i = 0; i < p->value.size(); ++i) {
      const double at = p->value.data()[i], h = 1e-6;
      const auto value = [&](double v) {
        p->value.data()[i] = v;
        Tape<double> off(Recording::off);
        return loss(off).item();
      };
      const double numeric = (value(at + h) - value(at - h)) / (2 * h);
      p->value.data()[i] = at;
      CHECK(p->grad.data()[i] == doctest::Approx(numeric).epsilon(1e-5));
    }
  }
}

TEST_CASE("networks by name: shapes, parameters, and what is said to an unknown name") {
  Generator random(1);
  const auto outputs = [&](const char* name, const ImageShape& image, std::size_t wanted) {
    const auto net = make_network(name, image, wanted, random);
    Tape<float> off(Recording::off);
    const auto x = off.constant(zeros<float>({2, image.height, image.width, image.channels}));
    return std::make_pair(net->forward({off}, x).shape(), parameter_count(net->state()));
  };
  CHECK(outputs("paper_mnist", {28, 28, 1}, 0) ==
        std::make_pair(Shape{2, 500}, std::size_t(520 + 25050 + 400500)));
  CHECK(outputs("lenet5", {28, 28, 1}, 10) ==
        std::make_pair(Shape{2, 10}, std::size_t(44426)));  // as published
  CHECK(outputs("column", {112, 28, 1}, 1) == std::make_pair(Shape{2, 1}, std::size_t(118081)));
  CHECK(outputs("column", {28, 28, 1}, 3).first == Shape{2, 3});
  CHECK(outputs("paper_sort", {112, 28, 1}, 1) == std::make_pair(Shape{2, 1}, std::size_t(855041)));
  CHECK(outputs("mlp", {8, 8, 3}, 7).first == Shape{2, 7});
  // 9 weights for each pair of channels, two numbers of the normalisation for each channel
  CHECK(outputs("small", {28, 28, 1}, 0) ==
        std::make_pair(Shape{2, 128},
                       std::size_t(9 * (16 + 16 * 32 + 32 * 64 + 64 * 64 + 64 * 128) + 2 * 304)));
  CHECK(outputs("medium", {28, 28, 1}, 0) ==
        std::make_pair(Shape{2, 256},
                       std::size_t(9 * (32 + 32 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 2 * 512)));
  CHECK(outputs("whitened", {9, 32, 3}, 0) ==
        std::make_pair(Shape{2, 256}, std::size_t(9 * (24 * 64 + 64 * 64 + 64 * 128 + 128 * 128 +
                                                       128 * 256 + 256 * 256) +
                                                  4 * 448)));
  CHECK(outputs("small_resnet", {28, 28, 1}, 10).first == Shape{2, 10});
  // 11,171,146 as published, and 1,024 of the last normalisation
  CHECK(outputs("resnet18", {8, 8, 3}, 10) == std::make_pair(Shape{2, 10}, std::size_t(11172170)));
  CHECK(error_of([&] {
          make_network("lenet", {28, 28, 1}, 0, random);
        }).find("there is no network \"lenet\"; there are paper_mnist, lenet5") !=
        std::string::npos);
  CHECK(error_of([&] {
          make_network("paper_mnist", {8, 8, 1}, 0, random);
        }) == "invalid_argument: paper_mnist: images are 8 x 8; need at least 16 x 16");
}

TEST_CASE(
    "whitened patches have mean 0 and the covariance of white noise, from the first pass on") {
  Generator random(1);
  Array<float> images = random.uniform<float>({20, 6, 5, 2});
  for (std::size_t i = 1; i < images.size(); i += 2) {  // two channels that are nearly equal
    images.data()[i] = 0.1f * images.data()[i] + images.data()[i - 1];
  }
  Whitening layer("whitening", 2);
  const auto forward = [&](bool training, const Array<float>& x) {
    Tape<float> off(Recording::off);
    return layer.forward({off, training}, off.constant(x)).value();
  };
  CHECK(forward(false, images) == zeros<float>({20, 5, 4, 16}));
  CHECK(error_of([&] {
          forward(true, zeros<float>({20, 6, 5, 1}));
        }) ==
        "invalid_argument: whitening: images are (20, 6, 5, 1); need (N, H, W, 2), H, W >= 2");
  const Array<float> y = forward(true, images);
  forward(true, random.uniform<float>({3, 6, 5, 2}));
  CHECK(forward(false, images) == y);

  const std::size_t patches = 20 * 5 * 4, size = 8;
  std::vector<double> z;  // relu(a) - relu(-a)
  for (std::size_t p = 0; p < patches; ++p) {
    for (std::size_t k = 0; k < size; ++k) {
      z.push_back(double(y.data()[p * 16 + k]) - double(y.data()[p * 16 + 8 + k]));
    }
  }
  for (std::size_t a = 0; a < size; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double mean = 0, product = 0;
      for (std::size_t p = 0; p < patches; ++p) {
        mean += z[p * size + a] / double(patches);
        product += z[p * size + a] * z[p * size + b] / double(patches - 1);
      }
      CAPTURE(a);
      CAPTURE(b);
      CHECK(mean == doctest::Approx(0).epsilon(1e-4));
      // The least variance is about 4e-4, and epsilon a fourteenth of it.
      CHECK(std::abs(product - double(a == b)) < 0.1);
      CHECK((a != b || product < 1));
    }
  }
}

TEST_CASE("layers of nothing, and networks of no images") {
  Generator random(5);
  Tape<float> tape;
  const Pass<float> pass{tape};
  for (const Init init : {Init::fan_in, Init::he}) {
    Linear<float> linear("l", 0, 3, init, random);
    CHECK(linear.forward(pass, constant(zeros<float>({2, 0}))).value() == zeros<float>({2, 3}));
    Conv2d<float> conv("c", 3, 0, 2, {}, init, random);
    CHECK(conv.forward(pass, constant(zeros<float>({1, 3, 3, 0}))).value() ==
          zeros<float>({1, 1, 1, 2}));
  }
  CHECK(error_of([&] { Flatten<float>().forward(pass, constant(scalar(1.0f))); }) ==
        "invalid_argument: Flatten: x is 0-d; need (N, ..)");
  for (const std::string& name : network_names()) {
    CAPTURE(name);
    const auto network = make_network(name, {32, 32, 1}, 10, random);
    const Var<float> y = network->forward(pass, constant(zeros<float>({0, 32, 32, 1})));
    CHECK(y.shape() == Shape{0, 10});
  }
}

TEST_CASE("truncated normal weights stay within two deviations") {
  Generator random(1);
  Linear<double> layer("fc", 100, 100, Init::truncated_normal, random);
  const Array<double>& w = layer.state().parameters[0]->value;
  double square_sum = 0;
  for (double v : w) {
    REQUIRE(std::abs(v) <= 0.2);
    square_sum += v * v;
  }
  CHECK(std::sqrt(square_sum / double(w.size())) == doctest::Approx(0.1 * 0.8796).epsilon(0.02));
  CHECK(layer.state().parameters[1]->value == full<double>({100}, 0.1));
}

TEST_CASE("Sgd follows its formula") {
  Parameter<double> w("w", Array<double>{1.0, -2.0});
  Sgd<double> opt({&w}, 0.1, 0.9, 0.5);
  w.grad = Array<double>{1.0, 1.0};
  opt.step();  // g = 1.5, 0; v = g
  CHECK(distance(w.value, Array<double>{0.85, -2.0}) < 1e-15);
  opt.step();  // g = 1.425, 0; v = 2.775, 0
  CHECK(distance(w.value, Array<double>{0.5725, -2.0}) < 1e-15);
  opt.zero_grad();
  CHECK(w.grad == Array<double>{0.0, 0.0});
  CHECK(error_of([&] { Sgd<double>({&w}, 0.1, 1.0); }) ==
        "invalid_argument: Sgd: need 0 <= momentum < 1, got 1");
  CHECK(error_of([&] { opt.set_learning_rate(-1); }) ==
        "invalid_argument: optimizer: need learning_rate >= 0, got -1");
  CHECK(
      error_of([&] {
        Sgd<double>({&w, &w}, 0.1);
      }) ==
      "invalid_argument: optimizer: a parameter is given twice, and would be changed twice a step; "
      "need each once");
}

TEST_CASE("Adam follows its formula, and finds a minimum") {
  Parameter<double> w("w", scalar(1.0));
  Adam<double> opt({&w}, 0.1);
  w.grad = scalar(4.0);
  opt.step();  // the first step is the learning rate, whatever the gradient
  CHECK(w.value.data()[0] == doctest::Approx(0.9).epsilon(1e-8));
  w.grad = scalar(0.0);
  opt.step();  // m = 0.36 / 0.19, v = 0.015984 / 0.001999
  CHECK(w.value.data()[0] ==
        doctest::Approx(0.9 - 0.1 * (0.36 / 0.19) / std::sqrt(0.015984 / 0.001999)).epsilon(1e-8));
  for (int step = 0; step < 500; ++step) {
    opt.zero_grad();
    Tape<double> tape;
    tape.backward(square(tape.leaf(w) - 3));
    opt.step();
  }
  CHECK(w.value.data()[0] == doctest::Approx(3).epsilon(1e-3));
}

TEST_CASE("nearest neighbours are exact, in order, and ties go to the smaller index") {
  Generator random(8);
  const Array<float> q = random.normal<float>({301, 5}), c = random.normal<float>({1500, 5});
  const Indices found = nearest_neighbours(q, c, 7);
  for (std::size_t i = 0; i < 301; ++i) {
    std::vector<std::pair<double, Index>> all;
    for (std::size_t j = 0; j < 1500; ++j) {
      double distance = 0;
      for (std::size_t l = 0; l < 5; ++l) distance += std::pow(double(q(i, l)) - c(j, l), 2);
      all.push_back({distance, Index(j)});
    }
    std::partial_sort(all.begin(), all.begin() + 7, all.end());
    for (std::size_t j = 0; j < 7; ++j) REQUIRE(found(i, j) == all[j].second);
  }
  const Array<float> same = zeros<float>({5, 2});
  CHECK(nearest_neighbours(zeros<float>({1, 2}), same, 3) == Indices{{0, 1, 2}});
  CHECK(error_of([&] { nearest_neighbours(q, c, 1501); }) ==
        "invalid_argument: nearest_neighbours: need 1 <= k <= 1500 candidates, got k = 1501");
}

TEST_CASE("a vote that is tied goes to the label that is nearest") {
  CHECK(majority_vote(Indices{{2, 1, 1}, {2, 1, 0}, {0, 1, 1}}) == Indices{1, 2, 1});
  CHECK(majority_vote(Indices{{3, 1, 1, 3}}) == Indices{3});
  CHECK(accuracy(Indices{1, 2, 3, 4}, Indices{1, 2, 0, 4}) == 0.75);
  CHECK(neighbour_labels(Indices{{2, 0}}, Indices{5, 6, 7}) == Indices{{7, 5}});
}

TEST_CASE("a model is saved and loaded, and a bad file changes nothing") {
  const TemporaryFolder folder;
  const std::string file = (folder / "model.safetensors");
  Small saved, loaded;
  saved.net.state().parameters[0]->value.data()[0] = 42;
  *saved.net.state().buffers[0].value = full<double>({5}, 0.25);
  save_model(file, saved.net.state(), {{"epoch", "7"}});
  load_model(file, loaded.net.state());
  CHECK(loaded.net.state().parameters[0]->value == saved.net.state().parameters[0]->value);
  CHECK(*loaded.net.state().buffers[0].value == full<double>({5}, 0.25));
  CHECK(load_checkpoint<double>(file).metadata.at("epoch") == "7");
  const fs::directory_iterator files(folder.path());
  CHECK(std::distance(begin(files), end(files)) == 1);  // no temporary file is left

  const std::string whole = content(file);
  const auto refused = [&](const std::string& bytes) {
    const std::string bad = (folder / "bad");
    write(bad, bytes);
    loaded.net.state().parameters[0]->value.data()[0] = -1;
    const std::string error = error_of([&] { load_model(bad, loaded.net.state()); });
    CHECK(loaded.net.state().parameters[0]->value.data()[0] == -1);
    CHECK(error.rfind("exception: " + bad + ": ", 0) == 0);
    return error;
  };
  CHECK(refused(whole.substr(0, whole.size() - 1)).find("truncated") != std::string::npos);
  CHECK(refused(whole.substr(0, 20)).find("truncated") != std::string::npos);
  CHECK(refused("").find("no checkpoint") != std::string::npos);
  CHECK(refused("PNG, or something else that is long enough").find("no checkpoint") !=
        std::string::npos);
  CHECK(error_of([&] {
          load_model((folder / "none"), loaded.net.state());
        }).find("cannot be opened") != std::string::npos);

  Generator random(1);
  Linear<double> other("fc1", 4, 6, Init::he, random);
  CHECK(error_of([&] { load_model(file, other.state()); }) ==
        "exception: " + file + ": array fc1.weight has shape (4, 5); this model expects (4, 6)");
  Linear<double> stranger("fc9", 4, 5, Init::he, random);
  CHECK(error_of([&] { load_model(file, stranger.state()); }) ==
        "exception: " + file + ": has no array fc9.weight");
  Linear<float> narrow("fc1", 4, 5, Init::he, random);
  CHECK(error_of([&] {
          load_model(file, narrow.state());
        }).find("is of type \"F64\"; expected \"F32\"") != std::string::npos);

  // nor is anything saved that could not be loaded
  for (const auto& [name, shape] :
       {std::pair<std::string, Shape>{"__metadata__", {1}}, {"many", Shape(17, 1)}}) {
    Checkpoint<double> odd;
    odd.arrays[name] = zeros<double>(shape);
    CHECK(error_of([&] { save_checkpoint(file, odd); }).rfind("exception: " + file, 0) == 0);
  }
  CHECK(content(file) == whole);
  // saving where it is not possible leaves the old file
  CHECK(error_of([&] { save_model(file + "/below", saved.net.state()); }) != "no error");
  CHECK(content(file) == whole);
}

TEST_CASE("what is wrong with a checkpoint is told with the array, what was found and expected") {
  const TemporaryFolder folder;
  const std::string file = folder / "bad";
  const auto fault_of_text = [&](const std::string& header, const std::string& data) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += char(header.size() >> (8 * i) & 0xff);
    write(file, bytes + header + data);
    const std::string error = error_of([&] { load_checkpoint<float>(file); });
    const std::string start = "exception: " + file + ": ";
    return error.substr(0, start.size()) == start ? error.substr(start.size()) : error;
  };
  // Arrays a and b, then so many bytes.
  const auto fault = [&](const std::string& a, const std::string& b, std::size_t size) {
    return fault_of_text("{\"a\":" + a + ",\"b\":" + b + "}", std::string(size, '\0'));
  };
  const auto entry = [](const std::string& shape, const std::string& offsets,
                        const std::string& type = "\"F32\"") {
    return "{\"dtype\":" + type + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
  };
  const std::string a = entry("[2]", "[0,8]"), b = entry("[1,1]", "[8,12]");
  CHECK(fault(a, b, 12) == "no error");
  CHECK(fault(entry("[2]", "[4,12]"), entry("[]", "[0,4]"), 12) == "no error");  // in any order
  CHECK(fault(a, entry("[3,0]", "[8,8]"), 8) == "no error");

  CHECK(fault(a, b, 11) ==
        "array \"b\" ends at byte 12 of the data, which has 11: the file is truncated");
  CHECK(fault(a, b, 13) == "1 bytes follow array \"b\"; expected the end of the file");
  CHECK(fault_of_text("{}", "x") == "1 bytes follow the header; expected the end of the file");
  CHECK(fault(a, entry("[2]", "[4,12]"), 12) ==
        "array \"b\" begins at byte 4 of the data, but array \"a\" ends at byte 8: they overlap");
  CHECK(fault(a, entry("[2]", "[0,8]"), 8) ==
        "array \"b\" begins at byte 0 of the data, but array \"a\" ends at byte 8: they overlap");
  CHECK(fault(a, entry("[1]", "[12,16]"), 16) ==
        "array \"b\" begins at byte 12 of the data, but array \"a\" ends at byte 8: a gap");
  CHECK(fault(a, entry("[1]", "[12,8]"), 12) ==
        "array \"b\" begins at byte 12 of the data and ends at byte 8: the offsets are reversed");
  CHECK(fault(a, entry("[2]", "[8,12]"), 12) == "array \"b\" of shape (2) has 4 bytes; expected 8");
  CHECK(fault(a, entry("[-1]", "[8,12]"), 12) ==
        "array \"b\" has shape [-1]; expected at most 16 whole numbers");
  CHECK(fault(a, entry("[1.0]", "[8,12]"), 12) ==
        "array \"b\" has shape [1.0]; expected at most 16 whole numbers");
  CHECK(fault(a, entry("[1]", "[8,1e30]"), 12) ==
        "array \"b\" has data_offsets [8,1e+30]; expected [begin, end]");
  CHECK(fault(a, entry("[1]", "[8]"), 12) ==
        "array \"b\" has data_offsets [8]; expected [begin, end]");
  for (const Shape& shape : {Shape{4294967296, 4294967296}, Shape{4294967296, 2147483648, 2, 2, 1},
                             Shape{0, 4294967296, 4294967296}, Shape{18446744073709551615u}}) {
    std::string list = to_text(shape);
    std::replace(list.begin(), list.end(), '(', '[');
    std::replace(list.begin(), list.end(), ')', ']');
    CHECK(fault(a, entry(list, "[8,8]"), 8) ==
          to_message("array \"b\": shape ", shape, " is too large; need fewer than 2^60 elements, ",
                     "where extents of 0 count as 1"));
  }
  CHECK(fault(a, entry("[1]", "[8,12]", "\"I32\""), 12) ==
        "array \"b\" is of type \"I32\"; expected \"F32\"");
  CHECK(fault(a, "{\"dtype\":\"F32\",\"shape\":[1]}", 8) == "array \"b\" lacks data_offsets");
  CHECK(fault(a, "7", 8) == "array \"b\" lacks dtype");
  CHECK(fault_of_text("{\"a\":" + a + ",\"a\":" + b + "}", std::string(12, '\0')) ==
        "no checkpoint: the header: the key \"a\" is there twice");
  CHECK(fault_of_text("{\"x\\ny\":7}", "") == "array \"x\\ny\" lacks dtype");  // one line
  CHECK(fault_of_text("{\"__metadata__\":[]}", "") == "__metadata__ is []; expected an object");
  CHECK(fault_of_text("{\"__metadata__\":{\"k\":1}}", "") ==
        "__metadata__: \"k\" is 1; expected a text");
  const std::string header = "no checkpoint: the header";
  CHECK(fault_of_text("[]", "") == header + " is not a JSON object");
  CHECK(fault_of_text("{", "") == header + ": not JSON, or cut off");
  CHECK(fault_of_text("", "") == header + ": not JSON, or cut off");
  const std::string deep = header + ": JSON nested too deeply; expected at most 3 levels";
  const std::size_t levels = 200000;
  CHECK(fault_of_text(std::string(levels, '[') + std::string(levels, ']'), "") == deep);
  CHECK(fault(a, entry("[1]", "[8,12]", std::string(levels, '[') + std::string(levels, ']')), 12) ==
        deep);
  std::string objects;
  for (std::size_t i = 0; i < levels; ++i) objects += "{\"a\":";
  CHECK(fault_of_text(objects + "1" + std::string(levels, '}'), "") == deep);

  CHECK(error_of([] { load_checkpoint<float>("/dev/zero"); }).find("cannot be opened") !=
        std::string::npos);
}

TEST_CASE("a damaged checkpoint is read as some checkpoint or refused, in one line") {
  const TemporaryFolder folder;
  const std::string file = folder / "model";
  Small small;
  save_model(file, small.net.state(), {{"epoch", "7"}});
  const std::string whole = content(file);
  const std::size_t header = whole.find("}}") + 2;  // most of the changes, where they do most
  Generator random(6);
  std::size_t refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string bytes = whole;
    const std::size_t changes = 1 + random.below(3);
    for (std::size_t i = 0; i < changes; ++i) {
      const std::size_t end = random.below(4) == 0 ? bytes.size() : std::min(header, bytes.size());
      const std::size_t at = random.below(end);
      switch (random.below(4)) {
        case 0:
          bytes[at] = char(random.bits());
          break;
        case 1:
          bytes[at] = "0123456789{}[]\",:-e"[random.below(19)];
          break;
        case 2:
          bytes.insert(at, bytes.substr(random.below(bytes.size()), random.below(40)));
          break;
        case 3:
          bytes.erase(at, 1 + random.below(20));
          break;
      }
    }
    write(file, bytes);
    Small loaded;
    const Array<double> before = loaded.net.state().parameters[0]->value;
    const std::string error = error_of([&] { load_model(file, loaded.net.state()); });
    if (error == "no error") continue;
    ++refused;
    REQUIRE(error.rfind("exception: " + file + ": ", 0) == 0);
    REQUIRE(error.find('\n') == std::string::npos);
    REQUIRE(loaded.net.state().parameters[0]->value == before);
  }
  CHECK(refused > 2000);
  CHECK(refused < 3000);  // a change of a weight cannot be seen
}

// Which thread does a part of the work is open, so that the first steps' needs may differ.
TEST_CASE("a steady training step on two threads takes no new memory for arrays and nodes" *
          doctest::skip(!Storage::recycles())) {
  const int before = threads();
  set_threads(2);
  for (const char* name : {"paper_mnist", "small", "small_resnet", "mlp"}) {
    Generator random(4);
    const auto network = make_network(name, {28, 28, 1}, 0, random);
    Adam<float> optimizer(network->state().parameters, 1e-3);
    const Array<float> x = random.uniform<float>({40, 28, 28, 1});
    const Array<float> same = random.uniform<float>({20, 20});
    const auto step = [&] {
      Tape<float> tape;
      const Var<float> e = network->forward({tape, true, &random}, tape.constant(x));
      const Var<float> scores = -squared_distances(slice(e, 0, 0, 20), slice(e, 0, 20, 40));
      tape.backward(sum(top_k_mass(scores, 5, 16) * constant(same)));
      optimizer.step();
      optimizer.zero_grad();
    };
    int steady = 0;  // steps in a row
    for (int i = 0; i < 100 && steady < 5; ++i) {
      const std::size_t blocks = Storage::fresh_blocks();
      step();
      steady = Storage::fresh_blocks() == blocks ? steady + 1 : 0;
    }
    CHECK_MESSAGE(steady == 5, name);
  }
  set_threads(before);
}
