// Two-dimensional convolution of channels-last images, (N, H, W, C): the channels of a pixel stand
// side by side in memory.
//
//   y[n, i, j, o] = b[o] + sum over k, l, c of x[n, s i + k - p, s j + l - p, c] w[k, l, c, o]
//
// with stride s, x = 0 outside the image (p zeros on every side), and
// H' = (H + 2 p - KH) / s + 1, W' likewise, rounded down. As everywhere in this field it is a
// correlation: w is not flipped.
#pragma once

#include "engine/dual.hpp"
#include "engine/tape.hpp"

namespace tapesort {

struct Conv2dOptions {
  std::size_t stride = 1;
  std::size_t padding = 0;

  // The padding that keeps height and width at stride 1. std::invalid_argument unless `kernel`,
  // the weight's height and width, is odd.
  static Conv2dOptions same(std::size_t kernel);
};

// x (N, H, W, C), weight (KH, KW, C, O), bias (O) -> (N, H', W', O).
//
//   xbar[n, s i + k - p, s j + l - p, c]  += ybar[n, i, j, o] w[k, l, c, o]
//   wbar[k, l, c, o]                      += ybar[n, i, j, o] x[n, s i + k - p, s j + l - p, c]
//   bbar[o]                               += ybar[n, i, j, o]
//
// 3 x 3 and 5 x 5 weights at stride 1 may go Winograd's way (README.md, section 2): a pixel that is not
// finite then makes results up to five pixels away NaN, too, and results within a factor of 1e4 of the
// type's largest number may overflow.
// std::invalid_argument on shapes that do not fit, stride 0, or a kernel larger than the padded
// image.
template <class T>
FirstOrder<T> conv2d(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                     const Conv2dOptions& options = {});

// Without a bias.
template <class T>
FirstOrder<T> conv2d(const Var<T>& x, const Var<T>& weight, const Conv2dOptions& options = {});

// The same function by one plain seven-fold loop, for reading and for comparing.
template <class T>
Var<T> conv2d_reference(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                        const Conv2dOptions& options = {});

}  // namespace tapesort
