#include "apps/data/digit_sets.hpp"

#include "engine/check.hpp"

namespace tapesort {

DigitPool::DigitPool(ImageSet set, const std::string& name) : set_(std::move(set)), by_class_(10) {
  for (std::size_t i = 0; i < set_.size(); ++i) {
    const Index label = set_.labels.data()[i];
    require(label >= 0 && label < 10, name, ": label ", label, " at position ", i,
            " is no digit; need 0 .. 9");
    by_class_[std::size_t(label)].push_back(i);
  }
  for (std::size_t digit = 0; digit < 10; ++digit) {
    require(!by_class_[digit].empty(), name, ": no image of digit ", digit,
            "; need at least one of each of 0 .. 9");
  }
}

DigitSets draw_digit_sets(const DigitPool& pool, std::size_t sets, std::size_t n,
                          std::size_t digits, Generator& random, const Augmentation& augmentation) {
  require(digits >= 1 && digits <= 18, "draw_digit_sets: need 1 <= digits <= 18, got ", digits);
  const ImageSet& set = pool.set();
  const std::size_t size = set.image_size();
  DigitSets batch{
      uninitialized<float>({sets * n, digits * set.height(), set.width(), set.channels()}),
      uninitialized<Index>({sets, n})};
  std::uint64_t end = 1;  // 10^digits
  for (std::size_t d = 0; d < digits; ++d) end *= 10;

  std::vector<float> image(size);
  for (std::size_t i = 0; i < sets * n; ++i) {
    const std::uint64_t number = random.below(end);
    batch.labels.data()[i] = Index(number);
    // Rows come first in memory, so pictures one above the other are one after the other.
    float* to = batch.images.data() + i * digits * size;
    for (std::uint64_t place = end / 10; place > 0; place /= 10, to += size) {
      const std::vector<std::size_t>& choice = pool.images_of(number / place % 10);
      to_floats(set.image(choice[random.below(choice.size())]), size, image.data());
      augment_image(image.data(), to, set.height(), set.width(), set.channels(), augmentation,
                    random);
    }
  }
  return batch;
}

}  // namespace tapesort
