#include "models/pca.hpp"

#include <algorithm>
#include <xtensor-blas/xlinalg.hpp>

#include "engine/blas.hpp"
#include "engine/check.hpp"

namespace tapesort {
namespace {

template <class T> Array<T> centred(const Array<float>& x, const Array<T>& mean) {
  Array<T> y = uninitialized<T>(x.shape());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y.data()[i] = T(x.data()[i]) - mean.data()[i % mean.size()];
  }
  return y;
}

}  // namespace

Pca::Pca(const Array<float>& x, std::size_t components) {
  require(x.dimension() == 2 && x.shape()[0] >= 2, "Pca: x is ", x.shape(),
          "; need (n, d), n >= 2");
  const std::size_t n = x.shape()[0], d = x.shape()[1];
  require(components >= 1 && components <= d, "Pca: need 1 <= components <= ", d, ", got ",
          components);
  Array<double> mean = zeros<double>({d});
  for (std::size_t i = 0; i < x.size(); ++i) mean.data()[i % d] += double(x.data()[i]);
  mean /= double(n);
  mean_ = convert<float>(mean);

  const Array<double> y = centred(x, mean);
  Array<double> covariance = uninitialized<double>({d, d});
  gemm<double>(true, false, d, d, n, 1 / double(n - 1), y.data(), d, y.data(), d, 0,
               covariance.data(), d);
  const auto [values, vectors] = xt::linalg::eigh(covariance);  // ascending eigenvalues
  components_ = uninitialized<float>({d, components});
  variances_ = uninitialized<float>({components});
  for (std::size_t k = 0; k < components; ++k) {
    for (std::size_t i = 0; i < d; ++i) {
      components_.data()[i * components + k] = float(vectors(i, d - 1 - k));
    }
    variances_.data()[k] = float(std::max(values(d - 1 - k), 0.0));
  }
}

Array<float> Pca::transform(const Array<float>& x) const {
  const std::size_t d = mean_.size(), components = components_.shape()[1];
  require(x.dimension() == 2 && x.shape()[1] == d, "Pca: x is ", x.shape(), "; need (m, ", d, ")");
  const Array<float> y = centred(x, mean_);
  Array<float> z = uninitialized<float>({x.shape()[0], components});
  gemm<float>(false, false, x.shape()[0], components, d, 1, y.data(), d, components_.data(),
              components, 0, z.data(), components);
  return z;
}

}  // namespace tapesort
