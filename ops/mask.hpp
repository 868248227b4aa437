// Sets of different sizes in one array (.., n): a mask says which of a set's n items are there.
//
//     const ItemMask mask = ItemMask::of_lengths({2, 3}, 3);  // or ItemMask(an Array<bool>)
//     Var<T> y = masked(mask, By::place,
//                       [&](const Var<T>& s) { return neural_sort_values(s, tau); }, scores);
//
// What an operator gives for a set with m valid items is what it gives for these m alone, put where
// it belongs among n; all else is 0. A result may count
//
//   By::item            (g, m, ..) -> (.., n, ..)         ranks, top-k masses, probabilities
//   By::place           (g, m, ..) -> (.., n, ..)         sorted values: the first m places
//   By::place_and_item  (g, m, m, ..) -> (.., n, n, ..)   P_hat: the first m rows, valid columns
//   By::set             (g, ..) -> (.., ..)               losses, log-probabilities
//
// So an operator need not know of masks, and nothing is approximated, as it is by a large negative
// score. Sets are gathered by their number of items: for each m > 0 that occurs, the operator is
// called once, with the g sets that have m, as (g, m).
//
//   forward   gather, call, scatter
//   vjp       gather and scatter are each other's transposes
//   extremes  what stands at a masked item is not read, be it NaN, and its gradient is 0. A set
//             without items has 0; when no set has any, no operator is called, and the result is a
//             constant.
//   cost      a few copies of inputs and results; and one call for each m, whose sets alone share
//             vector instructions and threads
//   errors    std::invalid_argument for a mask of no axes, a length outside 0 .. n, and shapes
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>

#include "engine/tape.hpp"

namespace tapesort {

enum class By { item, place, place_and_item, set };

class ItemMask {
 public:
  // valid (.., n): true for the items that are there.
  explicit ItemMask(const Array<bool>& valid);
  // The first of n items are there, so many as lengths (..) says.
  static ItemMask of_lengths(const Indices& lengths, std::size_t n);

  const Shape& shape() const { return valid_->shape(); }
  const Array<bool>& valid() const { return *valid_; }
  // The number of valid items of each set (..).
  Indices counts() const;
  // Where results stand: true at the valid items (By::item, valid() itself), at the first m places,
  // and so on. ItemMask(mask.where(By::place_and_item)) is the mask of the rows of P_hat.
  Array<bool> where(By by) const;
  // The same for each of the samples in front: (samples.., .., n).
  ItemMask repeated(const Shape& samples) const;

  // The sets with m > 0 items, for each m that occurs, in rising order.
  struct Group {
    std::size_t m;
    std::vector<std::size_t> sets;   // g: which of all sets
    std::vector<std::size_t> items;  // g m: the valid items of each
  };
  const std::vector<Group>& groups() const { return *groups_; }

  // A full array as one dense array for each group, and back. They are the parts of masked(), for
  // programs with a loop of their own.
  template <class T> std::vector<Var<T>> split(const Var<T>& x, By by = By::item) const;
  template <class T> std::vector<Array<T>> split(const Array<T>& x, By by = By::item) const;
  template <class T> Var<T> join(const std::vector<Var<T>>& parts, By by) const;
  // f(i) for each group i. What f refuses is told with the sets of that group.
  template <class F> void for_groups(const F& f) const {
    for (std::size_t i = 0; i < groups().size(); ++i) {
      try {
        f(i);
      } catch (const std::invalid_argument& error) {
        refuse(groups()[i], error);
      }
    }
  }
  // f(parts[0]..), f(parts[1]..), .. joined.
  template <class F, class... Parts>
  auto joined(By by, const F& f, const std::vector<Parts>&... parts) const {
    std::vector<std::invoke_result_t<const F&, const Parts&...>> results;
    for_groups([&](std::size_t i) { results.push_back(f(parts[i]...)); });
    return join(results, by);
  }

  // Orders: the item at each place. For a group items are counted among the valid ones, 0 .. m - 1.
  // split_order takes (.., k), k <= n, to (g, min(k, m)), and reads no places beyond m;
  // join_order puts the masked items last, in the order of their indices.
  std::vector<Indices> split_order(const Indices& order) const;
  Indices join_order(const std::vector<Indices>& parts) const;

 private:
  [[noreturn]] void refuse(const Group& group, const std::invalid_argument& error) const;
  template <class F> void for_elements(By by, const F& f) const;
  template <class T> Array<T> gather(const Array<T>& full, By by, std::size_t block) const;
  template <class T> Array<T> scatter(const Array<T>& parts, By by, const Shape& full) const;
  Shape full_shape(By by, const Shape& rest) const;
  Shape rest_of(const Shape& full, By by) const;
  Shape part_shape(const Group& group, By by, const Shape& rest) const;

  std::shared_ptr<const Array<bool>> valid_;
  std::shared_ptr<const std::vector<Group>> groups_;
};

// f of the valid items alone. The operands are split by item, Vars and Arrays alike, and f gets the
// same group of all: masked(mask, By::set, [&](auto& s, auto& truth) { .. }, scores, truth).
template <class F, class... Operands>
auto masked(const ItemMask& mask, By by, const F& f, const Operands&... operands) {
  return mask.joined(by, f, mask.split(operands)...);
}

// The same, or f of all items where there is no mask.
using OptionalMask = std::optional<ItemMask>;
template <class F, class... Operands>
auto masked(const OptionalMask& mask, By by, const F& f, const Operands&... operands) {
  return mask ? masked(*mask, by, f, operands...) : f(operands...);
}

// std::invalid_argument unless the mask has the shape of the scores. masked() itself takes operands
// with more axes, so that a mask (n) of scores (n, n) would be taken for one of sets.
void check_mask(const char* op, const Shape& scores, const OptionalMask& mask);

// masked() of an operator that sorts its first operand, the scores.
template <class F, class Scores, class... Operands>
auto masked(const char* op, const OptionalMask& mask, By by, const F& f, const Scores& scores,
            const Operands&... operands) {
  check_mask(op, scores.shape(), mask);
  return masked(mask, by, f, scores, operands...);
}

// std::invalid_argument unless 0 <= k <= n.
void check_count(const char* op, double k, std::size_t n);

// masked() of f(scores, k), which takes k of n items: of a set with fewer valid ones, all that it has.
template <class K, class F, class Scores>
auto masked_top_k(const char* op, const OptionalMask& mask, By by, K k, const F& f,
                  const Scores& scores) {
  if (scores.dimension() > 0) check_count(op, double(k), scores.shape().back());
  const auto first = [&](const auto& s) { return f(s, std::min(k, K(s.shape().back()))); };
  return masked(op, mask, by, first, scores);
}

}  // namespace tapesort
