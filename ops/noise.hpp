// Noise of a standard law. Always finite, and with the whole range of the law in float, too.
#pragma once

#include "engine/random.hpp"

namespace tapesort {

// Exponential: -log u, with u uniform.
template <class T> Array<T> exponential_noise(const Shape& shape, Generator& random);

// Gumbel: -log(-log u).
template <class T> Array<T> gumbel_noise(const Shape& shape, Generator& random);

}  // namespace tapesort
