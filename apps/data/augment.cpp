#include "apps/data/augment.hpp"

#include <algorithm>
#include <cmath>

#include "engine/check.hpp"

namespace tapesort {
namespace {

using Offset = std::ptrdiff_t;

struct Picture {
  const float* pixels;
  Offset height, width, channels;

  const float* at(Offset y, Offset x) const { return pixels + (y * width + x) * channels; }
  bool has(Offset y, Offset x) const { return y >= 0 && y < height && x >= 0 && x < width; }
};

void shift_image(const Picture& from, float* to, Offset down, Offset right, bool mirrored) {
  std::fill_n(to, from.height * from.width * from.channels, 0.0f);
  const Offset h = from.height, w = from.width;
  for (Offset y = std::max<Offset>(0, down); y < std::min(h, h + down); ++y) {
    for (Offset x = std::max<Offset>(0, right); x < std::min(w, w + right); ++x) {
      const Offset source = mirrored ? w - 1 - (x - right) : x - right;
      std::copy_n(from.at(y - down, source), from.channels, to + (y * w + x) * from.channels);
    }
  }
}

// Where the pixel at (y, x) of the new image comes from in the old one:
// (a00 y + a01 x + b0, a10 y + a11 x + b1).
struct AffineMap {
  double a00, a01, b0, a10, a11, b1;
};

AffineMap random_map(const Augmentation& how, const Picture& image, Generator& random) {
  const auto within = [&](double most) { return most * (2 * random.uniform() - 1); };
  const double pi = std::acos(-1.0);
  const double angle = within(how.rotation * pi / 180), shear = within(how.shear);
  const double tall = 1 / (1 + within(how.scale)), wide = 1 / (1 + within(how.scale));
  const double down = within(double(how.shift)), right = within(double(how.shift));
  const double mirror = random.below(2) == 1 && how.flip ? -1 : 1;
  const double c = std::cos(angle), s = std::sin(angle);
  AffineMap map{tall * c, -tall * s, 0, 0, 0, 0};
  map.a10 = mirror * wide * (s + shear * c);
  map.a11 = mirror * wide * (c - shear * s);
  // The middle goes to the middle, then comes the shift.
  const double y = double(image.height - 1) / 2, x = double(image.width - 1) / 2;
  map.b0 = y - map.a00 * (y + down) - map.a01 * (x + right);
  map.b1 = x - map.a10 * (y + down) - map.a11 * (x + right);
  return map;
}

void resample_image(const Picture& from, float* to, const AffineMap& map) {
  for (Offset y = 0; y < from.height; ++y) {
    for (Offset x = 0; x < from.width; ++x, to += from.channels) {
      const double v = map.a00 * double(y) + map.a01 * double(x) + map.b0;
      const double u = map.a10 * double(y) + map.a11 * double(x) + map.b1;
      const Offset top = Offset(std::floor(v)), left = Offset(std::floor(u));
      const float below = float(v - double(top)), after = float(u - double(left));
      std::fill_n(to, from.channels, 0.0f);
      const auto add = [&](Offset row, Offset column, float weight) {
        if (!from.has(row, column)) return;
        const float* pixel = from.at(row, column);
        for (Offset c = 0; c < from.channels; ++c) to[c] += weight * pixel[c];
      };
      add(top, left, (1 - below) * (1 - after));
      add(top, left + 1, (1 - below) * after);
      add(top + 1, left, below * (1 - after));
      add(top + 1, left + 1, below * after);
    }
  }
}

// Overwrites a random rectangle of an image of this size with noise; one that would not fit is cut.
// Without pixels it only draws.
void erase_rectangle(float* pixels, const Picture& size, double most, Generator& random) {
  const double area = most * (0.05 + 0.95 * random.uniform());
  const double tall = std::exp(std::log(3.0) * (random.uniform() - 0.5));  // sqrt of height / width
  const auto part = [](double fraction, Offset whole) {
    return std::clamp<Offset>(std::lround(fraction * double(whole)), 1, whole);
  };
  const Offset height = part(std::sqrt(area) * tall, size.height);
  const Offset width = part(std::sqrt(area) / tall, size.width);
  const Offset top = Offset(random.below(std::uint64_t(size.height - height + 1)));
  const Offset left = Offset(random.below(std::uint64_t(size.width - width + 1)));
  for (Offset y = top; y < top + height; ++y) {
    const Offset row = (y * size.width + left) * size.channels;
    for (Offset i = row; i < row + width * size.channels; ++i) {
      const float noise = float(random.uniform());
      if (pixels) pixels[i] = noise;
    }
  }
}

}  // namespace

const std::map<std::string, Augmentation>& augmentations() {
  static const std::map<std::string, Augmentation> all{
      {"none", {}},
      {"shift", {2, false}},
      {"shift_flip", {2, true}},
      {"shift_flip_erase", {2, true, 0, 0, 0, 0.33}},
      {"affine", {2, false, 15, 0.15, 0.15}}};
  return all;
}

void augment_image(const float* from, float* to, std::size_t height, std::size_t width,
                   std::size_t channels, const Augmentation& how, Generator& random) {
  const Picture image{from, Offset(height), Offset(width), Offset(channels)};
  if (how.nothing()) {
    if (to) std::copy_n(from, height * width * channels, to);
  } else if (how.affine()) {
    const AffineMap map = random_map(how, image, random);
    if (to) resample_image(image, to, map);
  } else {
    const auto step = [&] { return Offset(random.below(2 * how.shift + 1)) - Offset(how.shift); };
    const Offset down = step(), right = step();
    const bool mirrored = random.below(2) == 1 && how.flip;
    if (to) shift_image(image, to, down, right, mirrored);
  }
  if (how.erase > 0 && random.below(2) == 1) erase_rectangle(to, image, how.erase, random);
}

Array<float> augment(const Array<float>& images, const Augmentation& how, Generator& random) {
  require(images.dimension() == 4, "augment: images are ", images.shape(), "; need (B, H, W, C)");
  const std::size_t count = images.shape(0), height = images.shape(1), width = images.shape(2),
                    channels = images.shape(3), size = height * width * channels;
  require(how.shift < height && how.shift < width, "augment: a shift of ", how.shift,
          " would empty images of ", height, " x ", width);
  require(how.scale >= 0 && how.scale < 1, "augment: need 0 <= scale < 1, got ", how.scale);
  require(how.erase >= 0 && how.erase < 1, "augment: need 0 <= erase < 1, got ", how.erase);
  if (how.nothing()) return images;
  Array<float> result = uninitialized<float>(images.shape());
  for (std::size_t i = 0; i < count; ++i) {
    augment_image(images.data() + i * size, result.data() + i * size, height, width, channels, how,
                  random);
  }
  return result;
}

Array<float> mirrored(const Array<float>& images) {
  require(images.dimension() == 4, "mirrored: images are ", images.shape(), "; need (B, H, W, C)");
  // One above the other they are one tall picture.
  const Picture tall{images.data(), Offset(images.shape(0) * images.shape(1)),
                     Offset(images.shape(2)), Offset(images.shape(3))};
  Array<float> result = uninitialized<float>(images.shape());
  shift_image(tall, result.data(), 0, 0, /*mirrored=*/true);
  return result;
}

}  // namespace tapesort
