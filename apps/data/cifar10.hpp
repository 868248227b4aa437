// CIFAR-10's binary files: records of one label byte and 3 planes (red, green, blue) of 32 x 32
// bytes. Source: A. Krizhevsky, "The CIFAR-10 dataset".
#pragma once

#include "apps/data/idx.hpp"

namespace tapesort {

// The records of all files, which have so many each, one file after another: images
// (N, 32, 32, 3), labels 0 .. 9. Faults are std::runtime_errors as in idx.hpp.
ImageSet parse_cifar10(std::vector<ByteStream> files, std::size_t records_each);

}  // namespace tapesort
