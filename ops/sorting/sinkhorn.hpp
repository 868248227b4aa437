// Sinkhorn normalisation: a matrix of logits becomes doubly stochastic. Row i of the result is the
// distribution of place i over the items, column j that of item j over the places.
//
//   forward  X = log_alpha / tau; then `iterations` times
//              X[i, j] -= logsumexp_j X[i, j]   (rows sum to 1)
//              X[i, j] -= logsumexp_i X[i, j]   (columns sum to 1)
//            P_hat = exp(X). With a tolerance, a matrix is done as soon as all its row sums are
//            within it of 1 after the columns' turn (or after `iterations`).
//   vjp      every half-step Y = X - logsumexp(X) is undone in turn: Xbar = Ybar - exp(Y) sum(Ybar)
//            along the same axis. The gradient is of the iterations that ran, not of their limit.
//   shapes   log_alpha (..., n, n), P_hat (..., n, n)
//   tau      in units of log_alpha, a normal number of its type; tau -> 0 gives the permutation of
//            the largest sum of log_alpha, given iterations enough
//   cost     2 n^2 exponentials an iteration, and for the gradient as many numbers that are kept.
//            Small matrices of a batch share vector instructions (unless there is a tolerance):
//            one of 9 x 9 takes a fifth of what it takes alone.
//   errors   std::invalid_argument unless log_alpha is (..., n, n) and finite, tau > 0,
//            iterations >= 1 and tolerance >= 0
//   source   Sinkhorn 1964; Mena, Belanger, Linderman, Snoek, "Learning latent permutations with
//            Gumbel-Sinkhorn networks", ICLR 2018
#pragma once

#include "engine/dual.hpp"
#include "engine/random.hpp"
#include "engine/tape.hpp"

namespace tapesort {

struct SinkhornOptions {
  int iterations = 20;
  double tolerance = 0;  // on row sums; 0: all iterations run
};

template <class T>
FirstOrder<T> sinkhorn(const Var<T>& log_alpha, double tau, const SinkhornOptions& options = {});

// log P_hat = X, which a cross-entropy needs: P_hat itself may underflow to 0.
template <class T>
FirstOrder<T> log_sinkhorn(const Var<T>& log_alpha, double tau,
                           const SinkhornOptions& options = {});

// sinkhorn(log_alpha + noise_scale * G, tau) with independent standard Gumbel noise G: a sample
// from a distribution over nearly-permutations.
template <class T>
FirstOrder<T> gumbel_sinkhorn(const Var<T>& log_alpha, double tau, Generator& random,
                              double noise_scale = 1, const SinkhornOptions& options = {});

}  // namespace tapesort
