// Small random changes to training images that leave their class as it is.
#pragma once

#include "engine/array.hpp"
#include "engine/random.hpp"

namespace tapesort {

struct Augmentation {
  std::size_t shift = 0;  // up to so many pixels in each direction; what moves in is 0
  bool flip = false;      // mirror left and right, half of the images (not for digits)
};

// The images (B, H, W, C), each mirrored with probability 1/2, then shifted by whole pixels,
// uniform on -shift .. shift in height and in width. The generator is not touched when nothing is
// asked for.
// std::invalid_argument unless 4-d with shift < H and W.
Array<float> augment(const Array<float>& images, const Augmentation& how, Generator& random);

}  // namespace tapesort
