// The four files of apps/data/digits/ as they are, inside the program, so that it needs no other
// file wherever it runs. apps/data/digits/README.md tells where the digits come from.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tapesort {

struct EmbeddedFile {
  const char* name;
  const std::uint8_t* data;
  std::size_t size;
};

struct EmbeddedDigits {
  EmbeddedFile train_images, train_labels, test_images, test_labels;
};

EmbeddedDigits embedded_digits();

}  // namespace tapesort
