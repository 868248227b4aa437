// Files of images, plain or gzipped: MNIST's format, IDX,
//
//   byte 0      0, 0, element type (8: unsigned byte, the only one read here), number of dimensions
//   byte 4      the extents, 4 bytes each, most significant first
//   then        the elements, row-major, and nothing after them
//
// and CIFAR-10's: records of one label byte and 3 planes (red, green, blue) of 32 x 32 bytes.
//
// Every fault is a std::runtime_error of one line: "file: byte offset: what is there; expected
// what". Offsets count in the unzipped content. Sources: Y. LeCun, "The MNIST database of
// handwritten digits"; A. Krizhevsky, "The CIFAR-10 dataset".
#pragma once

#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "apps/data/image_set.hpp"
#include "engine/check.hpp"

namespace tapesort {

// The bytes of a file, unzipped if it begins like a gzip file, whatever its name; of several gzip
// members one after the other. No more is unzipped than is asked for: a reader looks at the header
// first.
class ByteStream {
 public:
  explicit ByteStream(const std::string& file);
  // Of what `in` holds; messages call it `name`.
  ByteStream(std::string name, std::unique_ptr<std::istream> in);
  ~ByteStream();
  ByteStream(ByteStream&&) noexcept;

  // The next `count` bytes; fewer at the end only. Memory is taken as they come.
  std::vector<std::uint8_t> read(std::size_t count);

  const std::string& name() const;
  std::size_t offset() const;  // of the next byte
  std::size_t most() const;    // the file has no more bytes than so many

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct IdxFile {
  std::string name;
  Array<std::uint8_t> elements;
};

// What a file holds that must have so many dimensions, none of them empty.
IdxFile parse_idx(ByteStream file, std::size_t dimensions);

// N grey images from a file (N, H, W) and one of labels (N), each 0 .. classes - 1; classes = 0
// takes labels as they are.
ImageSet labelled_images(IdxFile images, const IdxFile& labels, std::size_t classes);

// CIFAR-10's records of all files, which have so many each, one file after another: images
// (N, 32, 32, 3), labels 0 .. 9.
ImageSet parse_cifar10(std::vector<ByteStream> files, std::size_t records_each);

// Throws what a reader found wrong: "name: byte offset: parts".
template <class... Parts>
[[noreturn]] void bad_data(const std::string& name, std::size_t offset, const Parts&... parts) {
  fault(name, ": byte ", offset, ": ", parts...);
}

}  // namespace tapesort
