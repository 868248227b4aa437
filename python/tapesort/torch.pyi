from typing import Callable, ParamSpec

from torch import Tensor

import tapesort
from tapesort import Operator

_P = ParamSpec("_P")

# The same arguments, of which those that get a gradient are tensors.
def _function(op: Operator[_P]) -> Callable[_P, Tensor]: ...

bitonic = _function(tapesort.bitonic)
bitonic_values = _function(tapesort.bitonic_values)
exact_expectation = _function(tapesort.exact_expectation)
fast_soft_rank = _function(tapesort.fast_soft_rank)
fast_soft_sort = _function(tapesort.fast_soft_sort)
gumbel_sinkhorn = _function(tapesort.gumbel_sinkhorn)
lap_sum = _function(tapesort.lap_sum)
lap_sum_rank = _function(tapesort.lap_sum_rank)
lap_sum_sort = _function(tapesort.lap_sum_sort)
lap_sum_top_k = _function(tapesort.lap_sum_top_k)
neural_sort = _function(tapesort.neural_sort)
neural_sort_cross_entropy = _function(tapesort.neural_sort_cross_entropy)
neural_sort_logits = _function(tapesort.neural_sort_logits)
neural_sort_payload = _function(tapesort.neural_sort_payload)
neural_sort_quantile = _function(tapesort.neural_sort_quantile)
neural_sort_ranks = _function(tapesort.neural_sort_ranks)
neural_sort_mean_ranks = _function(tapesort.neural_sort_mean_ranks)
neural_sort_top_k = _function(tapesort.neural_sort_top_k)
neural_sort_values = _function(tapesort.neural_sort_values)
odd_even = _function(tapesort.odd_even)
odd_even_values = _function(tapesort.odd_even_values)
pl_divergence = _function(tapesort.pl_divergence)
pl_entropy = _function(tapesort.pl_entropy)
pl_log_prob = _function(tapesort.pl_log_prob)
pl_relaxed_sample = _function(tapesort.pl_relaxed_sample)
reinforce = _function(tapesort.reinforce)
sinkhorn = _function(tapesort.sinkhorn)
soft_sort = _function(tapesort.soft_sort)
soft_sort_ranks = _function(tapesort.soft_sort_ranks)
soft_sort_values = _function(tapesort.soft_sort_values)
