// What the relaxations have in common: a batch is a number of sets (..., n), or of matrices
// (..., n, n), each on its own.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"

namespace tapesort {

inline void check_positive(const char* op, const char* name, double value) {
  require(value > 0 && std::isfinite(value), op, ": ", name, " must be > 0 and finite, got ",
          value);
}

// A scale that scores of type T are divided by: a normal number of T. Smaller ones (denormals) are
// flushed to zero in the loops, and their reciprocal is infinite.
template <class T> void check_scale(const char* op, const char* name, double value) {
  check_positive(op, name, value);
  constexpr auto smallest = std::numeric_limits<T>::min(), largest = std::numeric_limits<T>::max();
  require(value >= double(smallest) && value <= double(largest), op, ": ", name, " is ", value,
          "; need one between ", smallest, " and ", largest);
}

// n of scores (..., n).
template <class T> std::size_t checked_axis(const char* op, const Array<T>& scores) {
  require(scores.dimension() >= 1, op, ": scores are 0-d; need (..., n)");
  return scores.shape().back();
}

// The same of scores that must be finite numbers.
template <class T> std::size_t checked_set_size(const char* op, const Array<T>& scores) {
  const std::size_t n = checked_axis(op, scores);
  using std::isfinite;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const T s = scores.data()[i];
    require(isfinite(s), op, ": score ", i % n, " of row ", i / n, " is ", s,
            "; need finite scores (a mask leaves out items that are not there)");
  }
  return n;
}

// `why`: parts that end the message.
template <class T, class... Why>
void check_within(const char* op, const Array<T>& scores, double most, const Why&... why) {
  const std::size_t n = scores.shape().back();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const T s = scores.data()[i];
    require(std::abs(double(s)) <= most, op, ": score ", i % n, " of row ", i / n, " is ", s,
            "; need scores within +-", most, why...);
  }
}

// `what`: one of the numbers, as "a cost".
template <class T> void check_finite(const char* op, const char* what, const Array<T>& numbers) {
  for (const T& x : numbers) {
    require(std::isfinite(x), op, ": ", what, " is ", x, "; need finite numbers");
  }
}

// What a set's scores have in common: the one nearest to zero when all have its sign, else 0.
// Subtracting it is exact or makes scores smaller, and cannot overflow; differences computed
// afterwards do not see an offset.
template <class T> T common_offset(const T* s, std::size_t n) {
  const auto [low, high] = std::minmax_element(s, s + n);
  return n == 0 ? T(0) : *low > 0 ? *low : *high < 0 ? *high : T(0);
}

// n of matrices (..., n, n).
inline std::size_t checked_matrix_size(const char* op, const char* name, const Shape& shape) {
  require(shape.size() >= 2 && shape[shape.size() - 1] == shape[shape.size() - 2], op, ": ", name,
          " is ", shape, "; need square matrices (..., n, n)");
  return shape.back();
}

// The same, of finite numbers. `remedy` ends the message.
template <class T>
std::size_t checked_finite_matrix(const char* op, const char* name, const Array<T>& matrix,
                                  const char* remedy = "") {
  const std::size_t n = checked_matrix_size(op, name, matrix.shape());
  for (T x : matrix) {
    require(std::isfinite(x), op, ": ", name, " has an entry ", x, "; need finite ones", remedy);
  }
  return n;
}

// scores (..., n) -> one number a set (...)
inline Shape shape_of_sets(const Shape& scores) { return Shape(scores.begin(), scores.end() - 1); }

// scores (..., n) -> matrices (..., n, n).
inline Shape matrix_shape(const Shape& scores) {
  Shape shape = scores;
  shape.push_back(scores.back());
  return shape;
}

// Calls f(begin, end) for each run of equal value(0), value(1), .., value(n - 1).
template <class Value, class F> void for_ties(std::size_t n, const Value& value, const F& f) {
  for (std::size_t begin = 0, end; begin < n; begin = end) {
    for (end = begin + 1; end < n && value(end) == value(begin);) ++end;
    f(begin, end);
  }
}

// How many sets of n there are.
template <class T> std::size_t count_sets(const Array<T>& scores, std::size_t n) {
  return n ? scores.size() / n : 0;
}

// Calls work(set) for every set, in parallel; `cost`: estimated nanoseconds per set.
template <class Work> void for_sets(std::size_t sets, std::size_t cost, const Work& work) {
  const FlushDenormals flush;
  parallel_for(sets, 1 + 50000 / (cost + 1), [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t set = begin; set < end; ++set) work(set);
  });
}

}  // namespace tapesort
