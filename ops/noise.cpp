#include "ops/noise.hpp"

#include "engine/instantiate.hpp"
#include "ops/map.hpp"

namespace tapesort {
namespace {

// In double, so that float noise has the whole range, too.
Array<double> standard_exponentials(const Shape& shape, Generator& random) {
  return map(random.uniform<double>(shape), [](auto u) {
    const auto e = -simd::log1p(-u);
    // u = 0 would give 0, and Gumbel noise its infinity
    return simd::select(e < 0x1p-54, 0x1p-54, e);
  });
}

}  // namespace

template <class T> Array<T> exponential_noise(const Shape& shape, Generator& random) {
  return convert<T>(standard_exponentials(shape, random));
}

template <class T> Array<T> gumbel_noise(const Shape& shape, Generator& random) {
  return convert<T>(
      map(standard_exponentials(shape, random), [](auto e) { return -simd::log(e); }));
}

INSTANTIATE(exponential_noise)
INSTANTIATE(gumbel_noise)

}  // namespace tapesort
