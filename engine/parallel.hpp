// Loops shared out to the one pool of threads.
#pragma once

#include <cstddef>
#include <functional>

namespace tapesort {

namespace detail {
using Work = std::function<void(std::size_t begin, std::size_t end, std::size_t part)>;
void share_out(std::size_t count, std::size_t grain, const Work& work);
}  // namespace detail

// Splits 0 .. count - 1 into parts of at least `grain`, at most one per thread, and calls
// work(begin, end, part) for each, in parallel; returns when all are done. The parts depend on
// count, grain and threads() alone, and are the same when called from inside other parallel work
// (where they run one after another). The first part's exception, if any, is thrown on.
template <class F> void parallel_for(std::size_t count, std::size_t grain, const F& work) {
  if (count >= 2 * grain) return detail::share_out(count, grain, std::cref(work));
  if (count > 0) work(std::size_t{0}, count, std::size_t{0});
}

// work(i) for each i, in such parts.
template <class F> void parallel_each(std::size_t count, std::size_t grain, const F& work) {
  parallel_for(count, grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) work(i);
  });
}

// The number of parts that parallel_for makes of this.
std::size_t parallel_parts(std::size_t count, std::size_t grain);

}  // namespace tapesort
