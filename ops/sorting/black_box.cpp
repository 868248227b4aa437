#include "ops/sorting/black_box.hpp"

#include "engine/instantiate.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {

template <class T>
FirstOrder<T> black_box_rank(const Var<T>& scores, double lambda, Direction direction) {
  checked_set_size("black_box_rank", scores.value());
  check_positive("black_box_rank", "lambda", lambda);
  Array<T> ranks = ranks_of<T>(argsort(scores.value(), direction));
  return record(
      Op("black_box_rank", lambda), {scores}, std::move(ranks), [lambda, direction](Node<T>& r) {
        const double step = direction == Direction::descending ? lambda : -lambda;
        const Array<T>& s = r.input(0).value();
        Array<double> moved = uninitialized<double>(s.shape());
        for (std::size_t i = 0; i < s.size(); ++i) {
          moved.data()[i] = double(s.data()[i]) + step * double(r.cotangent().data()[i]);
        }
        Array<T> sbar = ranks_of<T>(argsort(moved, direction));
        for (std::size_t i = 0; i < s.size(); ++i) {
          sbar.data()[i] = T((double(sbar.data()[i]) - double(r.value().data()[i])) / step);
        }
        accumulate(r.input(0), std::move(sbar));
      });
}

INSTANTIATE(black_box_rank)

}  // namespace tapesort
