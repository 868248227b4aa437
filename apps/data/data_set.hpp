// The data sets that the experiments know, by name.
#pragma once

#include <string>
#include <vector>

#include "apps/data/image_set.hpp"

namespace tapesort {

struct DataSet {
  ImageSet train, test;
  std::vector<std::string> classes{};  // the name of each label
  std::string name{};                  // what load_data was asked for
};

// where =
//   "digits"        the 4,000 + 1,000 digits inside the program (apps/data/digits/README.md)
//   "fashion"       Fashion-MNIST, 60,000 + 10,000, from Debian's package dataset-fashion-mnist
//   "mnist", "cifar10"   MNIST, 60,000 + 10,000, and CIFAR-10, 50,000 + 10,000, from data_folder()
//   "cifar10:DIR"   CIFAR-10's binary version: DIR/data_batch_1.bin .. _5.bin, DIR/test_batch.bin
//   a folder        of MNIST's four files, .npy arrays, or pictures by class (README.md, image_folder.hpp)
//
// std::runtime_error, one line that names the file, when one is missing or faulty (image_files.hpp).
DataSet load_data(const std::string& where);

// Where mnist and cifar10 are looked for, in folders of these names, and where ./run puts them (fetch.py):
// $TAPESORT_DATA, or $XDG_CACHE_HOME/tapesort, or ~/.cache/tapesort.
std::string data_folder();

// Where dataset-fashion-mnist puts its files.
constexpr const char* fashion_folder = "/usr/share/datasets/fashion-mnist";

}  // namespace tapesort
