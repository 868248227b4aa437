#include "apps/data/data_set.hpp"

#include <array>
#include <filesystem>
#include <sstream>

#include "apps/data/image_files.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"

// The four files of apps/data/digits/ are inside the program, so that it needs no other file wherever
// it runs. The assembler's .incbin copies a file into the object as it is: nothing is generated, and
// it takes no time. TAPESORT_DIGITS, the folder, comes from meson.build. (ninja does not know that
// this object depends on those files: touch this one after changing them.)
#define TAPESORT_EMBED(symbol, file)                                            \
  extern "C" const std::uint8_t tapesort_##symbol[], tapesort_##symbol##_end[]; \
  asm(".section .rodata\n"                                                      \
      ".global tapesort_" #symbol ", tapesort_" #symbol                         \
      "_end\n"                                                                  \
      ".balign 16\n"                                                            \
      "tapesort_" #symbol                                                       \
      ":\n"                                                                     \
      ".incbin \"" TAPESORT_DIGITS "/" file                                     \
      "\"\n"                                                                    \
      "tapesort_" #symbol                                                       \
      "_end:\n"                                                                 \
      ".byte 0\n"                                                               \
      ".previous\n")

TAPESORT_EMBED(train_images, "train-images-idx3-ubyte.gz");
TAPESORT_EMBED(train_labels, "train-labels-idx1-ubyte.gz");
TAPESORT_EMBED(test_images, "t10k-images-idx3-ubyte.gz");
TAPESORT_EMBED(test_labels, "t10k-labels-idx1-ubyte.gz");

namespace tapesort {
namespace {

std::vector<std::string> numbered(std::size_t count) {
  std::vector<std::string> names(count);
  for (std::size_t i = 0; i < count; ++i) names[i] = std::to_string(i);
  return names;
}

DataSet load_digits() {
  const auto parse = [](const char* name, const std::uint8_t* begin, const std::uint8_t* end,
                        std::size_t dimensions) {
    return parse_idx(
        ByteStream(name, std::make_unique<std::istringstream>(std::string(begin, end))),
        dimensions);
  };
#define PARSE(symbol, dimensions) \
  parse("embedded " #symbol, tapesort_##symbol, tapesort_##symbol##_end, dimensions)
  return {"digits", labelled_images(PARSE(train_images, 3), PARSE(train_labels, 1), 10),
          labelled_images(PARSE(test_images, 3), PARSE(test_labels, 1), 10), numbered(10)};
#undef PARSE
}

// MNIST's own site wrote train-images-idx3-ubyte; unpacking programs make .idx3-ubyte of it.
std::string mnist_file(const std::string& folder, const std::string& part,
                       const std::string& kind) {
  for (const char* separator : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      const std::string file = folder + "/" + part + separator + kind + ending;
      if (std::filesystem::exists(file)) return file;
    }
  }
  throw std::runtime_error(
      to_message(folder, ": there is no ", part, "-", kind, " or ", part, "-", kind, ".gz"));
}

DataSet load_folder(const std::string& folder, std::vector<std::string> classes) {
  if (!std::filesystem::is_directory(folder)) {
    throw std::runtime_error("data set '" + folder +
                             "': there is no such folder; need digits, fashion, cifar10:DIR or a "
                             "folder with MNIST's four files");
  }
  // Unzipping takes most of the time, so training and test go on side by side.
  const char* const parts[4] = {"train-images", "train-labels", "t10k-images", "t10k-labels"};
  std::array<IdxFile, 4> files;
  parallel_for(4, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) {
      const bool images = i % 2 == 0;
      const std::string file = mnist_file(folder, parts[i], images ? "idx3-ubyte" : "idx1-ubyte");
      files[i] = parse_idx(ByteStream(file), images ? 3 : 1);
    }
  });
  DataSet set;
  set.name = folder;
  set.train = labelled_images(std::move(files[0]), files[1], classes.size());
  if (classes.empty()) {  // not known: as many as the training labels name
    const Indices& labels = set.train.labels;
    classes = numbered(1 + *std::max_element(labels.data(), labels.data() + labels.size()));
  }
  const std::string test_images = files[2].name;
  set.test = labelled_images(std::move(files[2]), files[3], classes.size());
  if (set.test.height() != set.train.height() || set.test.width() != set.train.width()) {
    bad_data(test_images, 8, "images ", set.test.height(), " x ", set.test.width(), "; expected ",
             set.train.height(), " x ", set.train.width(), ", as in training");
  }
  set.classes = std::move(classes);
  return set;
}

DataSet load_fashion() {
  if (!std::filesystem::is_directory(fashion_folder)) {
    throw std::runtime_error(
        to_message("data set 'fashion': ", fashion_folder,
                   " is missing; install Debian's package: apt-get install dataset-fashion-mnist"));
  }
  DataSet set = load_folder(fashion_folder, {"T-shirt", "trousers", "pullover", "dress", "coat",
                                             "sandal", "shirt", "sneaker", "bag", "ankle boot"});
  set.name = "fashion";
  return set;
}

DataSet load_cifar10(const std::string& folder) {
  constexpr std::size_t records = 10000;  // in each file
  std::vector<ByteStream> train, test;
  for (int i = 1; i <= 5; ++i) {
    train.emplace_back(folder + "/data_batch_" + std::to_string(i) + ".bin");
  }
  test.emplace_back(folder + "/test_batch.bin");
  return {
      "cifar10:" + folder,
      parse_cifar10(std::move(train), records),
      parse_cifar10(std::move(test), records),
      {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
}

}  // namespace

DataSet load_data(const std::string& where) {
  const std::string cifar10 = "cifar10:";
  if (where == "digits") return load_digits();
  if (where == "fashion") return load_fashion();
  if (where.compare(0, cifar10.size(), cifar10) == 0) {
    return load_cifar10(where.substr(cifar10.size()));
  }
  return load_folder(where, {});
}

}  // namespace tapesort
