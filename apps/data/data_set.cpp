#include "apps/data/data_set.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "apps/data/image_files.hpp"
#include "apps/data/image_folder.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "models/npy.hpp"

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
  return {labelled_images(PARSE(train_images, 3), PARSE(train_labels, 1), 10),
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
  fault(folder, ": there is no ", part, "-", kind, " or ", part, "-", kind,
        ".gz; need MNIST's four files, .npy arrays, or pictures by class");
}

// As many classes as the training labels name.
std::vector<std::string> classes_of(const ImageSet& train) {
  return numbered(
      1 + std::size_t(*std::max_element(train.labels.data(), train.labels.data() + train.size())));
}

void check_sizes(const std::string& file, std::size_t offset, const DataSet& set) {
  const auto size = [](const ImageSet& s) {
    return to_message(s.height(), " x ", s.width(), " x ", s.channels());
  };
  if (size(set.train) == size(set.test)) return;
  bad_data(file, offset, "images ", size(set.test), "; expected ", size(set.train),
           ", as in training");
}

DataSet load_mnist(const std::string& folder, std::vector<std::string> classes) {
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
  set.train = labelled_images(std::move(files[0]), files[1], classes.size());
  if (classes.empty()) classes = classes_of(set.train);
  const std::string test_images = files[2].name;
  set.test = labelled_images(std::move(files[2]), files[3], classes.size());
  check_sizes(test_images, 8, set);
  set.classes = std::move(classes);
  return set;
}

DataSet load_fashion() {
  if (!std::filesystem::is_directory(fashion_folder)) {
    fault("data set 'fashion': ", fashion_folder,
          " is missing; install Debian's package: apt-get install dataset-fashion-mnist");
  }
  return load_mnist(fashion_folder, {"T-shirt", "trousers", "pullover", "dress", "coat", "sandal",
                                     "shirt", "sneaker", "bag", "ankle boot"});
}

// The folder of a data set that ./run fetches.
std::string fetched(const std::string& name) {
  const std::string folder = data_folder() + "/" + name;
  if (std::filesystem::is_directory(folder)) return folder;
  fault("data set '", name, "': there is no ", folder, "; `./run knn --data ", name,
        "` fetches it by npm, or name a folder that has it");
}

DataSet load_cifar10(const std::string& folder) {
  constexpr std::size_t records = 10000;  // in each file
  std::vector<ByteStream> train, test;
  for (int i = 1; i <= 5; ++i) {
    train.emplace_back(folder + "/data_batch_" + std::to_string(i) + ".bin");
  }
  test.emplace_back(folder + "/test_batch.bin");
  return {
      parse_cifar10(std::move(train), records),
      parse_cifar10(std::move(test), records),
      {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
}

// Labels are below `classes`.
ImageSet read_arrays(const std::string& images, const std::string& labels, std::size_t classes) {
  ImageSet set{load_npy<std::uint8_t>(images), load_npy<Index>(labels)};
  Shape shape = set.pixels.shape();
  if (shape.size() == 3) shape.push_back(1);
  if (shape.size() != 4 || set.pixels.size() == 0 || set.labels.shape() != Shape{shape[0]}) {
    fault(images, ": is ", shape, ", ", labels, " ", set.labels.shape(),
          "; expected (N, H, W) or (N, H, W, C), and (N)");
  }
  for (const Index label : set.labels) {
    if (label >= 0 && std::size_t(label) < classes) continue;
    fault(labels, ": has the label ", label, "; expected 0 .. ", classes - 1);
  }
  set.pixels.reshape(shape);
  return set;
}

DataSet load_arrays(const std::string& folder) {
  const auto part = [&](const std::string& name, std::size_t classes) {
    const std::string begin = folder + "/" + name;
    return read_arrays(begin + "-images.npy", begin + "-labels.npy", classes);
  };
  DataSet set{part("train", 100000), {}};
  set.classes = classes_of(set.train);
  set.test = part("test", set.classes.size());
  check_sizes(folder + "/test-images.npy", 0, set);
  return set;
}

DataSet load_pictures(const std::string& folder) {
  DataSet set;
  if (std::filesystem::is_directory(folder + "/train")) {
    set.train = read_image_folder(folder + "/train", set.classes);
    set.test = read_image_folder(folder + "/test", set.classes);
    check_sizes(folder + "/test", 0, set);
    return set;
  }
  const ImageSet all = read_image_folder(folder, set.classes);
  std::vector<Index> which[2];
  for (Index i = 0; i < Index(all.size()); ++i) which[i % 5 == 4].push_back(i);
  const auto part = [&](const std::vector<Index>& w) {
    Indices chosen = uninitialized<Index>({w.size()});
    std::copy(w.begin(), w.end(), chosen.data());
    return select(all, chosen);
  };
  set.train = part(which[0]);
  set.test = part(which[1]);
  if (set.test.size() == 0)
    fault(folder, ": has fewer than 5 images, so that none is for the test");
  return set;
}

DataSet load_folder(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) {
    fault("data set '", folder,
          "': there is no such folder; need digits, fashion, mnist, cifar10, cifar10:DIR or a "
          "folder with MNIST's four files, .npy arrays, or pictures by class");
  }
  if (std::filesystem::exists(folder + "/train-images.npy")) return load_arrays(folder);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const bool hidden = entry.path().filename().string()[0] == '.';
    if (entry.is_directory() && !hidden) return load_pictures(folder);
  }
  return load_mnist(folder, {});
}

DataSet load(const std::string& where) {
  const std::string cifar10 = "cifar10:";
  if (where == "digits") return load_digits();
  if (where == "fashion") return load_fashion();
  if (where == "mnist") return load_mnist(fetched(where), numbered(10));
  if (where == "cifar10") return load_cifar10(fetched(where));
  if (where.rfind(cifar10, 0) == 0) return load_cifar10(where.substr(cifar10.size()));
  return load_folder(where);
}

}  // namespace

std::string data_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (const std::string own = variable("TAPESORT_DATA"); !own.empty()) return own;
  const std::string cache = variable("XDG_CACHE_HOME");
  return (cache.empty() ? variable("HOME") + "/.cache" : cache) + "/tapesort";
}

DataSet load_data(const std::string& where) {
  DataSet set = load(where);
  set.name = where;
  return set;
}

}  // namespace tapesort
