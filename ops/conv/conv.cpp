#include "ops/conv/conv.hpp"

#include "ops/conv/batch.hpp"

namespace tapesort {

Conv2dOptions Conv2dOptions::same(std::size_t kernel) {
  require(kernel % 2 == 1, "Conv2dOptions::same: the kernel must be odd, got ", kernel);
  return {1, kernel / 2};
}

template <class T>
Var<T> conv2d(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
              const Conv2dOptions& options) {
  const ConvGeometry g("conv2d", x.shape(), weight.shape(), bias.shape(), options);
  Array<T> y = convolve_forward(g, x.value(), weight.value(), bias.value());
  return record("conv2d", {x, weight, bias}, std::move(y), [g](Node<T>& y) {
    const Var<T>&x = y.input(0), weight = y.input(1), bias = y.input(2);
    const Array<T>& ybar = y.cotangent();
    if (x.needs_grad()) accumulate(x, input_gradient(g, weight.value(), images_of(ybar)));
    if (weight.needs_grad()) accumulate(weight, weight_gradient(g, x.value(), images_of(ybar)));
    if (bias.needs_grad()) accumulate(bias, bias_gradient(g, ybar));
  });
}

template <class T>
Var<T> conv2d(const Var<T>& x, const Var<T>& weight, const Conv2dOptions& options) {
  const Shape& shape = weight.shape();
  return conv2d(x, weight, constant(zeros<T>({shape.empty() ? 0 : shape.back()})), options);
}

#define INSTANTIATE(T)                                                                       \
  template Var<T> conv2d(const Var<T>&, const Var<T>&, const Var<T>&, const Conv2dOptions&); \
  template Var<T> conv2d(const Var<T>&, const Var<T>&, const Conv2dOptions&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
