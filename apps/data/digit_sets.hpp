// The input of the sorting and median tasks: sets of pictures of numbers, each number's digits one
// above the other. Source: Grover, Wang, Zweig, Ermon, ICLR 2019, section 6.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/data/augment.hpp"
#include "apps/data/image_set.hpp"

namespace tapesort {

// Images of single digits, by class. Keep one pool for training, one for validation, one for test.
class DigitPool {
 public:
  // std::invalid_argument, which names the pool, when a label is not 0 .. 9 or a class has no image.
  explicit DigitPool(ImageSet set, const std::string& name = "DigitPool");

  const ImageSet& set() const { return set_; }
  // The positions in the set of this digit's images.
  const std::vector<std::size_t>& images_of(std::size_t digit) const { return by_class_[digit]; }

 private:
  ImageSet set_;
  std::vector<std::vector<std::size_t>> by_class_;
};

struct DigitSets {
  Array<float> images;  // (sets * n, digits * H, W, C), 0 .. 1; set by set
  Indices labels;       // (sets, n), the numbers
};

// `sets` sets of n numbers, uniform on 0 .. 10^digits - 1 and written with leading zeros, each
// digit by an image of its class drawn with replacement and augmented by a draw of its own; the
// most significant digit is on top.
// Single-threaded (it runs beside the training step), so it depends on the generator alone.
// std::invalid_argument unless 1 <= digits <= 18.
// With `part`, [first, second) of these sets, the same ones as without, are made; the others are only
// drawn, which takes next to no time.
using Part = std::pair<std::size_t, std::size_t>;
DigitSets draw_digit_sets(const DigitPool& pool, std::size_t sets, std::size_t n,
                          std::size_t digits, Generator& random,
                          const Augmentation& augmentation = {},
                          std::optional<Part> part = std::nullopt);

}  // namespace tapesort
