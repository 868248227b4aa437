// Data in and out: .npy, folders of pictures, saved networks, and the commands that use them.
#include <stb_image_write.h>

#include <cstring>

#include "apps/data/data_set.hpp"
#include "apps/program/program.hpp"
#include "apps/tools/relax.hpp"
#include "models/npy.hpp"
#include "models/saved_network.hpp"
#include "op_table.hpp"
#include "run_command.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// A .npy file of version 1 as NumPy writes it.
std::string npy(const std::string& type, const std::string& shape, const std::string& numbers,
                const char* fortran = "False") {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
  header += std::string(117 - header.size(), ' ') + "\n";
  return std::string("\x93NUMPY\x01\x00", 8) + char(header.size()) + char(0) + header + numbers;
}
template <class N> std::string bytes_of(const std::vector<N>& numbers) {
  std::string bytes(numbers.size() * sizeof(N), ' ');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

void check_round_trip(const TemporaryFolder& folder, const Shape& shape) {
  CAPTURE(to_text(shape));
  Generator random(1);
  const auto x = random.normal<double>(shape);
  save_npy(folder / "x.npy", x);
  CHECK(load_npy<double>(folder / "x.npy") == x);
  CHECK(load_npy<float>(folder / "x.npy") == convert<float>(x));
  save_npy(folder / "x.npy", convert<float>(x));
  CHECK(load_npy<double>(folder / "x.npy") == convert<double>(convert<float>(x)));
}

// A grey picture, or one of three channels, all of whose pixels are `value`.
std::string png(int width, int height, int channels, unsigned char value) {
  const std::vector<unsigned char> pixels(std::size_t(width * height * channels), value);
  std::string file;
  stbi_write_png_to_func(
      [](void* to, void* data, int size) {
        static_cast<std::string*>(to)->append(static_cast<char*>(data), std::size_t(size));
      },
      &file, width, height, channels, pixels.data(), 0);
  return file;
}

}  // namespace

TEST_CASE(".npy files of any type of numbers are read, and what is written is read again") {
  const TemporaryFolder folder;
  for (const Shape& shape : {Shape{}, {3}, {2, 3}, {0, 3}, {2, 1, 4, 2}}) {
    check_round_trip(folder, shape);
  }
  const std::string file = folder / "x.npy";
  save_npy(file, Indices{-5, 9007199254740993});  // 2^53 + 1
  CHECK(load_npy<Index>(file) == Indices{-5, 9007199254740993});
  const auto put = [&](const std::string& content) { folder.write("x.npy", content); };
  put(npy("<i2", "(2, 3)", bytes_of<std::int16_t>({1, 2, 3, 4, 5, -6})));
  CHECK(load_npy<float>(file) == Array<float>{{1, 2, 3}, {4, 5, -6}});
  put(npy("<f8", "(2, 3)", bytes_of<double>({1, 2, 3, 4, 5, 6}), "True"));  // column by column
  CHECK(load_npy<double>(file) == Array<double>{{1, 3, 5}, {2, 4, 6}});
  put(npy("|b1", "(3,)", std::string("\0\1\1", 3)));
  CHECK(load_npy<std::uint8_t>(file) == Array<std::uint8_t>{0, 1, 1});
  put(npy("<f8", "()", bytes_of<double>({NAN})));
  CHECK(std::isnan(load_npy<float>(file)()));
}

TEST_CASE("a faulty .npy file is refused with its name and what was expected") {
  const TemporaryFolder folder;
  const auto complaint = [&](const std::string& content, auto zero) {
    folder.write("x.npy", content);
    const std::string text = error_of([&] { load_npy<decltype(zero)>(folder / "x.npy"); });
    const std::string begin = "exception: " + folder / "x.npy" + ": ";
    REQUIRE_MESSAGE(text.rfind(begin, 0) == 0, text);
    return text.substr(begin.size());
  };
  const std::string eight = bytes_of<float>({1, 2});
  CHECK(complaint("1 2 3", 0.0) == "is not a .npy file, as np.save writes");
  CHECK(complaint(npy("<f4", "(2,)", eight).substr(0, 60), 0.0) == "ends inside its header");
  CHECK(complaint(npy("<f4", "(3,)", eight), 0.0) ==
        "has 8 bytes of numbers; expected 12 for shape (3) of type <f4");
  CHECK(complaint(npy("<f4", "(2,)", eight + "x"), 0.0) ==
        "has 9 bytes of numbers; expected 8 for shape (2) of type <f4");
  for (const char* type : {">f4", "<c8", "<U2", "<f2", "|O8"}) {
    CHECK(complaint(npy(type, "(2,)", eight), 0.0).rfind("has elements of type ", 0) == 0);
  }
  CHECK(complaint(npy("<f4", "(2,)", bytes_of<float>({1, 2.5})), Index()) ==
        "has 2.5 at position 1; expected whole numbers of 64 bits");
  for (const float far : {1e30f, -1e30f, NAN, INFINITY}) {
    CHECK(complaint(npy("<f4", "(1,)", bytes_of<float>({far})), Index()) != "");
  }
  CHECK(complaint(npy("<i2", "(2,)", bytes_of<std::int16_t>({3, 256})), std::uint8_t()) ==
        "has 256 at position 1; expected whole numbers from 0 to 255");
  CHECK(complaint(npy("<i2", "(1,)", bytes_of<std::int16_t>({-1})), std::uint8_t()) != "");
  CHECK(complaint(npy("<u8", "(1,)", bytes_of<std::uint64_t>({~0ull})), Index()) != "");
  std::string header = npy("<f4", "(2,)", eight);
  header[6] = 9;
  CHECK(complaint(header, 0.0) == "has version 9; need 1 or 2");
  header[6] = 1;
  header[20] = '?';
  CHECK(complaint(header, 0.0).rfind("has a header that is none of an array of numbers", 0) == 0);
  folder.write("x.npy", npy("<f4", "(4294967296, 4294967296, 0)", ""));
  CHECK(error_of([&] { load_npy<float>(folder / "x.npy"); }) != "no error");
  folder.write("x.npy", npy("<f4", "(99999999999999999999999,)", ""));
  CHECK(error_of([&] { load_npy<float>(folder / "x.npy"); }) != "no error");
  CHECK(error_of([&] { load_npy<float>(folder / "none.npy"); }).find("No such file") !=
        std::string::npos);
  CHECK(error_of([&] { load_npy<float>(folder.path()); }) != "no error");
}

TEST_CASE("a folder of pictures is a data set") {
  const TemporaryFolder folder;
  for (int i = 0; i < 6; ++i) {
    folder.write("cats/" + std::to_string(i) + ".png", png(3, 2, 1, 10));
    folder.write("dogs/" + std::to_string(i) + ".PNG", png(3, 2, 1, 200));
  }
  folder.write("dogs/notes.txt", "not a picture");
  DataSet set = load_data(folder.path());
  CHECK(set.classes == std::vector<std::string>{"cats", "dogs"});
  CHECK(set.train.pixels.shape() == Shape{10, 2, 3, 1});
  CHECK(set.test.labels == Indices{0, 1});  // pictures 4 and 9 of all
  CHECK(int(set.test.pixels(0, 1, 2, 0)) == 10);
  CHECK(int(set.test.pixels(1, 1, 2, 0)) == 200);

  const auto complaint = [&] {
    const std::string text = error_of([&] { load_data(folder.path()); });
    const std::string begin = "exception: " + folder.path() + "/";
    return text.rfind(begin, 0) == 0 ? text.substr(begin.size()) : text;
  };
  folder.write("dogs/colour.png", png(3, 2, 3, 7));
  CHECK(load_data(folder.path()).train.channels() == 3);
  folder.write("dogs/wide.png", png(4, 2, 1, 7));
  CHECK(complaint() == "dogs/wide.png: is 4 x 2 pixels; expected 3 x 2, as " + folder.path() +
                           "/cats/0.png; bring all images to one size");
  folder.write("dogs/wide.png", "no picture");
  CHECK(complaint().rfind("dogs/wide.png: ", 0) == 0);
  std::filesystem::remove(folder / "dogs/wide.png");
  const std::string whole = png(3, 2, 1, 7);
  folder.write("dogs/half.png", whole.substr(0, whole.size() / 2));
  CHECK(complaint().rfind("dogs/half.png: ", 0) == 0);
  std::filesystem::remove(folder / "dogs/half.png");
  std::filesystem::create_directories(folder / ".hidden");
  CHECK(load_data(folder.path()).classes.size() == 2);
  std::filesystem::create_directories(folder / "birds");
  CHECK(complaint() == "birds: there is no .png, .jpg or .jpeg");
}

TEST_CASE("training and test pictures apart, and arrays, are data sets") {
  const TemporaryFolder folder;
  folder.write("train/a/1.png", png(2, 2, 1, 1));
  folder.write("train/b/1.png", png(2, 2, 1, 2));
  folder.write("test/b/1.png", png(2, 2, 1, 3));
  CHECK(error_of([&] { load_data(folder.path()); }) ==
        "exception: " + folder.path() + "/test: has classes b; expected a, b");
  folder.write("test/a/1.png", png(2, 2, 1, 3));
  CHECK(load_data(folder.path()).test.labels == Indices{0, 1});

  const TemporaryFolder arrays;
  const auto put = [&](const char* part, std::size_t count, std::size_t height) {
    save_npy(arrays / (part + std::string("-images.npy")),
             full<std::uint8_t>({count, height, 3}, 9));
    save_npy(arrays / (part + std::string("-labels.npy")), full<Index>({count}, 2));
  };
  put("train", 4, 2);
  put("test", 3, 2);
  const DataSet set = load_data(arrays.path());
  CHECK(set.train.pixels.shape() == Shape{4, 2, 3, 1});
  CHECK(set.classes.size() == 3);
  save_npy(arrays / "test-labels.npy", Indices{0, 3, 1});
  CHECK(error_of([&] { load_data(arrays.path()); }) ==
        "exception: " + (arrays / "test-labels.npy: has the label 3; expected 0 .. 2"));
  put("test", 3, 5);
  CHECK(error_of([&] { load_data(arrays.path()); }).find("expected 2 x 3 x 1, as in training") !=
        std::string::npos);
  save_npy(arrays / "test-labels.npy", Indices{0, 1});
  CHECK(error_of([&] { load_data(arrays.path()); }).find("expected (N, H, W)") !=
        std::string::npos);
}

TEST_CASE("what knn saves is embedded, by command and from C++") {
  const TemporaryFolder folder;
  const std::string model = folder / "model.safetensors", out = folder / "E.npy";
  run(add_knn, "knn --network mlp --epochs 1 --epoch-steps 1 --batch 20 --save " + model);
  run(add_embed, "embed --model " + model + " --out " + out + " --labels " + folder / "L.npy");
  const auto points = load_npy<float>(out);
  CHECK(points.shape() == Shape{1000, 64});
  const DataSet digits = load_data("digits");
  CHECK(load_npy<Index>(folder / "L.npy") == digits.test.labels);

  const SavedNetwork saved = load_network(model);
  CHECK(saved.name == "mlp");
  Tape<float> off(Recording::off);
  const Var<float> x = off.constant(images(digits.test, 0, 500));
  const Array<float> first = saved.network->forward({off}, x).value();
  CHECK(std::equal(first.begin(), first.end(), points.begin()));

  folder.write("train/a/1.png", png(2, 2, 1, 1));
  folder.write("test/a/1.png", png(2, 2, 1, 3));
  CHECK(error_of([&] {
          run(add_embed, "embed --model " + model + " --out " + out + " --data " + folder.path());
        }).find("images 2 x 2 x 1; " + model + " takes 28 x 28 x 1") != std::string::npos);
  run(add_knn, "knn --method autoencoder --epochs 1 --epoch-steps 1 --batch 20 --save " + model);
  CHECK(error_of([&] { load_network(model); }).find(model + ": does not say its network") !=
        std::string::npos);
}

TEST_CASE("relax --csv has a line for each set, tau and place") {
  std::ostringstream out;
  write_relaxed_csv<double>(out, {{}, 0, {Array<double>{1.0, 4.0}}, {}, {}}, {1e-3, 1e9});
  const std::string text = out.str();
  CHECK(text.rfind("set,tau,place,item,score,soft_sorted,soft_rank\n"
                   "1,0.001,1,1,4.0,4.0,1.0\n1,0.001,2,0,1.0,1.0,2.0\n1,1000000000.0,1,1,4.0,2.5",
                   0) == 0);
  CHECK(std::count(text.begin(), text.end(), '\n') == 5);
}

TEST_CASE("relax takes masks and lengths, and says what does not fit") {
  const TemporaryFolder folder;
  save_npy(folder / "s.npy", Array<double>{{3, NAN, 2}, {5, 7, 6}});
  const std::string input = " --input " + folder / "s.npy";
  run(add_relax, "relax --tau 0.001 --mask 1,0,1 --top-k 1" + input + " --out " + folder.path());
  CHECK(distance(load_npy<double>(folder / "sorted.npy"), {{3, 2, 0}, {6, 5, 0}}) < 1e-12);
  CHECK(distance(load_npy<double>(folder / "top_k.npy"), {{1, 0, 0}, {0, 0, 1}}) < 1e-12);
  run(add_relax, "relax --tau 0.001 --lengths 1,3" + input + " --out " + folder.path());
  CHECK(distance(load_npy<double>(folder / "sorted.npy"), {{3, 0, 0}, {7, 6, 5}}) < 1e-12);
  const auto error = [&](const std::string& options) {
    return error_of([&] { run(add_relax, "relax " + options + input); });
  };
  CHECK(error("--mask 1,0") == "invalid_argument: relax: --mask has 2 items, set 1 has 3");
  CHECK(error("--lengths 2") == "invalid_argument: relax: --lengths has 1 numbers for 2 sets");
  CHECK(error("--lengths 2,4") ==
        "invalid_argument: ItemMask: length 0 is 4; need 0 <= length <= n = 3");
  CHECK(error("--method sparse_top_k") == "invalid_argument: relax: sparse_top_k needs --top-k");
  CHECK(error("--method fast_soft_sort --top-k 2") ==
        "invalid_argument: relax: --top-k means nothing to fast_soft_sort");
  CHECK(error("--samples 5") == "invalid_argument: relax: --samples means nothing to neural_sort");
}

TEST_CASE("relax reads and writes .npy") {
  const TemporaryFolder folder;
  const Array<double> scores{{3, 1, 2}, {5, 7, 6}};
  save_npy(folder / "s.npy", scores);
  save_npy(folder / "W.npy", full<double>({2, 3, 3}, 0.5));
  run(add_relax, "relax --tau 0.001 --input " + folder / "s.npy" + " --weights " +
                     folder / "W.npy" + " --out " + folder.path());
  CHECK(load_npy<Index>(folder / "permutation.npy") == Indices{{0, 2, 1}, {1, 2, 0}});
  CHECK(distance(load_npy<double>(folder / "sorted.npy"), {{3, 2, 1}, {7, 6, 5}}) < 1e-12);
  CHECK(load_npy<double>(folder / "P.npy").shape() == Shape{2, 3, 3});
  CHECK(load_npy<double>(folder / "grad.npy").shape() == Shape{2, 3});
  save_npy(folder / "s.npy", full<double>({2, 3, 4}, 1));
  CHECK(error_of([&] {
          run(add_relax, "relax --method sinkhorn --json --input " + folder / "s.npy");
        }).find("s.npy: is (2, 3, 4); expected matrices (.., n, n)") != std::string::npos);
}
