#include "ops/losses.hpp"

#include <algorithm>

#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/sums.hpp"
#include "ops/axis.hpp"
#include "ops/elementwise.hpp"
#include "ops/map.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"

namespace tapesort {

// Where the target is 0 the log-probability may be -infinity: the term is left out.
template <class T> Var<T> cross_entropy(const Var<T>& logits, const Array<T>& targets) {
  const Shape &shape = logits.shape(), &last = targets.shape();
  require(!last.empty() && last.size() <= shape.size() &&
              std::equal(last.rbegin(), last.rend(), shape.rbegin()),
          "cross_entropy: targets ", last, " are not of the last axes of logits ", shape);
  require(logits.size() > 0, "cross_entropy: logits of shape ", shape, " have no rows");
  const T rows = T(logits.size() / shape.back());
  const Var<T> log_p = log_softmax(logits);
  const Stretched<T> t("cross_entropy", targets, shape);
  const Array<T> terms = map(*t, log_p.value(), [](auto t, auto log_p) {
    return simd::select(t == T(0), T(0), t * log_p);
  });
  const T loss = -contiguous_sum(terms.data(), terms.size()) / rows;
  return record("cross_entropy", {log_p}, scalar(loss), [targets, rows](Node<T>& y) {
    const T scale = -y.cotangent().data()[0] / rows;
    const Stretched<T> t(y.op(), targets, y.input(0).shape());
    accumulate(y.input(0), map(*t, [scale](auto t) { return t * scale; }));
  });
}

template <class T> Var<T> cross_entropy(const Var<T>& logits, const Indices& labels) {
  const Shape& shape = logits.shape();
  const Shape rows(shape.begin(), shape.empty() ? shape.end() : shape.end() - 1);
  require(!shape.empty() && labels.shape() == rows, "cross_entropy: logits are ", shape,
          ", labels are ", labels.shape(), "; need one label a row, ", rows);
  check_indices("cross_entropy", labels, shape.back(), shape);
  return cross_entropy(logits, one_hot<T>(labels, shape.back()));
}

template <class T> Var<T> mse(const Var<T>& a, const Var<T>& b) {
  require_same_shape("mse", "a", a.shape(), "b", b.shape());
  return mean(square(a - b));
}

template <class T> using OfLabels = Var<T>(const Var<T>&, const Indices&);
template <class T> using OfTargets = Var<T>(const Var<T>&, const Array<T>&);
INSTANTIATE_OVERLOAD_TWICE(cross_entropy, OfLabels)
INSTANTIATE_OVERLOAD_TWICE(cross_entropy, OfTargets)
INSTANTIATE_TWICE(mse)

}  // namespace tapesort
