#include "apps/data/digit_sets.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <string>

#include "apps/data/augment.hpp"
#include "apps/data/prefetch.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "no_threads.hpp"
#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// Three images of 2 x 1 pixels of each digit d: (10 d + which, 255).
ImageSet two_pixel_digits() {
  ImageSet set{uninitialized<std::uint8_t>({30, 2, 1, 1}), uninitialized<Index>({30})};
  for (std::size_t i = 0; i < 30; ++i) {
    set.labels(i) = Index(i % 10);
    set.pixels(i, 0, 0, 0) = std::uint8_t(10 * (i % 10) + i / 10);
    set.pixels(i, 1, 0, 0) = 255;
  }
  return set;
}

}  // namespace

TEST_CASE("a number's digits stand one above the other, the most significant on top") {
  const DigitPool pool(two_pixel_digits());
  Generator random(5);
  const DigitSets batch = draw_digit_sets(pool, 40, 5, 4, random);
  CHECK(batch.images.shape() == Shape{200, 8, 1, 1});
  CHECK(batch.labels.shape() == Shape{40, 5});
  std::vector<bool> seen(100);
  for (std::size_t i = 0; i < 200; ++i) {
    const Index label = batch.labels.data()[i];
    Index read = 0;
    for (std::size_t d = 0; d < 4; ++d) {
      const int pixel = int(std::lround(batch.images(i, 2 * d, 0, 0) * 255));
      CHECK(batch.images(i, 2 * d + 1, 0, 0) == 1.0f);
      seen[std::size_t(pixel)] = true;
      read = 10 * read + pixel / 10;
    }
    CHECK(read == label);
  }
  CHECK(std::count(seen.begin(), seen.end(), true) == 30);  // every image is used
}

TEST_CASE("numbers are uniform, and the generator alone decides, on any number of threads") {
  const DigitPool pool(two_pixel_digits());
  Generator random(1);
  std::vector<double> counts(10);
  const std::size_t numbers = 20000;
  for (const Index label : draw_digit_sets(pool, numbers, 1, 1, random).labels)
    ++counts[std::size_t(label)];
  double chi2 = 0;
  for (const double count : counts) chi2 += (count - 2000) * (count - 2000) / 2000;
  CHECK(chi2 < 33.7);  // 9 degrees of freedom: exceeded once in 10,000 seeds

  const int before = threads();
  std::vector<DigitSets> batches;
  for (const int count : {1, 3}) {
    set_threads(count);
    Generator same(7);
    batches.push_back(draw_digit_sets(pool, 20, 5, 4, same));
  }
  set_threads(before);
  CHECK(batches[0].images == batches[1].images);
  CHECK(batches[0].labels == batches[1].labels);
  Generator other(8);
  CHECK(draw_digit_sets(pool, 20, 5, 4, other).labels != batches[0].labels);
}

TEST_CASE("a part of the sets is the same as within all, and the generator goes on alike") {
  const DigitPool pool(two_pixel_digits());
  for (const auto& entry : augmentations()) {
    const Augmentation& how = entry.second;
    CAPTURE(entry.first);
    Generator random(3), again(3);
    const DigitSets all = draw_digit_sets(pool, 6, 5, 2, random, how);
    const DigitSets part = draw_digit_sets(pool, 6, 5, 2, again, how, Part(2, 5));
    REQUIRE(part.labels.shape() == Shape{3, 5});
    REQUIRE(part.images.shape() == Shape{15, 4, 1, 1});
    CHECK(std::equal(part.labels.begin(), part.labels.end(), &all.labels(2, 0)));
    CHECK(std::equal(part.images.begin(), part.images.end(), &all.images(10, 0, 0, 0)));
    CHECK(random.below(1u << 30) == again.below(1u << 30));
    CHECK(draw_digit_sets(pool, 6, 5, 2, again, how, Part(4, 4)).images.size() == 0);
  }
  Generator random(3);
  CHECK(error_of([&] { draw_digit_sets(pool, 2, 1, 1, random, {}, Part(1, 3)); }) ==
        "invalid_argument: draw_digit_sets: there are 2 sets; the part is [1, 3)");
}

TEST_CASE("a pool needs every digit and nothing else") {
  ImageSet set = two_pixel_digits();
  for (Index& label : set.labels) label = label == 7 ? 6 : label;
  CHECK(error_of([&] { DigitPool pool(set); }) ==
        "invalid_argument: DigitPool: no image of digit 7; need at least one of each of 0 .. 9");
  set.labels(3) = 10;
  CHECK(error_of([&] { DigitPool pool(set); }) ==
        "invalid_argument: DigitPool: label 10 at position 3 is no digit; need 0 .. 9");
  const DigitPool pool(two_pixel_digits());
  Generator random(0);
  CHECK(error_of([&] { draw_digit_sets(pool, 1, 1, 0, random); }) ==
        "invalid_argument: draw_digit_sets: need 1 <= digits <= 18, got 0");
  CHECK(draw_digit_sets(pool, 1, 2, 18, random).images.shape() == Shape{2, 36, 1, 1});
}

TEST_CASE("batches come in order, and a resumed run sees the same ones") {
  const DigitPool pool(two_pixel_digits());
  const Generator seed(11);
  const auto make = [&](std::uint64_t i) {
    Generator random = seed.split(i);
    return draw_digit_sets(pool, 2, 3, 2, random);
  };
  std::vector<DigitSets> all;
  Prefetch<DigitSets> from_start(make);
  for (int i = 0; i < 50; ++i) all.push_back(from_start.next());
  CHECK(from_start.position() == 50);
  for (const std::size_t ahead : {0, 1, 7}) {
    Prefetch<DigitSets> resumed(make, 20, ahead);
    for (std::size_t i = 20; i < 50; ++i) {
      CHECK(resumed.position() == i);
      const DigitSets& batch = resumed.next();
      CHECK(batch.labels == all[i].labels);
      CHECK(batch.images == all[i].images);
    }
  }
}

TEST_CASE("prefetching stays within its bound, and returns used batches to its own thread") {
  struct Batch {
    std::unique_ptr<std::thread::id> maker;
    std::atomic<int>* foreign;
    Batch(std::thread::id id, std::atomic<int>* count)
        : maker(new std::thread::id(id)), foreign(count) {}
    Batch(Batch&&) = default;
    Batch& operator=(Batch&&) = default;
    ~Batch() {
      if (maker && *maker != std::this_thread::get_id()) ++*foreign;
    }
  };
  std::atomic<int> foreign{0}, asked{0}, most_ahead{0};
  {
    Prefetch<Batch> batches(
        [&](std::uint64_t i) {
          most_ahead = std::max(most_ahead.load(), int(i) - asked.load());
          return Batch(std::this_thread::get_id(), &foreign);
        },
        0, 3);
    for (int i = 0; i < 100; ++i) {
      batches.next();
      ++asked;
    }
    CHECK(foreign == 0);
  }
  // Batch i is begun when fewer than three wait; `asked` may lag one behind next().
  CHECK(most_ahead <= 3);
}

TEST_CASE("where no thread can be made, batches are made when they are asked for") {
  const auto make = [](std::uint64_t i) {
    require(i < 5, "batch ", i, " cannot be made");
    return std::make_pair(i, std::this_thread::get_id());
  };
  const NoThreads none;
  const StderrText text;
  Prefetch<std::pair<std::uint64_t, std::thread::id>> batches(make, 2);
  CHECK(text.get() ==
        "tapesort: no thread to prepare batches on (Resource temporarily unavailable); going on "
        "without\n");
  for (std::uint64_t i = 2; i < 5; ++i) {
    CHECK(batches.position() == i);
    CHECK(batches.next() == std::make_pair(i, std::this_thread::get_id()));
  }
  const auto next = [&] { batches.next(); };
  CHECK(error_of(next) == "invalid_argument: batch 5 cannot be made");
  CHECK(error_of(next) == "invalid_argument: batch 5 cannot be made");
}

TEST_CASE("what goes wrong in the making is thrown at its place, and again") {
  Prefetch<int> batches([](std::uint64_t i) {
    require(i < 2, "batch ", i, " cannot be made");
    return int(10 * i);
  });
  CHECK(batches.next() == 0);
  CHECK(batches.next() == 10);
  const auto next = [&] { batches.next(); };
  CHECK(error_of(next) == "invalid_argument: batch 2 cannot be made");
  CHECK(error_of(next) == "invalid_argument: batch 2 cannot be made");
}

TEST_CASE("augmenting shifts and mirrors, every way equally often") {
  // One bright pixel at row 2, column 1 of 5 x 4, two channels.
  const std::size_t count = 4000;
  Array<float> images = zeros<float>({count, 5, 4, 2});
  for (std::size_t i = 0; i < count; ++i) images(i, 2, 1, 0) = 1, images(i, 2, 1, 1) = 2;
  Generator random(2);
  const Array<float> moved = augment(images, {1, true}, random);
  std::vector<double> places(20);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t p = 0; p < 20; ++p) {
      const float first = moved(i, p / 4, p % 4, 0);
      CHECK(moved(i, p / 4, p % 4, 1) == 2 * first);
      places[p] += first;
    }
  }
  // Column 1 or, mirrored, 2; then -1 .. 1: columns 0 .. 3 in the ratio 1 : 2 : 2 : 1, rows 1 .. 3
  // alike.
  double chi2 = 0, total = 0;
  for (std::size_t p = 0; p < 20; ++p) {
    const std::size_t row = p / 4, column = p % 4;
    const bool reached = row >= 1 && row <= 3;
    const double expected = reached ? count / 3.0 * (column == 0 || column == 3 ? 1 : 2) / 6.0 : 0;
    if (reached) {
      chi2 += (places[p] - expected) * (places[p] - expected) / expected;
    } else {
      CHECK(places[p] == 0);
    }
    total += places[p];
  }
  CHECK(total == count);
  CHECK(chi2 < 37.4);  // 11 degrees of freedom: exceeded once in 10,000 seeds
}

TEST_CASE("each digit of a number is augmented by a draw of its own, the number stays") {
  const DigitPool pool(two_pixel_digits());
  Generator plain_random(3), random(3);
  const DigitSets plain = draw_digit_sets(pool, 50, 2, 2, plain_random);
  const DigitSets moved = draw_digit_sets(pool, 50, 2, 2, random, {0, false, 0, 0.5, 0});
  CHECK(moved.images.shape() == plain.images.shape());
  // A digit d has two pixels, the second 1: a change of height mixes the two, or lets zeros in.
  std::size_t changed = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    for (std::size_t digit = 0; digit < 2; ++digit) {
      changed += moved.images(i, 2 * digit + 1, 0, 0) != 1.0f;
      CHECK(moved.images(i, 2 * digit + 1, 0, 0) > 0.5f);
    }
  }
  CHECK(changed > 190);
}

TEST_CASE("an affine change moves the picture as a whole, about its middle") {
  // A smooth hill on 21 x 21: its sum, its centre and its width tell what was done to it.
  const std::size_t size = 21;
  Array<float> image = zeros<float>({1, size, size, 1});
  const auto hill = [](double y, double x) { return std::exp(-(y * y / 8 + x * x / 18)); };
  for (std::size_t y = 0; y < size; ++y) {
    for (std::size_t x = 0; x < size; ++x)
      image(0, y, x, 0) = float(hill(double(y) - 10.0, double(x) - 10.0));
  }
  struct Moments {
    double sum = 0, y = 0, x = 0, yy = 0, xx = 0, yx = 0;
  };
  const auto moments = [&](const Array<float>& picture) {
    Moments m;
    for (std::size_t y = 0; y < size; ++y) {
      for (std::size_t x = 0; x < size; ++x) {
        const double p = picture(0, y, x, 0);
        m.sum += p, m.y += p * (double(y) - 10.0), m.x += p * (double(x) - 10.0);
      }
    }
    m.y /= m.sum, m.x /= m.sum;
    for (std::size_t y = 0; y < size; ++y) {
      for (std::size_t x = 0; x < size; ++x) {
        const double p = picture(0, y, x, 0) / m.sum, dy = double(y) - 10.0 - m.y,
                     dx = double(x) - 10.0 - m.x;
        m.yy += p * dy * dy, m.xx += p * dx * dx, m.yx += p * dy * dx;
      }
    }
    return m;
  };
  const Moments before = moments(image);
  Generator random(5);
  double most_tilt = 0, most_growth = 0, most_slant = 0, most_shift = 0;
  for (int i = 0; i < 200; ++i) {
    // Rotation keeps the sum and the trace of the second moments, and turns their axes.
    const Moments turned = moments(augment(image, {0, false, 15, 0, 0}, random));
    CHECK(turned.sum == doctest::Approx(before.sum).epsilon(0.01));
    CHECK(turned.yy + turned.xx == doctest::Approx(before.yy + before.xx).epsilon(0.05));
    const double tilt = std::atan2(2 * turned.yx, turned.yy - turned.xx);
    const double degrees = 90 - std::abs(tilt) * 90 / std::acos(-1.0);
    most_tilt = std::max(most_tilt, degrees);
    // Scale: the sum grows with the area, the centre stays.
    const Moments grown = moments(augment(image, {0, false, 0, 0.2, 0}, random));
    CHECK(std::abs(grown.y) + std::abs(grown.x) < 0.01);
    most_growth = std::max(most_growth, grown.sum / before.sum);
    // Shear leaves rows where they are: the vertical width stays, the two directions correlate.
    const Moments slanted = moments(augment(image, {0, false, 0, 0, 0.3}, random));
    CHECK(slanted.yy == doctest::Approx(before.yy).epsilon(0.01));
    most_slant = std::max(most_slant, std::abs(slanted.yx) / before.yy);
    // Shift by fractions, within the range.
    const Moments shifted = moments(augment(image, {2, false, 1e-9, 0, 0}, random));
    CHECK(shifted.sum == doctest::Approx(before.sum).epsilon(0.01));
    most_shift = std::max({most_shift, std::abs(shifted.y), std::abs(shifted.x)});
  }
  CHECK(most_tilt == doctest::Approx(15).epsilon(0.1));
  CHECK(most_growth == doctest::Approx(1.44).epsilon(0.1));
  CHECK(most_slant == doctest::Approx(0.3).epsilon(0.1));
  CHECK(most_shift == doctest::Approx(2).epsilon(0.05));
  CHECK(error_of([&] {
          augment(image, {0, false, 0, 1, 0}, random);
        }) == "invalid_argument: augment: need 0 <= scale < 1, got 1");
}

TEST_CASE(
    "erasing writes noise into a rectangle of the size that was asked for, in half of the images") {
  const std::size_t count = 2000, side = 20;
  const Array<float> images = full<float>({count, side, side, 1}, -1.0f);
  Generator random(7);
  Augmentation how;
  how.erase = 0.33;
  const Array<float> seen = augment(images, how, random);
  std::size_t erased = 0;
  double smallest = 1, largest = 0, noise = 0, pixels = 0, tallest = 0, widest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t top = side, bottom = 0, left = side, right = 0, inside = 0;
    for (std::size_t y = 0; y < side; ++y) {
      for (std::size_t x = 0; x < side; ++x) {
        if (seen(i, y, x, 0) == -1.0f) continue;
        top = std::min(top, y), bottom = std::max(bottom, y + 1);
        left = std::min(left, x), right = std::max(right, x + 1);
        noise += double(seen(i, y, x, 0));
        ++inside;
      }
    }
    if (inside == 0) continue;
    ++erased;
    pixels += double(inside);
    CHECK(inside == (bottom - top) * (right - left));  // a rectangle, all of it
    const double area = double(inside) / double(side * side);
    smallest = std::min(smallest, area), largest = std::max(largest, area);
    const double shape = double(bottom - top) / double(right - left);
    tallest = std::max(tallest, shape), widest = std::max(widest, 1 / shape);
  }
  CHECK(std::abs(double(erased) - 1000) < 4 * std::sqrt(500.0));
  CHECK(smallest < 0.03);
  CHECK(largest == doctest::Approx(0.33).epsilon(0.1));
  CHECK(noise / pixels == doctest::Approx(0.5).epsilon(0.01));
  CHECK(tallest > 2);
  CHECK(widest > 2);
  CHECK(error_of([&] {
          how.erase = 1;
          augment(images, how, random);
        }) == "invalid_argument: augment: need 0 <= erase < 1, got 1");
}

TEST_CASE("mirrored exchanges left and right, and twice is nothing") {
  const Array<float> image = with_shape(Array<float>{1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 2, 2});
  CHECK(mirrored(image) == with_shape(Array<float>{3, 4, 1, 2, 7, 8, 5, 6}, {1, 2, 2, 2}));
  CHECK(mirrored(mirrored(image)) == image);
  CHECK(error_of([&] {
          mirrored(zeros<float>({2, 2}));
        }) == "invalid_argument: mirrored: images are (2, 2); need (B, H, W, C)");
}

TEST_CASE("augmenting moves zeros in at the edge, and does nothing unless asked") {
  const Array<float> image = with_shape(Array<float>{1, 2, 3, 4}, {1, 2, 2, 1});
  Generator random(0);
  CHECK(augment(image, {}, random) == image);
  CHECK(random.position() == 0);
  bool up_left = false;
  for (int i = 0; i < 200; ++i) {
    up_left = up_left || augment(image, {1, false}, random) ==
                             with_shape(Array<float>{4, 0, 0, 0}, {1, 2, 2, 1});
  }
  CHECK(up_left);
  CHECK(error_of([&] {
          augment(image, {2, false}, random);
        }) == "invalid_argument: augment: a shift of 2 would empty images of 2 x 2");
  CHECK(error_of([&] {
          augment(zeros<float>({2, 2}), {1, false}, random);
        }) == "invalid_argument: augment: images are (2, 2); need (B, H, W, C)");
}
