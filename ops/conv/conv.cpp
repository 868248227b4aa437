#include "ops/conv/conv.hpp"

#include "engine/broadcast.hpp"
#include "engine/instantiate.hpp"
#include "ops/conv/batch.hpp"

namespace tapesort {

Conv2dOptions Conv2dOptions::same(std::size_t kernel) {
  require(kernel % 2 == 1, "Conv2dOptions::same: the kernel must be odd, got ", kernel);
  return {1, kernel / 2};
}

template <class T>
FirstOrder<T> conv2d(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                     const Conv2dOptions& options) {
  const detail::ConvGeometry g("conv2d", x.shape(), weight.shape(), bias.shape(), options);
  Array<T> y = detail::convolve_forward(g, x.value(), weight.value(), bias.value());
  return record("conv2d", {x, weight, bias}, std::move(y), [g](Node<T>& y) {
    const Var<T>&x = y.input(0), weight = y.input(1), bias = y.input(2);
    const Array<T>& ybar = y.cotangent();
    const auto images = detail::images_of(ybar);
    if (x.needs_grad()) accumulate(x, detail::input_gradient(g, weight.value(), images));
    if (weight.needs_grad()) accumulate(weight, detail::weight_gradient(g, x.value(), images));
    if (bias.needs_grad()) accumulate(bias, sum_to_shape(ybar, {g.o}));
  });
}

template <class T>
FirstOrder<T> conv2d(const Var<T>& x, const Var<T>& weight, const Conv2dOptions& options) {
  const Shape& shape = weight.shape();
  return conv2d(x, weight, constant(zeros<T>({shape.empty() ? 0 : shape.back()})), options);
}

INSTANTIATE_OVERLOAD(conv2d,
                     Var<T>(const Var<T>&, const Var<T>&, const Var<T>&, const Conv2dOptions&))
INSTANTIATE_OVERLOAD(conv2d, Var<T>(const Var<T>&, const Var<T>&, const Conv2dOptions&))

}  // namespace tapesort
