// Learning to rank: losses that are low when relevant documents have high scores, and how good the
// order by scores is.
//
// A set is a query with its n documents. Scores s and labels y are (.., n), a larger label is more
// relevant; every loss and every metric is a number for each set, (..). Below, places i count from 1,
// d_i = 1 / log2(1 + i) is the discount of place i, g_j = 2^y_j - 1 the gain of document j, and
// G_j = g_j / max DCG, where DCG@k = sum_(i<=k) d_i g_(document at place i) and max DCG is that of the
// order by labels. NDCG@k = DCG@k / max DCG@k.
//
//   list_mle_loss     -ln p of the order by labels, under Plackett-Luce with log-scores s
//   list_net_loss     -sum_j softmax(y)_j ln softmax(s)_j
//   pairwise_logistic_loss
//                     sum over pairs y_i > y_j of ln(1 + e^(s_j - s_i))
//   lambda_loss       sum over pairs y_i > y_j of w_ij log2(1 + e^(s_j - s_i)), with r_j the place of j in
//                     the order by s, and w a constant between two changes of that order:
//                       ndcg_loss2   w_ij = |G_i - G_j| (d_m - d_(m+1)),  m = |r_i - r_j|
//                       lambda_rank  w_ij = |G_i - G_j| |d_(r_i) - d_(r_j)|
//   neural_ndcg_loss  1 - sum_(i<=k) d_i sum_j S[i, j] G_j, S = NeuralSort's P_hat of s, whose rows and
//                     columns are normalised in turn, 20 times (sinkhorn.hpp; the paper: up to 50 times);
//                     max DCG in G is that of k places
//   pi_rank_loss      the same with P_hat itself, in O(n) memory
//   spearman_loss     6 sum_j (r_j - t_j)^2 / (n (n^2 - 1)), r = fast_soft_rank(s), t the ranks of the
//                     labels: 1 - Spearman's coefficient when r are whole and no labels are equal
//
//   vjp       with p = softmax(s), sigma the logistic function, r and P_hat's by their own pullbacks:
//               list_mle   sbar = -ybar d ln p / ds (plackett_luce.hpp)
//               list_net   sbar_j = ybar (p_j - softmax(y)_j)
//               pairs      sbar_i = -ybar sum_j w_ij sigma(s_j - s_i), and each term is added to sbar_j
//                          with the other sign; lambda_loss divides by ln 2
//   mask      with one, of shape (.., n): of the valid documents alone, exactly (mask.hpp); losses of sets
//             without documents are 0
//   ties      labels: list_mle takes the smaller index first (documents in random order average over
//             all orders of equal labels), spearman their mean rank, pairs have none. Scores: the order
//             in lambda_loss has the smaller index first; ndcg and reciprocal_rank are means over all
//             orders of equal scores
//   extremes  a set without a relevant document (y > 0) has NDCG 1, losses of NDCG 0, reciprocal rank 0
//   tau, strength  in units of the scores
//   memory    n^2 a set for pairs, 40 n^2 for neural_ndcg, which keeps every normalisation
//   errors    std::invalid_argument for 0-d scores, n = 0 without a mask, labels of another shape, scores
//             that are NaN, infinite or beyond half of the type's largest number, labels that are not
//             finite, gains of labels outside 0 .. 1000, tau or strength that is not positive, k = 0; of
//             spearman and neural_ndcg for somewhat smaller scores, too (their operators say so).
//             The metrics take infinite scores
//   source    Xia et al. 2008 (ListMLE); Cao et al. 2007 (ListNet, top one); Burges et al. 2005
//             (RankNet); Wang et al., "The LambdaLoss framework for ranking metric optimization", CIKM
//             2018; Pobrotyn, Bialobrzeski, "NeuralNDCG", 2021; Swezey et al., "PiRank", NeurIPS 2021;
//             Blondel et al., "Fast differentiable sorting and ranking", ICML 2020. Ties in metrics:
//             McSherry, Najork, ECIR 2008
#pragma once

#include "engine/dual.hpp"
#include "ops/mask.hpp"

namespace tapesort {

constexpr std::size_t all_places = std::size_t(-1);

template <class T>
Var<T> list_mle_loss(const Var<T>& scores, const Array<T>& labels, const OptionalMask& mask = {});
template <class T>
Var<T> list_net_loss(const Var<T>& scores, const Array<T>& labels, const OptionalMask& mask = {});
template <class T>
Var<T> pairwise_logistic_loss(const Var<T>& scores, const Array<T>& labels,
                              const OptionalMask& mask = {});

enum class LambdaWeights { ndcg_loss2, lambda_rank };
template <class T>
Var<T> lambda_loss(const Var<T>& scores, const Array<T>& labels,
                   LambdaWeights weights = LambdaWeights::ndcg_loss2,
                   const OptionalMask& mask = {});

template <class T>
FirstOrder<T> neural_ndcg_loss(const Var<T>& scores, const Array<T>& labels, double tau,
                               std::size_t k = all_places, const OptionalMask& mask = {});
template <class T>
FirstOrder<T> pi_rank_loss(const Var<T>& scores, const Array<T>& labels, double tau,
                           std::size_t k = all_places, const OptionalMask& mask = {});
template <class T>
FirstOrder<T> spearman_loss(const Var<T>& scores, const Array<T>& labels, double strength,
                            const OptionalMask& mask = {});

// The mean reciprocal rank, MRR, is the mean over sets of 1 / (place of the first relevant document).
template <class T>
Array<double> ndcg(const Array<T>& scores, const Array<T>& labels, std::size_t k = all_places,
                   const OptionalMask& mask = {});
template <class T>
Array<double> reciprocal_rank(const Array<T>& scores, const Array<T>& labels,
                              const OptionalMask& mask = {});

}  // namespace tapesort
