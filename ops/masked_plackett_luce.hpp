// Plackett-Luce over the valid items of masked sets (mask.hpp, plackett_luce.hpp).
//
// An order is one of all n items: the first m places are for the valid ones, and the masked items
// follow in the order of their indices. They take no part: log_prob reads no place beyond m.
//
// What gives numbers for each set needs no class: entropy, divergence and every estimator. Their
// costs see orders of the valid items alone, counted among themselves, 0 .. m - 1, and what else a
// cost needs is split with the scores:
//
//     masked(mask, By::set, [&](auto& s, auto& labels) {
//       return reinforce(s, cost_of(labels), samples, random);    // labels (g, m), orders (S, g, m)
//     }, log_scores, labels)
//
// Source: Plackett 1975; of a subset of its items, Plackett-Luce is that of their scores alone.
#pragma once

#include "ops/mask.hpp"
#include "ops/plackett_luce.hpp"

namespace tapesort {

template <class T> class MaskedPlackettLuce {
 public:
  // log_scores and mask (.., n). std::invalid_argument on shapes and for valid scores that are not
  // finite.
  MaskedPlackettLuce(const Var<T>& log_scores, const ItemMask& mask);

  // As PlackettLuce's, with samples in front. Results of sets without items are 0.
  Var<T> log_prob(const Indices& order) const;
  Indices mode() const;
  Indices sample(Generator& random, const Shape& samples = {}) const;
  // (samples.., .., n, n): the rows of the first m places, over the valid columns.
  Var<T> relaxed_sample(const RelaxedSort<T>& relaxed_sort, Generator& random,
                        const Shape& samples = {}) const;
  Var<T> straight_through_sample(const RelaxedSort<T>& relaxed_sort, Generator& random,
                                 const Shape& samples = {}) const;

 private:
  ItemMask mask_;
  std::vector<PlackettLuce<T>> groups_;  // one for each of the mask's
};

}  // namespace tapesort
