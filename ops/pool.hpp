// Pooling of channels-last images: x (N, H, W, C) -> (N, H', W', C), each output from a window of
// `window` x `window` pixels, `stride` apart; H' = (H - window) / stride + 1, rounded down, so that
// pixels beyond the last full window are not looked at. Windows may overlap.
// The mean over all pixels of an image is mean(x, {1, 2}).
#pragma once

#include "engine/dual.hpp"
#include "engine/tape.hpp"

namespace tapesort {

// y = the window's largest element; a NaN counts as largest.
//   xbar  to that element, to the first one (rows first) where several are largest
// std::invalid_argument unless x is 4-d, window and stride >= 1, and a window fits.
template <class T>
FirstOrder<T> max_pool2d(const Var<T>& x, std::size_t window, std::size_t stride);

// y = the window's mean.
//   xbar  ybar / window^2 to each element
// Errors as for max_pool2d.
template <class T>
FirstOrder<T> avg_pool2d(const Var<T>& x, std::size_t window, std::size_t stride);

}  // namespace tapesort
