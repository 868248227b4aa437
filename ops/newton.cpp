#include "ops/newton.hpp"

#include <algorithm>
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
    Array<double> xbar = full<double>({m, d}, NAN);
    if (std::all_of(ybar.begin(), ybar.end(), [](double x) { return std::isfinite(x); })) {
      blas_report();  // OpenBLAS's kernel and its one thread are chosen here, at the latest
      // ybar = U S V' gives U S (lambda I + m S^2)^-1 V', also where F has no inverse, as when the
      // cotangents of each example sum to 0.
      auto [u, s, vt] = xt::linalg::svd(ybar, /*full_matrices=*/false);
      for (std::size_t k = 0; k < s.size(); ++k) {
        const double factor = s(k) / (lambda + double(m) * s(k) * s(k));
        for (std::size_t i = 0; i < m; ++i) u(i, k) *= factor;
      }
      xbar = xt::linalg::dot(u, vt);
    }
    accumulate(y.input(0), with_shape(convert<T>(xbar), y.value().shape()));
  });
}

INSTANTIATE(fisher_step)

}  // namespace tapesort
