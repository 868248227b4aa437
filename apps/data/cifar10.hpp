// CIFAR-10's binary files: records of one label byte and 3 planes (red, green, blue) of 32 x 32
// bytes. Source: A. Krizhevsky, "The CIFAR-10 dataset".
#pragma once

#include "apps/data/idx.hpp"

namespace tapesort {

// The records of all files, one file after another: images (N, 32, 32, 3), labels 0 .. 9. Faults
// are std::runtime_errors as in idx.hpp; records_each > 0 asks for so many records in every file.
ImageSet parse_cifar10(const std::vector<NamedBytes>& files, std::size_t records_each);

}  // namespace tapesort
