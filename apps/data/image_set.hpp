// Labelled images, kept as bytes; a batch becomes floats when it is asked for. The pixels of
// Fashion-MNIST take 55 MB this way and 220 MB as floats.
#pragma once

#include "engine/array.hpp"
#include "engine/random.hpp"

namespace tapesort {

struct ImageSet {
  Array<std::uint8_t> pixels;  // (N, H, W, C), 0 .. 255
  Indices labels;              // (N)

  std::size_t size() const { return labels.size(); }
  std::size_t height() const { return pixels.shape(1); }
  std::size_t width() const { return pixels.shape(2); }
  std::size_t channels() const { return pixels.shape(3); }
  std::size_t image_size() const { return height() * width() * channels(); }
  const std::uint8_t* image(std::size_t i) const { return pixels.data() + i * image_size(); }
};

// Pixels as floats, byte / 255: 0 .. 1.
void to_floats(const std::uint8_t* bytes, std::size_t count, float* floats);

// The chosen images (B, H, W, C), and their labels (B). std::invalid_argument when an index is not
// one of the set's.
Array<float> images(const ImageSet& set, const Indices& which);
Indices labels(const ImageSet& set, const Indices& which);

// Images begin .. end - 1; (end - begin, H, W, C). std::invalid_argument unless begin <= end <= size.
Array<float> images(const ImageSet& set, std::size_t begin, std::size_t end);
// All of them.
Array<float> images(const ImageSet& set);

// The chosen images as a set of their own.
ImageSet select(const ImageSet& set, const Indices& which);

struct Split {
  ImageSet training, validation;
};

// Deals the set out into two that share no image, by one random permutation: its first
// validation_count images are for validation. Generators with the same key and position give the
// same split. std::invalid_argument unless validation_count < set.size().
Split split(const ImageSet& set, std::size_t validation_count, Generator& random);

}  // namespace tapesort
