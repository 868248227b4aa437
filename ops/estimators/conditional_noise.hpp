// Perturbed scores of a Plackett-Luce distribution given the order that they sort to.
#pragma once

#include "engine/dual.hpp"
#include "engine/tape.hpp"

namespace tapesort {

// The perturbed scores z = s + G given the order b that they sort to, as a function of s and of n
// standard exponentials E (samples..., ..., n) that do not depend on s or b. In terms of the race:
// the time between the arrivals number i - 1 and i is the minimum of those still running,
// exponential with the sum of their rates, whoever wins. Hence, given b,
//
//   t[b_i] = sum_{k <= i} E_k e^(-L_k),   L_k = log sum_{j >= k} e^(s[b_j]),   z = -log t
//
// (the top-down sampling from truncated Gumbels: z[b_i] is one of location L_i cut off at
// z[b_(i-1)]). Times are kept in units of e^-L_i, x_i = log t[b_i] + L_i, and
//
//   x_i = log(e^(x_(i-1) - (L_(i-1) - L_i)) + E_i),   L_(i-1) - L_i = -log(1 - p_(i-1)) >= 0.
//
//   vjp      w_i = (t[b_i] - t[b_(i-1)]) / t[b_i],  p_i = e^(s[b_i] - L_i)
//            U_i = zbar[b_i] + (1 - w_(i+1)) U_(i+1),   Lbar_i = w_i U_i
//            V_i = Lbar_i + (1 - p_(i-1)) V_(i-1),      sbar[b_i] = p_i V_i
//   shapes   log_scores (..., n), order and exponentials (samples..., ..., n) -> the latter's
//   errors   std::invalid_argument when shapes do not fit or a row of order is no permutation
//   source   Gadetsky, Struminsky, Robinson, Quadrianto, Vetrov 2020
template <class T>
FirstOrder<T> conditional_perturbed(const Var<T>& log_scores, const Indices& order,
                                    const Array<T>& exponentials);

// The other way round: the exponentials E for which conditional_perturbed gives z = s + noise. They
// are standard exponentials, independent of the order, when the noise is Gumbel's. Computed from
// s and the noise, as their rounded sum would lose the time between two arrivals.
// std::invalid_argument as above, and when s + noise does not sort to the order
// (PlackettLuce::perturbed_order).
template <class T>
Array<T> arrival_exponentials(const Array<T>& log_scores, const Array<T>& noise,
                              const Indices& order);

}  // namespace tapesort
