#include "engine/random.hpp"

#include <cmath>

#include "engine/check.hpp"
#include "engine/parallel.hpp"

namespace tapesort {
namespace {

constexpr std::size_t grain = 1 << 14;  // blocks a thread should at least have

std::uint64_t join(std::uint32_t high, std::uint32_t low) {
  return std::uint64_t(high) << 32 | low;
}

// 53 random bits to [0, 1).
double to_unit(std::uint64_t bits) { return double(bits >> 11) * 0x1p-53; }

}  // namespace

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::array<std::uint32_t, 4> c) {
  std::uint32_t k0 = std::uint32_t(key), k1 = std::uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {std::uint32_t(p1 >> 32) ^ c[1] ^ k0, std::uint32_t(p1),
         std::uint32_t(p0 >> 32) ^ c[3] ^ k1, std::uint32_t(p0)};
    k0 += 0x9E3779B9;  // golden ratio
    k1 += 0xBB67AE85;  // sqrt(3) - 1
  }
  return c;
}

// Numbers come from counters (position, 0, 0); keys of split streams from (label, 1, 0), so that
// the two never meet.
std::array<std::uint32_t, 4> Generator::block(std::uint64_t position) const {
  return philox(key_, {std::uint32_t(position), std::uint32_t(position >> 32), 0, 0});
}

Generator Generator::split(std::uint64_t label) const {
  const auto b = philox(key_, {std::uint32_t(label), std::uint32_t(label >> 32), 1, 0});
  return Generator(join(b[0], b[1]));
}

std::uint64_t Generator::bits() {
  const auto b = block(position_++);
  return join(b[0], b[1]);
}

double Generator::uniform() { return to_unit(bits()); }

std::uint64_t Generator::below(std::uint64_t end) {
  require(end >= 1, "Generator::below: need end >= 1, got 0");
  const std::uint64_t rejected = (0 - end) % end;  // 2^64 mod end; the rest divide evenly
  for (;;) {
    const std::uint64_t x = bits();
    if (x >= rejected) return x % end;
  }
}

// Elements 2 i and 2 i + 1 come from block i.
template <class T> Array<T> Generator::uniform(const Shape& shape, T low, T high) {
  require(std::isfinite(high - low) && low <= high, "uniform: need finite ", low, " <= ", high);
  Array<T> x = uninitialized<T>(shape);
  const std::size_t blocks = (x.size() + 1) / 2;
  parallel_each(blocks, grain, [&](std::size_t i) {
    const auto b = block(position_ + i);
    const double u[2] = {to_unit(join(b[0], b[1])), to_unit(join(b[2], b[3]))};
    for (std::size_t j = 0; j < 2 && 2 * i + j < x.size(); ++j) {
      // rounding to float may reach `high` itself
      const T value = low + (high - low) * static_cast<T>(u[j]);
      x.data()[2 * i + j] = value < high ? value : std::nextafter(high, low);
    }
  });
  position_ += blocks;
  return x;
}

template <class T> Array<T> Generator::normal(const Shape& shape, T mean, T deviation) {
  Array<T> x = uninitialized<T>(shape);
  const std::size_t blocks = (x.size() + 1) / 2;
  parallel_each(blocks, grain, [&](std::size_t i) {
    const auto b = block(position_ + i);
    const double u = 1.0 - to_unit(join(b[0], b[1]));  // (0, 1]: its logarithm is finite
    const double angle = 6.283185307179586 * to_unit(join(b[2], b[3]));
    const double radius = std::sqrt(-2.0 * std::log(u));
    const double z[2] = {radius * std::cos(angle), radius * std::sin(angle)};
    for (std::size_t j = 0; j < 2 && 2 * i + j < x.size(); ++j) {
      x.data()[2 * i + j] = mean + deviation * static_cast<T>(z[j]);
    }
  });
  position_ += blocks;
  return x;
}

Indices Generator::permutation(std::size_t n) {
  Indices order = uninitialized<Index>({n});
  for (std::size_t i = 0; i < n; ++i) order.data()[i] = Index(i);
  for (std::size_t i = n; i > 1; --i) std::swap(order.data()[i - 1], order.data()[below(i)]);
  return order;
}

template Array<float> Generator::uniform(const Shape&, float, float);
template Array<double> Generator::uniform(const Shape&, double, double);
template Array<float> Generator::normal(const Shape&, float, float);
template Array<double> Generator::normal(const Shape&, double, double);

}  // namespace tapesort
