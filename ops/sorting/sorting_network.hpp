// Sorting networks whose swaps are softened.
//
// A network is a fixed list of comparators (low, high): compare the values on two wires, put the
// smaller one on wire `low`. Softened, both wires carry a mixture.
//
//   forward  d = x_high - x_low, alpha = swap(d): how surely the two are in order already
//              x_low'  = alpha x_low + (1 - alpha) x_high
//              x_high' = (1 - alpha) x_low + alpha x_high
//            one comparator after the other. P_hat starts as the identity and its rows are mixed
//            alike, so that P_hat s = x after the last comparator. Computed from the smaller of
//            alpha and 1 - alpha, so that a masked score (-1e30) leaves the others as they are.
//   vjp      the comparators in reverse; with D = X_high - X_low, the rows of P_hat or the values,
//              alphabar = <D, Xbar_high' - Xbar_low'>,  dbar = alphabar swap'(d)
//              Xbar_low  = alpha Xbar_low' + (1 - alpha) Xbar_high'   (- dbar, for the values)
//              Xbar_high = (1 - alpha) Xbar_low' + alpha Xbar_high'   (+ dbar)
//   shapes   scores (..., n); P_hat (..., n, n): rows are places, columns are items
//   networks odd_even: n layers of neighbours, n (n - 1) / 2 comparators. bitonic: about
//            (log2 n)^2 / 2 layers; an n that is no power of two is that of the next one with the
//            missing wires at the end, where infinitely large scores would stay.
//   swaps    z = steepness d; steepness is in 1 / units of the scores, and tends to infinity for
//            the permutation
//              logistic      1 / (1 + e^-z)
//              logistic_phi  logistic at z / (|d| + 1e-10)^art_lambda: steeper at small differences
//              gaussian      Phi(z)
//              reciprocal    1/2 + z / (2 (2 + |z|))
//              cauchy        1/2 + arctan(z) / pi
//              optimal       1/2 + z for |z| <= 1/4, else 1 - 1 / (16 z) (1 / (16 |z|) for z < 0)
//            The last three keep the network's output monotonic in the scores. The published code
//            adds 1e-10 to the last one's denominator, and so differs from it by up to 1e-9; its
//            reciprocal has a steepness four times that of the paper's formula.
//   descending  places in reverse: row i is row n - 1 - i of the ascending result
//   ties     alpha = 1/2: equal scores share
//   cost     O(n log2^2 n) values for bitonic, and rows as wide as what has been mixed into them:
//            O(n^2 log n) for P_hat. odd_even: O(n^2), O(n^3). The gradient keeps D.
//   errors   std::invalid_argument for 0-d scores, a score that is NaN or infinite, steepness that
//            is not a positive number, art_lambda outside [0, 1)
//   source   Petersen, Borgelt, Kuehne, Deussen, "Differentiable sorting networks", ICML 2021, and
//            "Monotonic differentiable sorting networks", ICLR 2022; Batcher 1968 (bitonic)
#pragma once

#include "engine/dual.hpp"
#include "ops/sorting/hard.hpp"

namespace tapesort {

enum class Network { odd_even, bitonic };
enum class Swap { logistic, logistic_phi, gaussian, reciprocal, cauchy, optimal };

struct NetworkOptions {
  Network network = Network::bitonic;
  Swap swap = Swap::cauchy;
  double steepness = 10;
  double art_lambda = 0.25;  // of logistic_phi
  Direction direction = Direction::descending;
};

// P_hat.
template <class T>
FirstOrder<T> sorting_network(const Var<T>& scores, const NetworkOptions& options = {});

// The soft sorted values P_hat s alone, without the matrix: (..., n) -> (..., n).
template <class T>
FirstOrder<T> sorting_network_values(const Var<T>& scores, const NetworkOptions& options = {});

// The comparators in the order of their work; those of one layer touch different wires.
struct Comparator {
  std::size_t low, high;
};
std::vector<std::vector<Comparator>> network_layers(Network network, std::size_t n);

}  // namespace tapesort
