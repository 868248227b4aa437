#include "ops/score_function.hpp"

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"

namespace tapesort {
namespace {

template <class T> void check_samples(const char* op, const Array<T>& f) {
  require(f.dimension() >= 1 && f.shape()[0] >= 1, op, ": f is ", f.shape(),
          "; need (S, ...) with S >= 1");
}

}  // namespace

template <class T>
FirstOrder<T> score_function(const Var<T>& f, const Var<T>& log_prob, const Array<T>& baseline) {
  require_same_shape("score_function", "f", f.shape(), "log_prob", log_prob.shape());
  const Var<T> weight = stop_gradient(f) - constant<T>(baseline);
  const Var<T> surrogate = mean(f + weight * log_prob, 0);
  return straight_through(mean(stop_gradient(f), 0).value(), surrogate);
}

template <class T> Array<T> leave_one_out_mean(const Array<T>& f) {
  check_samples("leave_one_out_mean", f);
  const std::size_t samples = f.shape()[0], size = f.size() / samples;
  require(samples >= 2, "leave_one_out_mean: f is ", f.shape(), "; need S >= 2 samples");
  // The samples before and those after: a large one is never added only to be subtracted again.
  Array<T> others = uninitialized<T>(f.shape());
  std::vector<double> before(samples);
  for (std::size_t c = 0; c < size; ++c) {
    double sum = 0;
    for (std::size_t i = 0; i < samples; ++i) {
      before[i] = sum;
      sum += double(f.data()[i * size + c]);
    }
    sum = 0;
    for (std::size_t i = samples; i-- > 0;) {
      others.data()[i * size + c] = T((before[i] + sum) / double(samples - 1));
      sum += double(f.data()[i * size + c]);
    }
  }
  return others;
}

template <class T> RunningMean<T>::RunningMean(T decay) : decay_(decay) {
  require(decay >= 0 && decay < 1, "RunningMean: decay must be in [0, 1), got ", decay);
}

template <class T> Array<T> RunningMean<T>::value(const Shape& shape) const {
  if (weight_ == T(0)) return zeros<T>(shape);
  require_same_shape("RunningMean", "wanted", shape, "taken in", total_.shape());
  return total_ / weight_;
}

template <class T> void RunningMean<T>::update(const Array<T>& f) {
  check_samples("RunningMean", f);
  const Shape shape(f.shape().begin() + 1, f.shape().end());
  Array<double> sum = zeros<double>(shape);
  for (std::size_t i = 0; i < f.size(); ++i) sum.data()[i % sum.size()] += double(f.data()[i]);
  if (weight_ == T(0)) total_ = zeros<T>(shape);
  require_same_shape("RunningMean", "f's mean", shape, "taken in", total_.shape());
  const T share = 1 - decay_;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const T mean = T(sum.data()[i] / double(f.shape()[0]));
    total_.data()[i] = decay_ * total_.data()[i] + share * mean;
  }
  weight_ = decay_ * weight_ + (1 - decay_);
}

INSTANTIATE(score_function)
INSTANTIATE(leave_one_out_mean)
INSTANTIATE_CLASS(RunningMean)

}  // namespace tapesort
