// The extents of a convolution, checked once.
#pragma once

#include "engine/check.hpp"
#include "ops/conv/conv.hpp"

namespace tapesort::detail {

struct ConvGeometry {
  std::size_t n, h, w, c;  // x
  std::size_t kh, kw, o;   // weight is (kh, kw, c, o)
  std::size_t oh, ow;      // y is (n, oh, ow, o)
  std::size_t stride, padding;

  ConvGeometry(const char* op, const Shape& x, const Shape& weight, const Shape& bias,
               const Conv2dOptions& options)
      : stride(options.stride), padding(options.padding) {
    require(x.size() == 4, op, ": x must be (N, H, W, C), its shape is ", x);
    require(weight.size() == 4, op, ": weight must be (KH, KW, C, O), its shape is ", weight);
    require(x[3] == weight[2], op, ": channels differ: x is ", x, ", weight is ", weight,
            "; need x.shape[3] == weight.shape[2]");
    require(bias.size() == 1 && bias[0] == weight[3], op, ": bias is ", bias, ", weight is ",
            weight, "; need bias of shape (", weight[3], ")");
    require(stride >= 1, op, ": stride must be >= 1, got 0");
    constexpr std::size_t most = std::size_t{1} << 31;  // far from what sums could overflow at
    require(stride <= most && padding <= most, op, ": stride and padding must be <= ", most,
            ", got ", stride, " and ", padding);
    require(weight[0] >= 1 && weight[1] >= 1 && weight[3] >= 1, op, ": weight is ", weight,
            "; need a kernel of at least 1 x 1 and an output channel");
    n = x[0], h = x[1], w = x[2], c = x[3];
    kh = weight[0], kw = weight[1], o = weight[3];
    require(kh <= h + 2 * padding && kw <= w + 2 * padding, op, ": the kernel of weight ", weight,
            " is larger than the image of x ", x, " with padding ", padding);
    oh = (h + 2 * padding - kh) / stride + 1;
    ow = (w + 2 * padding - kw) / stride + 1;
  }

  Shape x_shape() const { return {n, h, w, c}; }
  Shape weight_shape() const { return {kh, kw, c, o}; }
  Shape y_shape() const { return {n, oh, ow, o}; }
};

}  // namespace tapesort::detail
