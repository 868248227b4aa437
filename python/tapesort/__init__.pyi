from typing import Any, Callable, Generic, Literal, ParamSpec, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

_P = ParamSpec("_P")
_Array = NDArray[Any]
_Extents = int | Sequence[int]
_Mask = ArrayLike | None  # booleans
_Direction = Literal["descending", "ascending"]
_Swap = Literal["logistic", "logistic_phi", "gaussian", "reciprocal", "cauchy", "optimal"]
_Regularization = Literal["l2", "kl"]
_Cost = Callable[[NDArray[np.int64]], ArrayLike]

class _Call:
    value: _Array
    def vjp(self, ybar: ArrayLike) -> tuple[_Array, ...]: ...

class Operator(Generic[_P]):
    __name__: str
    arrays: tuple[str, ...]
    def __call__(self, *args: _P.args, **options: _P.kwargs) -> _Array: ...
    def record(self, *args: _P.args, **options: _P.kwargs) -> _Call: ...

class GradcheckReport:
    @property
    def ok(self) -> bool: ...
    @property
    def failure(self) -> str: ...
    def json(self) -> str: ...
    def __bool__(self) -> bool: ...

def vjp(
    op: Operator[_P], *args: _P.args, **options: _P.kwargs
) -> tuple[_Array, Callable[[ArrayLike], tuple[_Array, ...]]]: ...
def gradcheck(
    f: Callable[..., ArrayLike],
    vjp: Callable[..., ArrayLike | tuple[ArrayLike, ...]],
    inputs: Sequence[ArrayLike],
    mode: Literal["automatic", "full", "fast", "sparse", "taylor"] = ...,
    tolerance: float = ...,
    seed: int = ...,
    names: Sequence[str] | None = ...,
) -> GradcheckReport: ...
def argsort(scores: ArrayLike, direction: _Direction = ...) -> NDArray[np.int64]: ...
def k_subset_sample(
    scores: ArrayLike, k: int, seed: int, samples: _Extents = ..., mask: _Mask = ...
) -> NDArray[np.int64]: ...
def pl_sample(
    log_scores: ArrayLike, seed: int, samples: _Extents = ..., mask: _Mask = ...
) -> NDArray[np.int64]: ...

def shuffle_soft_sort(
    items: ArrayLike,
    loss: Callable[[_Array], tuple[float, ArrayLike]],
    seed: int,
    phases: int = ...,
    steps: int = ...,
    learning_rate: float = ...,
    tau_first: float = ...,
    tau_last: float = ...,
) -> NDArray[np.int64]: ...

def ndcg(
    scores: ArrayLike, labels: ArrayLike, k: int | None = ..., mask: _Mask = ...
) -> NDArray[np.float64]: ...
def reciprocal_rank(
    scores: ArrayLike, labels: ArrayLike, mask: _Mask = ...
) -> NDArray[np.float64]: ...

# What becomes an operator of these arguments.
def _operator(f: Callable[_P, _Array]) -> Operator[_P]: ...

def _sorting_network(
    scores: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    hard: bool = ...,
    swap: _Swap = ...,
    steepness: float = ...,
    art_lambda: float = ...,
    mask: _Mask = ...,
) -> _Array: ...

bitonic = _operator(_sorting_network)
bitonic_values = _operator(_sorting_network)
odd_even = _operator(_sorting_network)
odd_even_values = _operator(_sorting_network)

def _fast_soft(
    scores: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    hard: bool = ...,
    regularization: _Regularization = ...,
    mask: _Mask = ...,
) -> _Array: ...

fast_soft_rank = _operator(_fast_soft)
fast_soft_sort = _operator(_fast_soft)

def _of_scores(
    scores: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    hard: bool = ...,
    mask: _Mask = ...,
) -> _Array: ...

lap_sum = _operator(_of_scores)
lap_sum_rank = _operator(_of_scores)
lap_sum_sort = _operator(_of_scores)
neural_sort = _operator(_of_scores)
neural_sort_ranks = _operator(_of_scores)
neural_sort_values = _operator(_of_scores)

def _always_soft(
    scores: ArrayLike, tau: float = ..., direction: _Direction = ..., mask: _Mask = ...
) -> _Array: ...

black_box_rank = _operator(_always_soft)
neural_sort_logits = _operator(_always_soft)

def _perturbed(
    scores: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    samples: int = ...,
    seed: int = ...,
    mask: _Mask = ...,
) -> _Array: ...

perturbed_rank = _operator(_perturbed)
perturbed_sort = _operator(_perturbed)

def _soft_sort(
    scores: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    hard: bool = ...,
    power: float = ...,
    mask: _Mask = ...,
) -> _Array: ...

soft_sort = _operator(_soft_sort)
soft_sort_ranks = _operator(_soft_sort)
soft_sort_values = _operator(_soft_sort)

def _top_k(
    scores: ArrayLike,
    k: int,
    tau: float = ...,
    direction: _Direction = ...,
    hard: bool = ...,
    mask: _Mask = ...,
) -> _Array: ...

neural_sort_top_k = _operator(_top_k)
sparse_top_k = _operator(_top_k)

def _ranking_loss(scores: ArrayLike, labels: ArrayLike, mask: _Mask = ...) -> _Array: ...

list_mle_loss = _operator(_ranking_loss)
list_net_loss = _operator(_ranking_loss)
pairwise_logistic_loss = _operator(_ranking_loss)

def _soft_ndcg_loss(
    scores: ArrayLike,
    labels: ArrayLike,
    tau: float = ...,
    k: int | None = ...,
    mask: _Mask = ...,
) -> _Array: ...

neural_ndcg_loss = _operator(_soft_ndcg_loss)
pi_rank_loss = _operator(_soft_ndcg_loss)

@_operator
def lambda_loss(
    scores: ArrayLike,
    labels: ArrayLike,
    weights: Literal["ndcg_loss2", "lambda_rank"] = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def spearman_loss(
    scores: ArrayLike, labels: ArrayLike, tau: float = ..., mask: _Mask = ...
) -> _Array: ...
@_operator
def neural_sort_smooth(
    scores: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    hard: bool = ...,
    smoothing: float = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def perturbed_top_k(
    scores: ArrayLike,
    k: int,
    tau: float = ...,
    direction: _Direction = ...,
    samples: int = ...,
    seed: int = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def k_subset_marginals(
    scores: ArrayLike, k: int, tau: float = ..., direction: _Direction = ..., mask: _Mask = ...
) -> _Array: ...
@_operator
def k_subset_log_partition(scores: ArrayLike, k: int, mask: _Mask = ...) -> _Array: ...
@_operator
def k_subset_log_prob(
    scores: ArrayLike, subsets: ArrayLike, mask: _Mask = ...
) -> _Array: ...
@_operator
def k_subset_straight_through(
    scores: ArrayLike, k: int, seed: int, samples: _Extents = ..., mask: _Mask = ...
) -> _Array: ...
@_operator
def fenchel_young_loss(
    scores: ArrayLike,
    target: ArrayLike,
    f: Callable[[_Array], ArrayLike],
    tau: float = ...,
    samples: int = ...,
    seed: int = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def exact_expectation(log_scores: ArrayLike, cost: _Cost) -> _Array: ...
@_operator
def gumbel_sinkhorn(
    log_alpha: ArrayLike,
    tau: float = ...,
    seed: int = ...,
    noise_scale: float = ...,
    iterations: int = ...,
    tolerance: float = ...,
) -> _Array: ...
@_operator
def lap_sum_top_k(
    scores: ArrayLike, k: float, tau: float = ..., direction: _Direction = ..., mask: _Mask = ...
) -> _Array: ...
@_operator
def neural_sort_cross_entropy(
    scores: ArrayLike,
    truth: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def neural_sort_payload(
    scores: ArrayLike,
    payload: ArrayLike,
    tau: float = ...,
    direction: _Direction = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def neural_sort_quantile(
    scores: ArrayLike,
    fractions: float | Sequence[float],
    tau: float = ...,
    direction: _Direction = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def neural_sort_mean_ranks(
    scores: ArrayLike, tau: float = ..., direction: _Direction = ..., mask: _Mask = ...
) -> _Array: ...
@_operator
def pl_divergence(
    p: ArrayLike, q: ArrayLike, seed: int, samples: int, mask: _Mask = ...
) -> _Array: ...
@_operator
def pl_entropy(log_scores: ArrayLike, seed: int, samples: int, mask: _Mask = ...) -> _Array: ...
@_operator
def pl_log_prob(log_scores: ArrayLike, order: ArrayLike, mask: _Mask = ...) -> _Array: ...
@_operator
def pl_relaxed_sample(
    log_scores: ArrayLike,
    seed: int,
    samples: _Extents = ...,
    method: str = ...,
    tau: float = ...,
    straight_through: bool = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def reinforce(
    log_scores: ArrayLike,
    cost: _Cost,
    samples: int,
    seed: int,
    leave_one_out: bool = ...,
    mask: _Mask = ...,
) -> _Array: ...
@_operator
def sinkhorn(
    log_alpha: ArrayLike,
    tau: float = ...,
    hard: bool = ...,
    iterations: int = ...,
    tolerance: float = ...,
    mask: _Mask = ...,
) -> _Array: ...
