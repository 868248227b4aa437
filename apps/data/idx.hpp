// IDX, the format of MNIST's files, plain or gzipped.
//
//   byte 0      0, 0, element type (8: unsigned byte, the only one read here), number of dimensions
//   byte 4      the extents, 4 bytes each, most significant first
//   then        the elements, row-major, and nothing after them
//
// Every fault is a std::runtime_error of one line: "file: byte offset: what is there; expected
// what". Offsets count in the unzipped content. Source: Y. LeCun, "The MNIST database of
// handwritten digits".
#pragma once

#include <string>
#include <vector>

#include "apps/data/image_set.hpp"
#include "engine/check.hpp"

namespace tapesort {

// A file's content, unzipped, and the name that messages give it.
struct NamedBytes {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

// Reads a file; unzips it if it begins like a gzip file, whatever its name.
NamedBytes read_bytes(const std::string& file);
// The same for bytes in memory.
NamedBytes unzip(const std::string& name, const std::uint8_t* data, std::size_t size);

// The array in an IDX file of so many dimensions, none of them empty.
Array<std::uint8_t> parse_idx(const NamedBytes& file, std::size_t dimensions);

// N grey images from a file (N, H, W) and one of labels (N), each 0 .. classes - 1; classes = 0
// takes labels as they are.
ImageSet parse_idx_pair(const NamedBytes& image_file, const NamedBytes& label_file,
                        std::size_t classes);

// Throws what a reader found wrong: "name: byte offset: parts".
template <class... Parts>
[[noreturn]] void bad_data(const std::string& name, std::size_t offset, const Parts&... parts) {
  throw std::runtime_error(to_message(name, ": byte ", offset, ": ", parts...));
}

}  // namespace tapesort
