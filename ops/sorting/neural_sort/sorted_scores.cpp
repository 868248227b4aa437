#include "ops/sorting/neural_sort/sorted_scores.hpp"

#include <cmath>
#include <limits>

#include "ops/sorting/radix_sort.hpp"
#include "ops/sorting/sets.hpp"

namespace tapesort {

template <class T>
SortedScores<T>::SortedScores(const char* op, const Array<T>& scores, double tau,
                              Direction direction)
    : tau(tau), sign(direction == Direction::descending ? T(1) : T(-1)) {
  n = checked_axis(op, scores);
  check_scale<double>(op, "tau", tau);
  check_within(op, scores, double(std::numeric_limits<T>::max()) / 2,
               " (a large negative one stands for -infinity)");
  sets = count_sets(scores, n);
  value = Column<T>(size(), T(0));
  gap = Column<T>(size(), apart);
  order = uninitialized<std::uint32_t>({size()});

  sort_sets<T>(op, scores, sign, [&](std::size_t start, const RankedScore<T>* sorted) {
    T *v = value.data() + start, *g = gap.data() + start;
    parallel_for(n, 1 << 15, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t j = begin; j < end; ++j) {
        order.data()[start + j] = sorted[j].index;
        v[j] = sorted[j].score();
        const double next = j + 1 < n ? double(sorted[j + 1].score()) : -apart;
        g[j] = T(std::min<double>(apart, (double(v[j]) - next) / tau));
      }
    });
    g[n - 1] = apart;
  });
}

template struct SortedScores<float>;
template struct SortedScores<double>;

}  // namespace tapesort
