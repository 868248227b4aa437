// Small random changes to training images that leave their class as it is.
#pragma once

#include <map>
#include <string>

#include "engine/array.hpp"
#include "engine/random.hpp"

namespace tapesort {

struct Augmentation {
  std::size_t shift = 0;  // up to so many pixels in each direction; what moves in is 0
  bool flip = false;      // mirror left and right, half of the images (not for digits)
  double rotation = 0;    // degrees, either way, about the middle
  double scale = 0;       // height and width, each by a factor in 1 - scale .. 1 + scale
  double shear = 0;       // columns move by up to so many pixels for each row from the middle
  double erase = 0;       // in half of the images a rectangle of up to so much of the area is noise

  bool nothing() const { return shift == 0 && !flip && !affine() && erase == 0; }
  bool affine() const { return rotation != 0 || scale != 0 || shear != 0; }
};

// What --augment takes, by name: none, shift (by 2), shift_flip, shift_flip_erase (a third of the
// area), affine (shift by 2, rotation by 15 degrees, scale and shear by 0.15).
const std::map<std::string, Augmentation>& augmentations();

// One image (height, width, channels): mirrored with probability 1/2, then moved by one random
// draw, uniform in each range. Shifts alone are by whole pixels; with rotation, scale or shear all
// moves are by fractions, and a pixel is the bilinear mean of the four that it lies between. Last,
// with probability 1/2, a rectangle is erased: its area uniform in erase / 20 .. erase of the image's,
// its height over its width log-uniform in 1/3 .. 3, its pixels uniform in 0 .. 1 (Zhong et al. 2020).
// The generator is not touched when nothing is asked for. Without `to` it is used as with it, and
// that is all.
void augment_image(const float* from, float* to, std::size_t height, std::size_t width,
                   std::size_t channels, const Augmentation& how, Generator& random);

// The images (B, H, W, C), each by a draw of its own.
// std::invalid_argument unless 4-d with shift < H and W, 0 <= scale < 1, 0 <= erase < 1.
Array<float> augment(const Array<float>& images, const Augmentation& how, Generator& random);

// The images (B, H, W, C), left and right exchanged. std::invalid_argument unless 4-d.
Array<float> mirrored(const Array<float>& images);

}  // namespace tapesort
