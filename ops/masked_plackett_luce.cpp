#include "ops/masked_plackett_luce.hpp"

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

// An array (samples.., g, rest..) of one group as one of samples * g sets, as the repeated mask
// counts them.
Shape merged(const Shape& shape, std::size_t samples) {
  Shape sets{1};
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    axis <= samples ? void(sets[0] *= shape[axis]) : sets.push_back(shape[axis]);
  }
  return sets;
}

template <class T> Var<T> merged(const Var<T>& x, std::size_t samples) {
  const Shape shape = merged(x.shape(), samples);
  return reshape(x, {shape.begin(), shape.end()});
}

}  // namespace

template <class T>
MaskedPlackettLuce<T>::MaskedPlackettLuce(const Var<T>& log_scores, const ItemMask& mask)
    : mask_(mask) {
  check_mask("MaskedPlackettLuce", log_scores.shape(), mask);
  const std::vector<Var<T>> parts = mask.split(log_scores);
  mask.for_groups([&](std::size_t i) { groups_.emplace_back(parts[i]); });
}

template <class T> Var<T> MaskedPlackettLuce<T>::log_prob(const Indices& order) const {
  const std::size_t axes = mask_.shape().size();
  require(order.dimension() >= axes, "MaskedPlackettLuce::log_prob: order is ", order.shape(),
          ", the mask is ", mask_.shape(), "; need (samples.., .., k)");
  const Shape samples(order.shape().begin(), order.shape().end() - std::ptrdiff_t(axes));
  const ItemMask mask = mask_.repeated(samples);
  std::vector<Indices> orders = mask.split_order(order);
  std::vector<Var<T>> results;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const Shape shape =
        extended(samples, {mask_.groups()[i].sets.size(), orders[i].shape().back()});
    const Var<T> log_p = groups_[i].log_prob(with_shape(std::move(orders[i]), shape));
    results.push_back(merged(log_p, samples.size()));
  }
  return mask.join(results, By::set);
}

template <class T> Indices MaskedPlackettLuce<T>::mode() const {
  std::vector<Indices> orders;
  for (const PlackettLuce<T>& group : groups_) orders.push_back(group.mode());
  return mask_.join_order(orders);
}

template <class T>
Indices MaskedPlackettLuce<T>::sample(Generator& random, const Shape& samples) const {
  std::vector<Indices> orders;
  for (const PlackettLuce<T>& group : groups_) {
    Indices order = group.sample(random, samples);
    const Shape shape = merged(order.shape(), samples.size());
    orders.push_back(with_shape(std::move(order), shape));
  }
  return mask_.repeated(samples).join_order(orders);
}

template <class T>
Var<T> MaskedPlackettLuce<T>::relaxed_sample(const RelaxedSort<T>& relaxed_sort, Generator& random,
                                             const Shape& samples) const {
  std::vector<Var<T>> P;
  for (const PlackettLuce<T>& group : groups_) {
    P.push_back(merged(group.relaxed_sample(relaxed_sort, random, samples), samples.size()));
  }
  return mask_.repeated(samples).join(P, By::place_and_item);
}

template <class T>
Var<T> MaskedPlackettLuce<T>::straight_through_sample(const RelaxedSort<T>& relaxed_sort,
                                                      Generator& random,
                                                      const Shape& samples) const {
  std::vector<Var<T>> P;
  for (const PlackettLuce<T>& group : groups_) {
    P.push_back(
        merged(group.straight_through_sample(relaxed_sort, random, samples), samples.size()));
  }
  return mask_.repeated(samples).join(P, By::place_and_item);
}

INSTANTIATE_CLASS(MaskedPlackettLuce)

}  // namespace tapesort
