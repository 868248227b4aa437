#include "ops/sorting/radix_sort.hpp"

#include <limits>
#include <utility>
#include <vector>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"

namespace tapesort {
namespace {

constexpr std::size_t grain = std::size_t{1} << 15;  // items that are worth a thread

// Stable, for short sets.
template <class T> void insertion_sort(RankedScore<T>* items, std::size_t n) {
  for (std::size_t i = 1; i < n; ++i) {
    const RankedScore<T> item = items[i];
    std::size_t j = i;
    for (; j > 0 && items[j - 1].key > item.key; --j) items[j] = items[j - 1];
    items[j] = item;
  }
}

// Least significant digit first, a stable counting sort a digit; a digit that all keys share is
// skipped. Each part of the items is counted and moved by one thread: within a bucket the parts'
// items follow each other. Returns where the result is: items or spare.
template <int bits, class T>
RankedScore<T>* radix_sort(RankedScore<T>* items, RankedScore<T>* spare, std::size_t n) {
  using Key = typename RankedScore<T>::Key;
  constexpr int digits = (8 * int(sizeof(Key)) + bits - 1) / bits;
  constexpr std::size_t buckets = std::size_t(1) << bits;
  const auto digit = [](Key key, int d) { return std::size_t(key >> (d * bits)) & (buckets - 1); };
  const std::size_t parts = parallel_parts(n, grain);
  std::vector<std::uint32_t> all(parts * digits * buckets, 0);
  const auto counts = [&](std::size_t part, int d) {
    return all.data() + (part * digits + std::size_t(d)) * buckets;
  };
  parallel_for(n, grain, [&](std::size_t begin, std::size_t end, std::size_t part) {
    std::uint32_t* of_part = counts(part, 0);
    for (std::size_t i = begin; i < end; ++i) {
      for (int d = 0; d < digits; ++d) ++of_part[std::size_t(d) * buckets + digit(items[i].key, d)];
    }
  });
  bool moved = false;
  for (int d = 0; d < digits; ++d) {
    const std::size_t first = digit(items[0].key, d);
    std::size_t alike = 0;
    for (std::size_t part = 0; part < parts; ++part) alike += counts(part, d)[first];
    if (alike == n) continue;
    if (moved && parts > 1) {  // the parts hold other items by now
      parallel_for(n, grain, [&](std::size_t begin, std::size_t end, std::size_t part) {
        std::uint32_t* count = counts(part, d);
        std::fill_n(count, buckets, 0);
        for (std::size_t i = begin; i < end; ++i) ++count[digit(items[i].key, d)];
      });
    }
    std::uint32_t start = 0;
    for (std::size_t b = 0; b < buckets; ++b) {
      for (std::size_t part = 0; part < parts; ++part) {
        start += std::exchange(counts(part, d)[b], start);
      }
    }
    parallel_for(n, grain, [&](std::size_t begin, std::size_t end, std::size_t part) {
      std::uint32_t* place = counts(part, d);
      for (std::size_t i = begin; i < end; ++i) spare[place[digit(items[i].key, d)]++] = items[i];
    });
    std::swap(items, spare);
    moved = true;
  }
  return items;
}

// n scores in order; the result is in `items`, which has room for 2 n.
template <class T>
const RankedScore<T>* sort_set(const T* scores, T sign, std::size_t n, RankedScore<T>* items) {
  parallel_for(n, grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) items[i] = {sign * scores[i], std::uint32_t(i)};
  });
  if (n > 32) {
    return n < 4096 ? radix_sort<8>(items, items + n, n) : radix_sort<11>(items, items + n, n);
  }
  insertion_sort(items, n);
  return items;
}

}  // namespace

template <class T>
void sort_sets(const char* op, const Array<T>& scores, T sign, const SortedSetWork<T>& work) {
  const std::size_t n = scores.shape().back(), sets = n == 0 ? 0 : scores.size() / n;
  require(n < std::numeric_limits<std::uint32_t>::max(), op, ": sets of ", n, " are too long");
  parallel_for(sets, 1 + 8192 / (n + 1), [&](std::size_t begin, std::size_t end, std::size_t) {
    Array<std::uint8_t> memory = uninitialized<std::uint8_t>({2 * n * sizeof(RankedScore<T>)});
    auto* items = reinterpret_cast<RankedScore<T>*>(memory.data());
    for (std::size_t start = begin * n; start < end * n; start += n) {
      work(start, sort_set(scores.data() + start, sign, n, items));
    }
  });
}

INSTANTIATE(sort_sets)

}  // namespace tapesort
