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

namespace {

void check_labels(const Shape& logits, const Indices& labels) {
  const Shape rows(logits.begin(), logits.empty() ? logits.end() : logits.end() - 1);
  require(!logits.empty() && labels.shape() == rows, "cross_entropy: logits are ", logits,
          ", labels are ", labels.shape(), "; need one label a row, ", rows);
}

// The mean over the rows of all parts.
template <class T, class Targets>
Var<T> mean_of_parts(const Var<T>& logits, const std::vector<Var<T>>& parts,
                     const std::vector<Targets>& targets) {
  if (parts.empty()) return sum(slice(logits, 0, 0, 0));
  const auto rows_of = [](const Var<T>& part) { return double(part.size() / part.shape().back()); };
  double rows = 0;
  for (const Var<T>& part : parts) rows += rows_of(part);
  Var<T> mean;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Var<T> loss = cross_entropy(parts[i], targets[i]) * T(rows_of(parts[i]) / rows);
    mean = i ? mean + loss : loss;
  }
  return mean;
}

}  // namespace

template <class T> Var<T> cross_entropy(const Var<T>& logits, const Indices& labels) {
  const Shape& shape = logits.shape();
  check_labels(shape, labels);
  check_indices("cross_entropy", labels, shape.back(), shape);
  return cross_entropy(logits, one_hot<T>(labels, shape.back()));
}

template <class T>
Var<T> cross_entropy(const Var<T>& logits, const Indices& labels, Index ignored) {
  check_labels(logits.shape(), labels);
  Array<bool> there = uninitialized<bool>({labels.size()});
  for (std::size_t row = 0; row < labels.size(); ++row) there(row) = labels.data()[row] != ignored;
  return cross_entropy(reshape(logits, {Index(labels.size()), Index(logits.shape().back())}),
                       with_shape(labels, {labels.size()}), ItemMask(there));
}

template <class T>
Var<T> cross_entropy(const Var<T>& logits, const Indices& labels, const ItemMask& mask) {
  check_labels(logits.shape(), labels);
  if (mask.shape() == labels.shape()) {
    return mean_of_parts(logits, mask.split(logits), mask.split(labels));
  }
  const Shape column = extended(labels.shape(), {1});  // one item of each set
  std::vector<Indices> parts = mask.split_order(with_shape(labels, column));
  for (Indices& part : parts) {
    const std::size_t rows = part.size();  // before it is moved: arguments come in any order
    part = with_shape(std::move(part), {rows});
  }
  return mean_of_parts(logits, mask.split(logits), parts);
}

template <class T>
Var<T> cross_entropy(const Var<T>& logits, const Array<T>& targets, const ItemMask& mask) {
  const Array<T> t = *Stretched<T>("cross_entropy", targets, logits.shape());
  return mean_of_parts(logits, mask.split(logits), mask.split(t));
}

template <class T> Var<T> mse(const Var<T>& a, const Var<T>& b) {
  require_same_shape("mse", "a", a.shape(), "b", b.shape());
  return mean(square(a - b));
}

INSTANTIATE_OVERLOAD_TWICE(cross_entropy, Var<T>(const Var<T>&, const Indices&))
INSTANTIATE_OVERLOAD_TWICE(cross_entropy, Var<T>(const Var<T>&, const Array<T>&))
INSTANTIATE_OVERLOAD_TWICE(cross_entropy, Var<T>(const Var<T>&, const Indices&, Index))
INSTANTIATE_OVERLOAD_TWICE(cross_entropy, Var<T>(const Var<T>&, const Indices&, const ItemMask&))
INSTANTIATE_OVERLOAD_TWICE(cross_entropy, Var<T>(const Var<T>&, const Array<T>&, const ItemMask&))
INSTANTIATE_TWICE(mse)

}  // namespace tapesort
