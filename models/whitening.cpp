#include "models/whitening.hpp"

#include <algorithm>
#include <cmath>

#include "engine/check.hpp"
#include "models/pca.hpp"
#include "ops/elementwise.hpp"

namespace tapesort {

Whitening::Whitening(const std::string& name, std::size_t channels)
    : name_(name),
      weight_(zeros<float>({2, 2, channels, 8 * channels})),
      bias_(zeros<float>({8 * channels})) {}

Var<float> Whitening::forward(const Pass<float>& pass, const Var<float>& x) {
  const bool fitted = std::any_of(weight_.begin(), weight_.end(), [](float w) { return w != 0; });
  require(x.dimension() == 4 && 8 * x.shape()[3] == bias_.size() && x.shape()[1] >= 2 &&
              x.shape()[2] >= 2,
          name_, ": images are ", x.shape(), "; need (N, H, W, ", bias_.size() / 8, "), H, W >= 2");
  if (pass.training && !fitted) fit(x.value());
  return relu(conv2d(x, pass.tape.constant(weight_), pass.tape.constant(bias_)));
}

void Whitening::fit(const Array<float>& images) {
  const std::size_t count = images.shape(0), height = images.shape(1), width = images.shape(2),
                    channels = images.shape(3), size = 4 * channels;
  Array<float> patches = uninitialized<float>({count * (height - 1) * (width - 1), size});
  float* patch = patches.data();
  for (std::size_t row = 0; row < count * height; ++row) {
    if (row % height == height - 1) continue;
    for (std::size_t x = 0; x + 1 < width; ++x) {
      const float* above = images.data() + (row * width + x) * channels;
      patch = std::copy_n(above, 2 * channels, patch);
      patch = std::copy_n(above + width * channels, 2 * channels, patch);
    }
  }
  const Pca pca(patches, size);
  const float epsilon = 3e-5f;  // noise of 1.4 grey levels of 255 is not amplified
  bias_ = zeros<float>({2 * size});
  for (std::size_t k = 0; k < size; ++k) {
    const float scale = 1 / std::sqrt(pca.variances().data()[k] + epsilon);
    for (std::size_t j = 0; j < size; ++j) {
      const float w = scale * pca.components().data()[j * size + k];
      float* row = weight_.data() + j * 2 * size;
      row[k] = w, row[size + k] = -w;
      bias_.data()[k] -= w * pca.mean().data()[j];
    }
    bias_.data()[size + k] = -bias_.data()[k];
  }
}

void Whitening::collect(State<float>& state) {
  state.buffers.push_back({name_ + ".weight", &weight_});
  state.buffers.push_back({name_ + ".bias", &bias_});
}

}  // namespace tapesort
