// The definition of convolution as one loop. The product is linear in each operand, so the three
// things that there are to compute -- y, xbar and wbar -- are the same terms, each time added up in
// another place.
#include "engine/instantiate.hpp"
#include "ops/conv/geometry.hpp"

namespace tapesort {
namespace {

using detail::ConvGeometry;

// Calls f(position in x, position in weight, position in y) for every term of the sum.
template <class F> void for_each_term(const ConvGeometry& g, const F& f) {
  for (std::size_t n = 0; n < g.n; ++n) {
    for (std::size_t i = 0; i < g.oh; ++i) {
      for (std::size_t j = 0; j < g.ow; ++j) {
        for (std::size_t k = 0; k < g.kh; ++k) {
          for (std::size_t l = 0; l < g.kw; ++l) {
            // In the image; for a row or column of padding the subtraction wraps around to huge.
            const std::size_t row = i * g.stride + k - g.padding;
            const std::size_t column = j * g.stride + l - g.padding;
            if (row >= g.h || column >= g.w) continue;
            for (std::size_t c = 0; c < g.c; ++c) {
              for (std::size_t o = 0; o < g.o; ++o) {
                f(((n * g.h + row) * g.w + column) * g.c + c, ((k * g.kw + l) * g.c + c) * g.o + o,
                  ((n * g.oh + i) * g.ow + j) * g.o + o);
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace

template <class T>
Var<T> conv2d_reference(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                        const Conv2dOptions& options) {
  const ConvGeometry g("conv2d_reference", x.shape(), weight.shape(), bias.shape(), options);
  Array<T> y = uninitialized<T>(g.y_shape());
  for (std::size_t i = 0; i < y.size(); ++i) y.data()[i] = bias.value().data()[i % g.o];
  const T *xs = x.value().data(), *ws = weight.value().data();
  for_each_term(g, [xs, ws, ys = y.data()](std::size_t ix, std::size_t iw, std::size_t iy) {
    ys[iy] += xs[ix] * ws[iw];
  });

  return record("conv2d_reference", {x, weight, bias}, std::move(y), [g](Node<T>& y) {
    Array<T> xbar = zeros<T>(g.x_shape()), wbar = zeros<T>(g.weight_shape());
    const T *xs = y.input(0).value().data(), *ws = y.input(1).value().data();
    const T* ybar = y.cotangent().data();
    for_each_term(g, [=, xbar = xbar.data(), wbar = wbar.data()](std::size_t ix, std::size_t iw,
                                                                 std::size_t iy) {
      xbar[ix] += ybar[iy] * ws[iw];
      wbar[iw] += ybar[iy] * xs[ix];
    });
    accumulate(y.input(0), std::move(xbar));
    accumulate(y.input(1), std::move(wbar));
    accumulate(y.input(2), with_shape(y.take_cotangent(), {g.n * g.oh * g.ow, g.o}));
  });
}

INSTANTIATE(conv2d_reference)

}  // namespace tapesort
