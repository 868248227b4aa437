// The layer that most small networks for images are made of, as one operator.
#pragma once

#include "engine/dual.hpp"
#include "ops/conv/conv.hpp"

namespace tapesort {

// max_pool2d(relu(conv2d(x, weight, bias, options)), 2, 2): x (N, H, W, C), weight (KH, KW, C, O),
// bias (O) -> (N, H' / 2, W' / 2, O), rounded down, with H' and W' of conv2d's result. The same
// value and gradient up to rounding, but
//   - what the convolution gives is never stored: of each four pixels only the largest is kept, and
//     which of them it was;
//   - its cotangent, which is zero in three of four places and where the result is 0, is visited
//     only where it is not (sparse.hpp). Beside an infinite one a pixel's may be NaN.
// With the three operators in its place a training step takes twice as long at
// `tapesort bench train --row knn-100` and at `--row sort-100`, one thread.
// std::invalid_argument as conv2d, or when the convolution gives less than 2 x 2 pixels.
template <class T>
FirstOrder<T> conv2d_relu_pool(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                               const Conv2dOptions& options = {});

}  // namespace tapesort
