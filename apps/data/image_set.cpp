#include "apps/data/image_set.hpp"

#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "ops/axis.hpp"

namespace tapesort {
namespace {

Shape batch_shape(const ImageSet& set, std::size_t count) {
  return {count, set.height(), set.width(), set.channels()};
}

// Converts the images at(0) .. at(count - 1).
template <class At> Array<float> gather(const ImageSet& set, std::size_t count, const At& at) {
  Array<float> batch = uninitialized<float>(batch_shape(set, count));
  const std::size_t size = set.image_size();
  const std::size_t grain = 1 + (std::size_t{1} << 18) / std::max<std::size_t>(1, size);
  parallel_each(count, grain,
                [&](std::size_t i) { to_floats(set.image(at(i)), size, batch.data() + i * size); });
  return batch;
}

void check(const char* op, const ImageSet& set, const Indices& which) {
  check_indices(op, which, set.size(), set.pixels.shape());
}

}  // namespace

void to_floats(const std::uint8_t* bytes, std::size_t count, float* floats) {
  for (std::size_t i = 0; i < count; ++i) floats[i] = float(bytes[i]) / 255.0f;
}

Array<float> images(const ImageSet& set, const Indices& which) {
  check("images", set, which);
  return gather(set, which.size(), [&](std::size_t i) { return std::size_t(which.data()[i]); });
}

Array<float> images(const ImageSet& set, std::size_t begin, std::size_t end) {
  require(begin <= end && end <= set.size(), "images: ", begin, " .. ", end,
          " is not a part of 0 .. ", set.size());
  return gather(set, end - begin, [&](std::size_t i) { return begin + i; });
}

Array<float> images(const ImageSet& set) { return images(set, 0, set.size()); }

Indices labels(const ImageSet& set, const Indices& which) {
  check("labels", set, which);
  Indices result = uninitialized<Index>({which.size()});
  std::transform(which.data(), which.data() + which.size(), result.data(),
                 [&](Index i) { return set.labels.data()[i]; });
  return result;
}

ImageSet select(const ImageSet& set, const Indices& which) {
  check("select", set, which);
  ImageSet chosen{uninitialized<std::uint8_t>(batch_shape(set, which.size())), labels(set, which)};
  for (std::size_t i = 0; i < which.size(); ++i) {
    std::copy_n(set.image(std::size_t(which.data()[i])), set.image_size(),
                chosen.pixels.data() + i * set.image_size());
  }
  return chosen;
}

Split split(const ImageSet& set, std::size_t validation_count, Generator& random) {
  require(validation_count < set.size(), "split: cannot take ", validation_count,
          " images for validation from ", set.size(), "; some must be left for training");
  const Indices order = random.permutation(set.size());
  const auto part = [&](std::size_t begin, std::size_t end) {
    Indices which = uninitialized<Index>({end - begin});
    std::copy(order.data() + begin, order.data() + end, which.data());
    return select(set, which);
  };
  return {part(validation_count, set.size()), part(0, validation_count)};
}

}  // namespace tapesort
