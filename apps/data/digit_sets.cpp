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
                          std::size_t digits, Generator& random, const Augmentation& augmentation,
                          std::optional<Part> part) {
  require(digits >= 1 && digits <= 18, "draw_digit_sets: need 1 <= digits <= 18, got ", digits);
  const ImageSet& set = pool.set();
  const std::size_t size = set.image_size();
  const auto [first, last] = part.value_or(Part(0, sets));
  require(first <= last && last <= sets, "draw_digit_sets: there are ", sets,
          " sets; the part is [", first, ", ", last, ")");
  const std::size_t made = (last - first) * n;  // numbers
  DigitSets batch{uninitialized<float>({made, digits * set.height(), set.width(), set.channels()}),
                  uninitialized<Index>({last - first, n})};
  std::uint64_t end = 1;  // 10^digits
  for (std::size_t d = 0; d < digits; ++d) end *= 10;

  std::vector<float> image(size);
  // Rows come first in memory, so pictures one above the other are one after the other.
  float* next = batch.images.data();
  for (std::size_t i = 0; i < sets * n; ++i) {
    const std::uint64_t number = random.below(end);
    const bool wanted = first * n <= i && i < last * n;
    if (wanted) batch.labels.data()[i - first * n] = Index(number);
    for (std::uint64_t place = end / 10; place > 0; place /= 10) {
      const std::vector<std::size_t>& choice = pool.images_of(number / place % 10);
      const std::size_t chosen = choice[random.below(choice.size())];
      if (wanted) to_floats(set.image(chosen), size, image.data());
      augment_image(image.data(), wanted ? next : nullptr, set.height(), set.width(),
                    set.channels(), augmentation, random);
      if (wanted) next += size;
    }
  }
  return batch;
}

}  // namespace tapesort
