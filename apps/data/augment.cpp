#include "apps/data/augment.hpp"

#include "engine/check.hpp"

namespace tapesort {
namespace {

// One image (height, width, channels), all zeros in `to` before.
void shifted(const float* from, float* to, std::size_t height, std::size_t width,
             std::size_t channels, std::ptrdiff_t down, std::ptrdiff_t right, bool mirrored) {
  const std::ptrdiff_t h = std::ptrdiff_t(height), w = std::ptrdiff_t(width);
  const std::ptrdiff_t left_edge = std::max<std::ptrdiff_t>(0, right);
  const std::ptrdiff_t right_edge = std::min(w, w + right);
  for (std::ptrdiff_t y = std::max<std::ptrdiff_t>(0, down); y < std::min(h, h + down); ++y) {
    const float* row = from + (y - down) * w * std::ptrdiff_t(channels);
    for (std::ptrdiff_t x = left_edge; x < right_edge; ++x) {
      const std::ptrdiff_t source = mirrored ? w - 1 - (x - right) : x - right;
      std::copy_n(row + source * std::ptrdiff_t(channels), channels,
                  to + (y * w + x) * std::ptrdiff_t(channels));
    }
  }
}

}  // namespace

Array<float> augment(const Array<float>& images, const Augmentation& how, Generator& random) {
  require(images.dimension() == 4, "augment: images are ", images.shape(), "; need (B, H, W, C)");
  const std::size_t count = images.shape(0), height = images.shape(1), width = images.shape(2),
                    channels = images.shape(3);
  require(how.shift < height && how.shift < width, "augment: a shift of ", how.shift,
          " would empty images of ", height, " x ", width);
  if (how.shift == 0 && !how.flip) return images;

  Array<float> result = zeros<float>(images.shape());
  const auto step = [&] {
    return std::ptrdiff_t(random.below(2 * how.shift + 1)) - std::ptrdiff_t(how.shift);
  };
  for (std::size_t i = 0; i < count; ++i) {
    const std::ptrdiff_t down = step(), right = step();
    const bool mirrored = random.below(2) == 1 && how.flip;
    const std::size_t offset = i * height * width * channels;
    shifted(images.data() + offset, result.data() + offset, height, width, channels, down, right,
            mirrored);
  }
  return result;
}

}  // namespace tapesort
