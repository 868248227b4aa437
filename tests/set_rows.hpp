// The operators on sets of scores, for tests that put them all through the same.
#pragma once

#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/black_box.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/k_subsets.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/relaxation.hpp"
#include "ops/sorting/soft_sort.hpp"
#include "ops/sorting/sorting_network.hpp"

namespace tapesort::testing {

// What a set's result counts: items, places, both (P_hat: places by items), or one number.
enum class Kind { items, places, matrix, number };

// What an operator's formula makes of a change of its input; most keep all four.
struct Keeps {
  bool order = true;  // the items may come in any order
  bool shift =
      true;  // a constant added to the scores changes nothing (adds it to places and numbers)
  bool scale = true;  // a power of two times scores and tau changes nothing (multiplies places ..)
  bool mask = true;   // an item with the score -1e30 changes nothing for the others
  bool ties = true;   // equal scores with equal cotangents have equal gradients
};

template <class T> using OfScores = Var<T>(const Var<T>& scores, T tau);

struct SetRow : InBothTypes<OfScores> {
  template <class F>
  SetRow(std::string name, Kind kind, F op, Keeps keeps = {})
      : InBothTypes(op), name(std::move(name)), kind(kind), keeps(keeps) {}

  std::string name;
  Kind kind;
  Keeps keeps;
};

inline bool is_network(const SetRow& row) {
  return row.name.find("odd_even") == 0 || row.name.find("bitonic") == 0;
}

inline Relaxation relaxation(Method method, double tau) {
  Relaxation r;
  r.method = method;
  r.tau = tau;
  return r;
}

// Where an operator does not keep something, the reason stands beside it. Those that pick an
// item for a place lose `ties`: among equal scores the smallest index that is left is picked, and
// gets the gradient of the place's score.
inline std::vector<SetRow> set_rows() {
  std::vector<SetRow> rows{
      {"softmax", Kind::items, [](const auto& s, auto tau) { return softmax(s / tau); }},
      {"log_softmax", Kind::items, [](const auto& s, auto tau) { return log_softmax(s / tau); }},
      {"logsumexp", Kind::number,
       [](const auto& s, auto tau) { return logsumexp(s / tau, -1) * tau; }},
      {"max",
       Kind::number,
       [](const auto& s, auto) { return max(s, -1); },
       {true, true, true, true, false}},
      {"neural_sort", Kind::matrix, [](const auto& s, auto tau) { return neural_sort(s, tau); }},
      {"neural_sort_values", Kind::places,
       [](const auto& s, auto tau) { return neural_sort_values(s, tau); }},
      {"neural_sort_ranks", Kind::items,
       [](const auto& s, auto tau) { return neural_sort_ranks(s, tau); }},
      // A mean place is divided by the column's sum, to which the new place adds.
      {"neural_sort_ranks, mean", Kind::items,
       [](const auto& s, auto tau) { return neural_sort_ranks(s, tau, Ranks::mean); }},
      {"top_k_mass", Kind::items, [](const auto& s, auto tau) { return top_k_mass(s, 1, tau); }},
      // One item more moves the middle.
      {"neural_sort_median",
       Kind::number,
       [](const auto& s, auto tau) { return neural_sort_median(s, tau); },
       {true, true, true, false}},
      {"soft_sort",
       Kind::matrix,
       [](const auto& s, auto tau) { return soft_sort(s, tau); },
       {true, true, true, true, false}},
      {"soft_sort, power 2",
       Kind::matrix,
       [](const auto& s, auto tau) { return soft_sort(s, tau * tau, 2); },
       {true, true, true, true, false}},
      {"soft_sort, power 3",
       Kind::matrix,
       [](const auto& s, auto tau) { return soft_sort(s, tau * tau * tau, 3); },
       {true, true, true, true, false}},
      {"soft_sort, values",
       Kind::places,
       [](const auto& s, auto tau) { return relaxation(Method::soft_sort, tau).sorted(s); },
       {true, true, true, true, false}},
      {"soft_sort, ranks",
       Kind::items,
       [](const auto& s, auto tau) { return relaxation(Method::soft_sort, tau).ranks(s); },
       {true, true, true, true, false}},
      {"lap_sum", Kind::matrix, [](const auto& s, auto tau) { return lap_sum(s, tau); }},
      {"lap_sum_sort", Kind::places, [](const auto& s, auto tau) { return lap_sum_sort(s, tau); }},
      {"lap_sum_rank", Kind::items, [](const auto& s, auto tau) { return lap_sum_rank(s, tau); }},
      {"lap_sum_top_k", Kind::items,
       [](const auto& s, auto tau) { return lap_sum_top_k(s, 0.75, tau); }},
      {"sparse_top_k", Kind::items,
       [](const auto& s, auto tau) { return sparse_top_k(s, 1, tau); }},
      {"k_subset_marginals", Kind::items,
       [](const auto& s, auto tau) { return k_subset_marginals(s / tau, 1); }},
      {"black_box_rank",
       Kind::items,
       [](const auto& s, auto tau) { return black_box_rank(s, tau); },
       {false, true, true, true, false}},
      // A projection onto the hull of the orders of s: an outlier makes the hull large, and the
      // point that is projected comes to lie within it, where every value is regularised. The
      // entropic one is through exponentials of s, which have no scale.
      {"fast_soft_sort, l2",
       Kind::places,
       [](const auto& s, auto tau) { return fast_soft_sort(s, 1 / tau); },
       {true, true, true, false, false}},
      {"fast_soft_sort, kl",
       Kind::places,
       [](const auto& s, auto tau) { return fast_soft_sort(s, 1 / tau, Regularization::kl); },
       {true, true, false, false, false}},
      {"fast_soft_rank, l2", Kind::items,
       [](const auto& s, auto tau) { return fast_soft_rank(s, tau); }},
      {"fast_soft_rank, kl", Kind::items,
       [](const auto& s, auto tau) { return fast_soft_rank(s, tau, Regularization::kl); }},
  };
  // Which items meet depends on their wires, and one wire more makes it another network.
  // logistic_phi is steeper at small differences, whatever their unit: infinitely so at a tie, near
  // which the rounding of a mixed score is magnified without a bound.
  const std::pair<const char*, Swap> swaps[] = {
      {"logistic", Swap::logistic}, {"logistic_phi", Swap::logistic_phi},
      {"gaussian", Swap::gaussian}, {"reciprocal", Swap::reciprocal},
      {"cauchy", Swap::cauchy},     {"optimal", Swap::optimal}};
  for (const auto& named : swaps) {
    for (const Network network : {Network::odd_even, Network::bitonic}) {
      const std::string name =
          std::string(network == Network::bitonic ? "bitonic, " : "odd_even, ") + named.first;
      const auto options = [network, swap = named.second](double tau) {
        NetworkOptions o;
        o.network = network;
        o.swap = swap;
        o.steepness = 1 / tau;
        return o;
      };
      const bool smooth = named.second != Swap::logistic_phi;
      const Keeps keeps{false, smooth, smooth, false, false};
      rows.push_back(
          {name, Kind::matrix,
           [options](const auto& s, auto tau) { return sorting_network(s, options(tau)); }, keeps});
      rows.push_back(
          {name + ", values", Kind::places,
           [options](const auto& s, auto tau) { return sorting_network_values(s, options(tau)); },
           keeps});
    }
  }
  return rows;
}

}  // namespace tapesort::testing
