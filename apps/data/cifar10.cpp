#include "apps/data/cifar10.hpp"

namespace tapesort {

ImageSet parse_cifar10(const std::vector<NamedBytes>& files, std::size_t records_each) {
  constexpr std::size_t side = 32, plane = side * side, channels = 3, record = 1 + channels * plane;
  std::size_t n = 0;
  for (const NamedBytes& file : files) {
    const std::size_t size = file.bytes.size();
    if (size == 0 || size % record != 0 || (records_each > 0 && size != records_each * record)) {
      bad_data(file.name, size, "the file ends here; expected ",
               records_each > 0 ? std::to_string(records_each) : "whole", " records of ", record,
               " bytes");
    }
    n += size / record;
  }

  ImageSet set{uninitialized<std::uint8_t>({n, side, side, channels}), uninitialized<Index>({n})};
  std::uint8_t* pixel = set.pixels.data();
  Index* label = set.labels.data();
  for (const NamedBytes& file : files) {
    for (std::size_t at = 0; at < file.bytes.size(); at += record) {
      const std::uint8_t* from = file.bytes.data() + at;
      if (from[0] > 9) bad_data(file.name, at, "label ", int(from[0]), "; expected 0 .. 9");
      *label++ = from[0];
      for (std::size_t i = 0; i < plane; ++i) {
        for (std::size_t c = 0; c < channels; ++c) *pixel++ = from[1 + c * plane + i];
      }
    }
  }
  return set;
}

}  // namespace tapesort
