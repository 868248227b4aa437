#include "ops/newton.hpp"

#include <cmath>
#include <xtensor-blas/xlinalg.hpp>

#include "engine/blas.hpp"
#include "engine/check.hpp"
#include "engine/instantiate.hpp"

namespace tapesort {

template <class T> FirstOrder<T> fisher_step(const Var<T>& x, double lambda) {
  require(x.dimension() >= 1, "fisher_step: x is 0-d; need (m, ..)");
  require(lambda > 0 && std::isfinite(lambda), "fisher_step: lambda must be > 0 and finite, got ",
          lambda);
  return record("fisher_step", {x}, Array<T>(x.value()), [lambda](Node<T>& y) {
    const std::size_t m = y.value().shape()[0], d = m ? y.value().size() / m : 0;
    if (y.value().size() == 0) return;
    const Array<double> ybar = with_shape(convert<double>(y.cotangent()), {m, d});
    Array<double> F = zeros<double>({d, d});
    for (std::size_t i = 0; i < d; ++i) F(i, i) = lambda;
    gemm<double>(true, false, d, d, m, double(m), ybar.data(), d, ybar.data(), d, 1, F.data(), d);
    const Array<double> columns = xt::linalg::solve(F, xt::transpose(ybar));  // (d, m)
    Array<T> xbar = uninitialized<T>(y.value().shape());
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < d; ++j) xbar.data()[i * d + j] = T(columns(j, i));
    }
    accumulate(y.input(0), std::move(xbar));
  });
}

INSTANTIATE(fisher_step)

}  // namespace tapesort
