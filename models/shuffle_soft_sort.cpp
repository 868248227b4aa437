#include "models/shuffle_soft_sort.hpp"

#include <cmath>
#include <numeric>

#include "engine/instantiate.hpp"
#include "models/optimizers.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/sets.hpp"
#include "ops/sorting/soft_sort.hpp"

namespace tapesort {

template <class T>
ShuffleSoftSort<T>::ShuffleSoftSort(Array<T> items, Loss loss,
                                    const ShuffleSoftSortOptions& options, std::uint64_t seed)
    : items_(std::move(items)), loss_(std::move(loss)), options_(options), random_(seed) {
  require(items_.dimension() == 2 && items_.shape(0) >= 2 && items_.size() > 0,
          "ShuffleSoftSort: items are ", items_.shape(), "; need (N, d) with N >= 2");
  for (const T x : items_) {
    require(std::isfinite(x), "ShuffleSoftSort: an item has ", x, "; need finite numbers");
  }
  require(options.phases >= 1 && options.steps >= 1, "ShuffleSoftSort: need at least one phase of ",
          "at least one step, got ", options.phases, " of ", options.steps);
  check_positive("ShuffleSoftSort", "tau_first", options.tau_first);
  check_positive("ShuffleSoftSort", "tau_last", options.tau_last);
  deviations_ = standard_deviation(constant<T>(items_), 0).value();
  spread_ = sum(constant<T>(deviations_)).item();
  require(spread_ > 0, "ShuffleSoftSort: all items are equal; need some that differ");
  order_ = uninitialized<Index>({items_.shape(0)});
  std::iota(order_.begin(), order_.end(), Index(0));
}

template <class T> Array<T> ShuffleSoftSort<T>::arranged() const {
  return take(constant<T>(items_), order_).value();
}

template <class T> bool ShuffleSoftSort<T>::phase() {
  if (done_ == options_.phases) return false;
  const std::size_t N = order_.size();
  const double part = options_.phases > 1 ? double(done_) / double(options_.phases - 1) : 1;
  const double tau = options_.tau_first * std::pow(options_.tau_last / options_.tau_first, part);
  const Indices line = random_.permutation(N);  // the place at each point of the line
  const Indices point = inverse_permutation(line);
  const Array<T> x = take(constant<T>(arranged()), line).value();
  Array<T> falling = uninitialized<T>({N});
  for (std::size_t i = 0; i < N; ++i) falling(i) = T(N - i);
  Parameter<T> scores("scores", falling);
  Adam<T> adam({&scores}, options_.learning_rate);
  for (std::size_t step = 0; step < options_.steps; ++step) {
    Tape<T> tape;
    const Var<T> P_hat = soft_sort(tape.leaf(scores), tau);
    const Var<T> y = take(matmul(P_hat, constant<T>(x)), point);
    const Var<T> columns = mean(square(sum(P_hat, 0) - T(1)));
    const Var<T> blur = sum(abs(standard_deviation(y, 0) - deviations_)) / spread_;
    tape.backward(loss_(y) + columns + T(2) * blur);
    adam.step();
    adam.zero_grad();
  }
  const Indices sorted = argsort(scores.value), before = order_;
  for (std::size_t i = 0; i < N; ++i) {
    const std::size_t from = std::size_t(line.data()[sorted.data()[i]]);
    order_.data()[line.data()[i]] = before.data()[from];
  }
  ++done_;
  return true;
}

INSTANTIATE_CLASS(ShuffleSoftSort)

}  // namespace tapesort
