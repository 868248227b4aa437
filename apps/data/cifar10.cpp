#include "apps/data/cifar10.hpp"

namespace tapesort {

ImageSet parse_cifar10(std::vector<ByteStream> files, std::size_t records_each) {
  constexpr std::size_t side = 32, plane = side * side, channels = 3, record = 1 + channels * plane;
  const std::size_t n = files.size() * records_each;
  ImageSet set{uninitialized<std::uint8_t>({n, side, side, channels}), uninitialized<Index>({n})};
  std::uint8_t* pixel = set.pixels.data();
  Index* label = set.labels.data();
  for (ByteStream& file : files) {
    for (std::size_t r = 0; r < records_each; ++r) {
      const std::vector<std::uint8_t> bytes = file.read(record);
      if (bytes.size() < record) {
        bad_data(file.name(), file.offset(), "the file ends here; expected ", records_each,
                 " records of ", record, " bytes");
      }
      if (bytes[0] > 9) {
        bad_data(file.name(), r * record, "label ", int(bytes[0]), "; expected 0 .. 9");
      }
      *label++ = bytes[0];
      for (std::size_t i = 0; i < plane; ++i) {
        for (std::size_t c = 0; c < channels; ++c) *pixel++ = bytes[1 + c * plane + i];
      }
    }
    if (!file.read(1).empty()) {
      bad_data(file.name(), records_each * record,
               "more bytes; expected the end of the file, after ", records_each, " records of ",
               record, " bytes");
    }
  }
  return set;
}

}  // namespace tapesort
