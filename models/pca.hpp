// Principal components: the directions along which points vary most.
#pragma once

#include "engine/array.hpp"

namespace tapesort {

class Pca {
 public:
  // Fits to the rows of x (n, d): the mean, and the eigenvectors of the covariance with the largest
  // eigenvalues. std::invalid_argument unless 1 <= components <= d and n >= 2.
  Pca(const Array<float>& x, std::size_t components);

  // (m, d) -> (m, components): centred by the fitted mean, then projected.
  Array<float> transform(const Array<float>& x) const;

  // The mean (d), the components (d, components) as orthonormal columns, and the variance along each
  // (components), falling.
  const Array<float>& mean() const { return mean_; }
  const Array<float>& components() const { return components_; }
  const Array<float>& variances() const { return variances_; }

 private:
  Array<float> mean_, components_, variances_;
};

}  // namespace tapesort
