from typing import Any, Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

class Operator:
    __name__: str
    arrays: tuple[str, ...]
    def __call__(self, *args: Any, **options: Any) -> NDArray[Any]: ...
    def record(self, *args: Any, **options: Any) -> Any: ...

class GradcheckReport:
    ok: bool
    failure: str
    def json(self) -> str: ...
    def __bool__(self) -> bool: ...

def vjp(
    op: Operator, *args: Any, **options: Any
) -> tuple[NDArray[Any], Callable[[ArrayLike], tuple[NDArray[Any], ...]]]: ...
def gradcheck(
    f: Callable[..., ArrayLike],
    vjp: Callable[..., Any],
    inputs: Sequence[ArrayLike],
    mode: str = ...,
    tolerance: float = ...,
    seed: int = ...,
    names: Sequence[str] | None = ...,
) -> GradcheckReport: ...
def argsort(scores: ArrayLike, direction: str = ...) -> NDArray[np.int64]: ...
def pl_sample(
    log_scores: ArrayLike, seed: int, samples: Sequence[int] = ...
) -> NDArray[np.int64]: ...

bitonic: Operator
bitonic_values: Operator
exact_expectation: Operator
fast_soft_rank: Operator
fast_soft_sort: Operator
gumbel_sinkhorn: Operator
lap_sum: Operator
lap_sum_rank: Operator
lap_sum_sort: Operator
lap_sum_top_k: Operator
neural_sort: Operator
neural_sort_cross_entropy: Operator
neural_sort_logits: Operator
neural_sort_mean_ranks: Operator
neural_sort_payload: Operator
neural_sort_quantile: Operator
neural_sort_ranks: Operator
neural_sort_top_k: Operator
neural_sort_values: Operator
odd_even: Operator
odd_even_values: Operator
pl_divergence: Operator
pl_entropy: Operator
pl_log_prob: Operator
pl_relaxed_sample: Operator
reinforce: Operator
sinkhorn: Operator
soft_sort: Operator
soft_sort_ranks: Operator
soft_sort_values: Operator
