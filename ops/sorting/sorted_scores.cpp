#include "ops/sorting/sorted_scores.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/check.hpp"
#include "engine/parallel.hpp"

namespace tapesort {
namespace {

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class Key>
struct Item {
  Key key;
  std::uint32_t index;
};

// An unsigned number that grows as x falls. Bits of positive floats are in the order of the
// floats, those of negative ones in reverse.
template <class T>
KeyOf<T> descending_key(T x) {
  using Key = KeyOf<T>;
  constexpr Key top = Key(1) << (8 * sizeof(Key) - 1);
  x += T(0);  // -0 and 0 are one score
  Key bits;
  std::memcpy(&bits, &x, sizeof x);
  return bits & top ? bits : Key(~bits & ~top);
}

// Stable, for short sets.
template <class Key>
void insertion_sort(Item<Key>* items, std::size_t n) {
  for (std::size_t i = 1; i < n; ++i) {
    const Item<Key> item = items[i];
    std::size_t j = i;
    for (; j > 0 && items[j - 1].key > item.key; --j) items[j] = items[j - 1];
    items[j] = item;
  }
}

// Least significant digit first, a stable counting sort a digit; a digit that all keys share is
// skipped. Returns where the result is: items or spare.
template <int bits, class Key>
Item<Key>* radix_sort(Item<Key>* items, Item<Key>* spare, std::size_t n) {
  constexpr int digits = (8 * int(sizeof(Key)) + bits - 1) / bits;
  constexpr std::size_t buckets = std::size_t(1) << bits;
  const auto digit = [](Key key, int d) { return std::size_t(key >> (d * bits)) & (buckets - 1); };
  std::vector<std::uint32_t> counts(digits * buckets, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (int d = 0; d < digits; ++d) ++counts[d * buckets + digit(items[i].key, d)];
  }
  for (int d = 0; d < digits; ++d) {
    std::uint32_t* count = counts.data() + d * buckets;
    if (count[digit(items[0].key, d)] == n) continue;
    std::uint32_t begin = 0;
    for (std::size_t b = 0; b < buckets; ++b) begin += std::exchange(count[b], begin);
    for (std::size_t i = 0; i < n; ++i) spare[count[digit(items[i].key, d)]++] = items[i];
    std::swap(items, spare);
  }
  return items;
}

template <class Key>
Item<Key>* sort_items(Item<Key>* items, Item<Key>* spare, std::size_t n) {
  if (n <= 32) {
    insertion_sort(items, n);
    return items;
  }
  return n < 4096 ? radix_sort<8>(items, spare, n) : radix_sort<11>(items, spare, n);
}

}  // namespace

template <class T>
SortedScores<T>::SortedScores(const char* op, const Array<T>& scores, double tau,
                              Direction direction)
    : tau(tau), sign(direction == Direction::descending ? T(1) : T(-1)) {
  require(scores.dimension() >= 1, op, ": scores are 0-d; need (..., n)");
  require(tau > 0 && std::isfinite(tau), op, ": tau must be > 0 and finite, got ", tau);
  n = scores.shape().back();
  sets = n == 0 ? 0 : scores.size() / n;
  require(n < std::numeric_limits<std::uint32_t>::max(), op, ": sets of ", n, " are too long");
  constexpr T largest = std::numeric_limits<T>::max() / 2;
  const T* s = scores.data();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    require(std::abs(s[i]) <= largest, op, ": score ", i % n, " of row ", i / n, " is ", s[i],
            "; need scores within +-", largest, " (a large negative one stands for -infinity)");
  }
  value = Column<T>(size(), T(0));
  gap = Column<T>(size(), apart);
  order = uninitialized<std::uint32_t>({size()});

  const std::size_t grain = std::max<std::size_t>(1, 8192 / std::max<std::size_t>(1, n));
  parallel_for(sets, grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    using Key = KeyOf<T>;
    Array<std::uint8_t> memory = uninitialized<std::uint8_t>({2 * n * sizeof(Item<Key>)});
    Item<Key>* items = reinterpret_cast<Item<Key>*>(memory.data());
    for (std::size_t start = begin * n; start < end * n; start += n) {
      for (std::size_t i = 0; i < n; ++i) {
        items[i] = {descending_key<T>(sign * s[start + i]), std::uint32_t(i)};
      }
      const Item<Key>* sorted = sort_items(items, items + n, n);
      T *v = value.data() + start, *g = gap.data() + start;
      for (std::size_t j = 0; j < n; ++j) {
        order.data()[start + j] = sorted[j].index;
        v[j] = sign * s[start + sorted[j].index];
      }
      for (std::size_t j = 0; j + 1 < n; ++j) {
        g[j] = T(std::min<double>(apart, (double(v[j]) - double(v[j + 1])) / tau));
      }
      g[n - 1] = apart;
    }
  });
}

template struct SortedScores<float>;
template struct SortedScores<double>;

}  // namespace tapesort
