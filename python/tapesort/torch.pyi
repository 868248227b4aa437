from typing import Callable, ParamSpec

from torch import Tensor

import tapesort
from tapesort import Operator

_P = ParamSpec("_P")

# The same arguments, of which those that get a gradient are tensors.
def _function(op: Operator[_P]) -> Callable[_P, Tensor]: ...

bitonic = _function(tapesort.bitonic)
bitonic_values = _function(tapesort.bitonic_values)
black_box_rank = _function(tapesort.black_box_rank)
exact_expectation = _function(tapesort.exact_expectation)
fast_soft_rank = _function(tapesort.fast_soft_rank)
fast_soft_sort = _function(tapesort.fast_soft_sort)
fenchel_young_loss = _function(tapesort.fenchel_young_loss)
gumbel_sinkhorn = _function(tapesort.gumbel_sinkhorn)
k_subset_log_partition = _function(tapesort.k_subset_log_partition)
k_subset_log_prob = _function(tapesort.k_subset_log_prob)
k_subset_marginals = _function(tapesort.k_subset_marginals)
lambda_loss = _function(tapesort.lambda_loss)
lap_sum = _function(tapesort.lap_sum)
lap_sum_rank = _function(tapesort.lap_sum_rank)
lap_sum_sort = _function(tapesort.lap_sum_sort)
lap_sum_top_k = _function(tapesort.lap_sum_top_k)
list_mle_loss = _function(tapesort.list_mle_loss)
list_net_loss = _function(tapesort.list_net_loss)
neural_ndcg_loss = _function(tapesort.neural_ndcg_loss)
neural_sort = _function(tapesort.neural_sort)
neural_sort_cross_entropy = _function(tapesort.neural_sort_cross_entropy)
neural_sort_logits = _function(tapesort.neural_sort_logits)
neural_sort_mean_ranks = _function(tapesort.neural_sort_mean_ranks)
neural_sort_payload = _function(tapesort.neural_sort_payload)
neural_sort_quantile = _function(tapesort.neural_sort_quantile)
neural_sort_ranks = _function(tapesort.neural_sort_ranks)
neural_sort_smooth = _function(tapesort.neural_sort_smooth)
neural_sort_top_k = _function(tapesort.neural_sort_top_k)
neural_sort_values = _function(tapesort.neural_sort_values)
odd_even = _function(tapesort.odd_even)
odd_even_values = _function(tapesort.odd_even_values)
pairwise_logistic_loss = _function(tapesort.pairwise_logistic_loss)
perturbed_rank = _function(tapesort.perturbed_rank)
perturbed_sort = _function(tapesort.perturbed_sort)
perturbed_top_k = _function(tapesort.perturbed_top_k)
pi_rank_loss = _function(tapesort.pi_rank_loss)
pl_divergence = _function(tapesort.pl_divergence)
pl_entropy = _function(tapesort.pl_entropy)
pl_log_prob = _function(tapesort.pl_log_prob)
pl_relaxed_sample = _function(tapesort.pl_relaxed_sample)
reinforce = _function(tapesort.reinforce)
sinkhorn = _function(tapesort.sinkhorn)
soft_sort = _function(tapesort.soft_sort)
soft_sort_ranks = _function(tapesort.soft_sort_ranks)
soft_sort_values = _function(tapesort.soft_sort_values)
sparse_top_k = _function(tapesort.sparse_top_k)
spearman_loss = _function(tapesort.spearman_loss)
