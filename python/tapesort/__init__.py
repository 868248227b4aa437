"""Sorting that has gradients, on NumPy arrays.

    >>> import numpy as np, tapesort
    >>> s = np.array([0.1, 0.9, 0.4])
    >>> tapesort.neural_sort_values(s, tau=0.1)            # the sorted scores, softened
    >>> y, vjp = tapesort.vjp(tapesort.neural_sort_values, s, tau=0.1)
    >>> sbar, = vjp(np.ones(3))                            # the gradient of y.sum()

Scores are (..., n): each set of the last axis is sorted on its own. tau > 0 is in units of the
scores (of its inverse for the fast soft sort); tau -> 0 gives the sort itself. float32 arrays are
computed in float32, all others in float64. mask=.., booleans (..., n), says which items there are: the
result is that of these alone, exactly, and 0 elsewhere; np.arange(n) < lengths[..., None] is a mask by
lengths. Bad arguments are a ValueError or a TypeError. A value is
read-only: it is what the gradient is computed from; copy it to change it. Calls may be made from
several threads; the work of one call is shared out to the cores. A forked process works on one core.
"""

import functools
import inspect
import operator
import re

import numpy as np

from . import _tapesort
from ._tapesort import GradcheckReport, __version__

__all__ = [
    "GradcheckReport", "Operator", "argsort", "bitonic", "bitonic_values", "black_box_rank",
    "exact_expectation", "fast_soft_rank", "fast_soft_sort", "fenchel_young_loss", "gradcheck",
    "gumbel_sinkhorn", "k_subset_log_partition", "k_subset_log_prob", "k_subset_marginals",
    "k_subset_sample", "k_subset_straight_through", "lambda_loss", "lap_sum", "lap_sum_rank",
    "lap_sum_sort", "lap_sum_top_k", "list_mle_loss", "list_net_loss", "ndcg", "neural_ndcg_loss", "neural_sort",
    "neural_sort_cross_entropy", "neural_sort_logits", "neural_sort_mean_ranks",
    "neural_sort_payload", "neural_sort_quantile", "neural_sort_ranks", "neural_sort_smooth",
    "neural_sort_top_k", "neural_sort_values", "odd_even", "odd_even_values",
    "pairwise_logistic_loss", "perturbed_rank", "perturbed_sort", "perturbed_top_k",
    "pi_rank_loss", "pl_divergence", "pl_entropy", "pl_log_prob", "pl_relaxed_sample", "pl_sample",
    "reciprocal_rank", "reinforce", "shuffle_soft_sort", "sinkhorn", "soft_sort", "soft_sort_ranks",
    "soft_sort_values", "sparse_top_k", "spearman_loss", "vjp",
]


_VALUE_ALONE, _COPIED, _IN_PLACE = range(3)  # what is recorded, and how inputs are kept: bindings.cpp


def __dir__():  # for completion
    return [*__all__, "__doc__", "__version__"]


class _Named:
    """Errors of this package begin with the function that was called, whatever C++ calls its own; those of
    a user's function that it calls stay as they are."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind not in (TypeError, ValueError, MemoryError):
            return
        while traceback:
            if traceback.tb_frame.f_code.co_filename != __file__:
                return
            traceback = traceback.tb_next
        text = re.sub(r"^(\w+::)*\w+: ", "", str(error))
        if kind is MemoryError:  # which says no more than its C++ name
            text = "out of memory; ask for less at once"
        raise kind(f"{self.name}: {text}") from None


def _bind(name, signature, args, options):
    try:
        return signature.bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; its arguments: {signature}") from None


def _named(function):
    name, signature = function.__name__, inspect.signature(function)

    @functools.wraps(function)
    def named(*args, **options):
        bound = _bind(name, signature, args, options)
        with _Named(name):
            return function(*bound.args, **bound.kwargs)
    return named


class Operator:
    """A function of arrays that can also be recorded: op(*arrays, **options) is its value, and
    op.record(*arrays, **options) a call with .value and .vjp(ybar) -> tuple of gradients."""

    def __init__(self, name, record, arrays, doc, parameters):
        self.__name__ = self.__qualname__ = name
        self.__module__ = __name__
        self.summary = doc
        self.__doc__ = f"{name}{inspect.Signature(parameters)}\n\n{doc}"  # help() cuts a long repr
        self.__signature__ = inspect.Signature(parameters)
        self.arrays = arrays  # the names of the arguments that get a gradient
        self._record = record

    def __call__(self, *args, **options):
        return self.record(*args, _recorded=_VALUE_ALONE, **options).value

    def bind(self, *args, **options):
        return _bind(self.__name__, self.__signature__, args, options)

    def record(self, *args, _recorded=_COPIED, **options):
        bound = self.bind(*args, **options)
        with _Named(self.__name__):
            for name in self.arrays:
                _check_numbers(name, bound.arguments[name])
            return self._record(**bound.arguments, record=_recorded)

    def __repr__(self):
        return f"<tapesort operator {self.__name__}>"

    def __reduce__(self):
        return self.__name__  # pickled as the global of that name


def vjp(op, *args, **options):
    """op(*args, **options), and the function ybar -> (xbar of each array), the product of ybar
    with the transposed Jacobian. It may be called again and again."""
    if not isinstance(op, Operator):
        raise TypeError(f"vjp: {op!r} is not one of this package's differentiable operators")
    call = op.record(*args, **options)

    def back(ybar):
        with _Named(f"{op.__name__}'s vjp"):
            _check_numbers("ybar", ybar)
            return call.vjp(ybar)
    return call.value, back


def _parameters(function, leave_out=("record",)):
    return [p.replace(kind=p.POSITIONAL_OR_KEYWORD)
            for p in inspect.signature(function).parameters.values() if p.name not in leave_out]


def _operator(*arrays):
    def make(record):
        return Operator(record.__name__, record, arrays, record.__doc__, _parameters(record))
    return make


def _as_array(what, values):
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{what} is a masked array, whose mask would be lost; give "
                        "its data, and mask=~x.mask")
    try:
        return np.asarray(values)
    except Exception as error:  # a ragged list; a tensor that has a gradient, is sparse, or elsewhere
        raise TypeError(f"{what} does not become an array: {error}") from None


def _check_numbers(what, values):
    array = _as_array(what, values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what} must hold real numbers, got an array of {array.dtype}")
    return array


def _compared(what, values, scores):
    """What only the order of counts, as labels: where the scores' type would round it, its ranks."""
    array = _check_numbers(what, values)
    digits = 24 if np.asarray(scores).dtype == np.float32 else 53
    if array.dtype.kind in "iu" and array.size and max(int(array.max()), -int(array.min())) > 2**digits or \
            array.dtype == np.float64 and digits == 24 and (array.astype(np.float32) != array).any():
        ranks = np.unique(array, return_inverse=True)[1].reshape(array.shape)
        return np.where(np.isfinite(array), ranks, array)  # a NaN or an infinity is refused later
    return array


def _whole(what, value, least=0, bits=63):
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{what} must be at least {least}, got {number}")
    if number >= 2**bits:
        raise ValueError(f"{what} must be less than 2**{bits}, got {number}")
    return number


def _seed(seed):
    return _whole("seed", seed, bits=64)


def _flag(what, value):
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} must be True or False, got {value!r}")
    return bool(value)


def _number(what, value):
    if isinstance(value, str):
        raise TypeError(f"{what} must be a number, got {value!r}")
    try:
        return float(value)
    except (RuntimeError, TypeError):
        raise TypeError(f"{what} must be a number, got {value!r}") from None


def _indices(what, values):
    """Orders, subsets: whole numbers, which float numbers are not."""
    array = _as_array(what, values)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{what} must hold whole numbers, got an array of {array.dtype}")
    return array


def _mask(mask):
    if mask is None:
        return None
    array = _as_array("mask", mask)
    if array.ndim == 0:
        raise ValueError("mask is a single value; need one for each item, (..., n)")
    if array.dtype != bool:
        raise TypeError(f"mask must hold booleans, True for items that are there, got an array of "
                        f"{array.dtype}")
    return array


def _checked(what, function):
    """A user's function of arrays, whose results are numbers."""
    if not callable(function):
        raise TypeError(f"{what} must be a function, got {function!r}")

    def checked(*arrays):
        return _check_numbers(f"the result of {what}", function(*arrays))
    return checked


def _listed(values):
    return list(np.atleast_1d(values))


def _extents(samples):
    return [_whole("samples", s) for s in np.atleast_1d(np.asarray(samples, dtype=object))]


def _iterations(iterations):
    return min(_whole("iterations", iterations, 1), 2**31 - 1)


def _relaxation(method, tau=1.0, direction="descending", hard=False, power=1.0, iterations=20,
                tolerance=0.0, steepness=0.0, swap="cauchy", art_lambda=0.25, regularization="l2",
                smoothing=0.0, samples=100, seed=1):
    return _tapesort.Relaxation(
        method, _number("tau", tau), str(direction), _flag("hard", hard), _number("power", power),
        _iterations(iterations), _number("tolerance", tolerance),
        _number("steepness", steepness), str(swap), _number("art_lambda", art_lambda),
        str(regularization), _number("smoothing", smoothing),
        _whole("samples", samples, 2), _seed(seed))


def _relaxed(name, method, output, allowed, doc):
    array = "log_alpha" if method == "sinkhorn" else "scores"

    def record(record, tau=1.0, mask=None, **options):
        scores = options.pop(array)
        return getattr(_relaxation(method, tau, **options), output)(scores, _mask(mask), record)

    defaults = inspect.signature(_relaxation).parameters
    parameters = [inspect.Parameter(array, inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [defaults[option] for option in ("tau", *allowed)]
    parameters += [inspect.Parameter("mask", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)]
    return Operator(name, record, (array,), doc, parameters)


_usual = ("direction", "hard")
_network = _usual + ("swap", "steepness", "art_lambda")
_P = "scores (..., n) -> P_hat (..., n, n), whose row i is the distribution of place i over the items. "
_values = "scores (..., n) -> the sorted scores (..., n). "
_ranks = "scores (..., n) -> the places (..., n), from 1. "
_options = ("direction='ascending' puts the smallest first; hard=True gives the value of the sort "
            "itself, with the gradient of the relaxation.")
_grover = " Grover, Wang, Zweig, Ermon 2019."
_petersen = (" A sorting network (Petersen et al. 2021, 2022): swap is logistic, logistic_phi, "
             "gaussian, reciprocal, cauchy or optimal, steepness 1 / tau unless given.")

neural_sort = _relaxed("neural_sort", "neural_sort", "matrix", _usual, _P + _options + _grover)
neural_sort_logits = _relaxed("neural_sort_logits", "neural_sort", "logits", ("direction",),
                              "The logits of neural_sort's rows (..., n, n)." + _grover)
neural_sort_smooth = _relaxed(
    "neural_sort_smooth", "neural_sort_smooth", "matrix", _usual + ("smoothing",),
    _P + "With sqrt(d^2 + smoothing^2) for the absolute value of differences d, smooth at ties; smoothing "
    "0 stands for tau. " + _options + _grover)
neural_sort_values = _relaxed("neural_sort_values", "neural_sort", "sorted", _usual,
                              _values + "In O(n) memory. " + _options + _grover)
neural_sort_ranks = _relaxed("neural_sort_ranks", "neural_sort", "ranks", _usual,
                             _ranks + "In O(n) memory. " + _options + _grover)
soft_sort = _relaxed("soft_sort", "soft_sort", "matrix", _usual + ("power",),
                     _P + _options + " Prillo, Eisenschlos 2020.")
soft_sort_values = _relaxed("soft_sort_values", "soft_sort", "sorted", _usual + ("power",),
                            _values + _options)
soft_sort_ranks = _relaxed("soft_sort_ranks", "soft_sort", "ranks", _usual + ("power",),
                           _ranks + _options)
odd_even = _relaxed("odd_even", "odd_even", "matrix", _network, _P + _options + _petersen)
odd_even_values = _relaxed("odd_even_values", "odd_even", "sorted", _network,
                           _values + _options + _petersen)
bitonic = _relaxed("bitonic", "bitonic", "matrix", _network, _P + _options + _petersen)
bitonic_values = _relaxed("bitonic_values", "bitonic", "sorted", _network,
                          _values + _options + _petersen)
fast_soft_sort = _relaxed(
    "fast_soft_sort", "fast_soft_sort", "sorted", _usual + ("regularization",),
    _values + "tau is the strength; regularization is l2 or kl. " + _options + " Blondel et al. 2020.")
fast_soft_rank = _relaxed(
    "fast_soft_rank", "fast_soft_rank", "ranks", _usual + ("regularization",),
    _ranks + "tau is the strength; regularization is l2 or kl. " + _options + " Blondel et al. 2020.")
lap_sum = _relaxed("lap_sum", "lap_sum", "matrix", _usual,
                   _P + "Doubly stochastic. " + _options + " Struski et al. 2025.")
lap_sum_sort = _relaxed("lap_sum_sort", "lap_sum", "sorted", _usual,
                        _values + "In closed form, not lap_sum's P_hat s; a little beyond the largest "
                        "and the smallest score. " + _options)
lap_sum_rank = _relaxed("lap_sum_rank", "lap_sum", "ranks", _usual,
                        _ranks + "In closed form, not those of lap_sum's P_hat. " + _options)
black_box_rank = _relaxed(
    "black_box_rank", "black_box_rank", "ranks", ("direction",),
    _ranks + "The ranks themselves; tau is lambda, how far their gradient looks: that of a piecewise linear "
    "interpolation. Rolinek et al. 2020.")
_noise = (" The mean over samples of normal noise of deviation tau, of that seed, with an unbiased "
          "estimate of the gradient. Berthet et al. 2020.")
perturbed_rank = _relaxed("perturbed_rank", "perturbed", "ranks",
                          ("direction", "samples", "seed"), _ranks + _noise)
perturbed_sort = _relaxed("perturbed_sort", "perturbed", "matrix",
                          ("direction", "samples", "seed"), _P + _noise)
sinkhorn = _relaxed(
    "sinkhorn", "sinkhorn", "matrix", ("hard", "iterations", "tolerance"),
    "log_alpha (..., n, n) -> nearly doubly stochastic (..., n, n): exp(log_alpha / tau), whose rows and then "
    "columns are normalised `iterations` times, or until all row sums are within tolerance of 1; a small tau "
    "takes many. With a mask (..., n) of m items the columns of the others, and the last n - m rows, are left out. "
    "Sinkhorn 1964, Mena et al. 2018.")


@_operator("scores")
def neural_sort_top_k(scores, k, tau=1.0, *, record, direction="descending", hard=False, mask=None):
    """How much of each item is among the first k places, k whole: (..., n) -> (..., n)."""
    relaxation = _relaxation("neural_sort", tau, direction, hard)
    return relaxation.top_k(scores, _whole("k", k), _mask(mask), record)


@_operator("scores")
def sparse_top_k(scores, k, tau=1.0, *, record, direction="descending", hard=False, mask=None):
    """Masses between 0 and 1, most of them 0 or 1 exactly, whose sum is k: (..., n) -> (..., n). tau is
    the strength. Sander et al. 2023."""
    relaxation = _relaxation("sparse_top_k", tau, direction, hard)
    return relaxation.top_k(scores, _whole("k", k), _mask(mask), record)


@_operator("scores")
def perturbed_top_k(scores, k, tau=1.0, *, record, direction="descending", samples=100, seed=1,
                    mask=None):
    """How often each item is among the first k places under normal noise of deviation tau, with an
    unbiased estimate of the gradient: (..., n) -> (..., n). Berthet et al. 2020."""
    relaxation = _relaxation("perturbed", tau, direction, samples=samples, seed=seed)
    return relaxation.top_k(scores, _whole("k", k), _mask(mask), record)


@_operator("scores")
def k_subset_marginals(scores, k, tau=1.0, *, record, direction="descending", mask=None):
    """With what probability each item is in a random subset of k, whose weight is the exponential of its
    scores' sum over tau: (..., n) -> (..., n). Ahmed et al. 2023."""
    relaxation = _relaxation("k_subset", tau, direction)
    return relaxation.top_k(scores, _whole("k", k), _mask(mask), record)


@_operator("scores")
def k_subset_log_partition(scores, k, *, record, mask=None):
    """ln of the sum of all weights of subsets of k: (..., n) -> (...). Its gradient: the marginals."""
    return _tapesort.k_subset_log_partition(scores, _whole("k", k),
                                            _mask(mask), record)


@_operator("scores")
def k_subset_log_prob(scores, subsets, *, record, mask=None):
    """The log-probability of subsets (samples.., ..., k) of k different valid items: (samples.., ...)."""
    return _tapesort.k_subset_log_prob(scores, _indices("subsets", subsets), _mask(mask), record)


@_named
def k_subset_sample(scores, k, seed, samples=(), mask=None):
    """Exact samples of subsets of k valid items: (..., n) -> (samples.., ..., k), in rising order."""
    _check_numbers("scores", scores)
    return _tapesort.k_subset_sample(scores, _whole("k", k),
                                     _seed(seed), _extents(samples), _mask(mask))


@_operator("scores")
def k_subset_straight_through(scores, k, seed, samples=(), *, record, mask=None):
    """Those samples as k ones among zeros, with the gradient of the marginals: (..., n) -> (samples.., ...,
    n). Ahmed et al. 2023."""
    return _tapesort.k_subset_straight_through(
        scores, _whole("k", k), _seed(seed),
        _extents(samples), _mask(mask), record)


@_operator("scores")
def fenchel_young_loss(scores, target, f, tau=1.0, *, record, samples=100, seed=1, mask=None):
    """The loss (...) of scores (..., n) whose perturbed f(scores) should be target (..., n). f maps arrays
    (samples, ..., n) to arrays of that shape, argmax of <y, scores> over a fixed set of y: ranks counted
    from the smallest, or ones for the k largest; with a mask it gets the sets of one size at a time, (samples, sets, items). The
    gradient is perturbed f - target. Berthet et al. 2020."""
    _check_numbers("target", target)
    return _tapesort.fenchel_young_loss(scores, target, _checked("f", f), _number("tau", tau),
                                        _whole("samples", samples, 2), _seed(seed),
                                        _mask(mask), record)


@_operator("scores")
def lap_sum_top_k(scores, k, tau=1.0, *, record, direction="descending", mask=None):
    """How much of each item is among the k largest, sum exactly k, which need not be whole: (..., n) ->
    (..., n). Struski et al. 2025."""
    return _tapesort.lap_sum_top_k(scores, _number("k", k), _number("tau", tau), str(direction),
                                   _mask(mask), record)


@_operator("scores", "payload")
def neural_sort_payload(scores, payload, tau=1.0, *, record, direction="descending", mask=None):
    """P_hat X: items (..., n, d) sorted along with their scores (..., n). Grover et al. 2019."""
    return _tapesort.neural_sort_payload(scores, payload, _number("tau", tau), str(direction), _mask(mask), record)


@_operator("scores")
def neural_sort_quantile(scores, fractions, tau=1.0, *, record, direction="descending", mask=None):
    """The scores (..., q) below which the given fractions of them lie, softened."""
    return _tapesort.neural_sort_quantile(scores, [_number("fraction", f) for f in _listed(fractions)],
                                          _number("tau", tau), str(direction), _mask(mask), record)


@_operator("scores")
def neural_sort_mean_ranks(scores, tau=1.0, *, record, direction="descending", mask=None):
    """Mean places between 1 and n: neural_sort_ranks over the sums of P_hat's columns."""
    return _tapesort.neural_sort_mean_ranks(scores, _number("tau", tau), str(direction), _mask(mask), record)


@_operator("scores")
def neural_sort_cross_entropy(scores, truth, tau=1.0, *, record, direction="descending", mask=None):
    """The mean cross-entropy (...) of P_hat's rows against the order of truth (..., n), the mean over all
    orders of equal ones."""
    return _tapesort.neural_sort_cross_entropy(scores, _compared("truth", truth, scores), _number("tau", tau), str(direction),
                                               _mask(mask), record)


@_operator("log_alpha")
def gumbel_sinkhorn(log_alpha, tau=1.0, *, record, seed=0, noise_scale=1.0, iterations=20,
                    tolerance=0.0):
    """sinkhorn(log_alpha + noise_scale * Gumbel noise of that seed). Mena et al. 2018."""
    return _tapesort.gumbel_sinkhorn(
        log_alpha, _number("tau", tau), _seed(seed), _number("noise_scale", noise_scale),
        _iterations(iterations), _number("tolerance", tolerance), record)


@_named
def argsort(scores, direction="descending"):
    """The item at each place: scores (..., n) -> (..., n). Stable."""
    return _tapesort.argsort(_compared("scores", scores, 0.0), str(direction))


@_named
def shuffle_soft_sort(items, loss, seed, phases=400, steps=4, learning_rate=0.2, tau_first=1.0,
                      tau_last=0.1):
    """Puts items (N, d) in places 0 .. N - 1 so that a loss of their arrangement is low, with N parameters
    (ShuffleSoftSort, Barthel et al. 2025): the item at each place, (N,). loss maps an arrangement (N, d), of
    mixed items while it learns, to its value, of the order of 1, and its gradient (N, d)."""
    _check_numbers("items", items)

    def checked(arranged):
        result = loss(arranged)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(f"the loss must return (value, gradient), got {result!r}")
        value, gradient = _number("the loss's value", result[0]), result[1]
        if _check_numbers("the loss's gradient", gradient).shape != arranged.shape:
            raise ValueError(f"the loss's gradient is {np.shape(gradient)}, its arrangement {arranged.shape}")
        if not np.isfinite(value):
            raise ValueError(f"the loss's value is {value}; need a finite one")
        if not (np.abs(gradient) < 1e100).all():
            raise ValueError("the loss's gradient is not finite, or above 1e100; its value is to be of the order of 1")
        return value, gradient
    return _tapesort.shuffle_soft_sort(items, checked, _whole("phases", phases, 1), _whole("steps", steps, 1),
                                       _number("learning_rate", learning_rate),
                                       _number("tau_first", tau_first), _number("tau_last", tau_last),
                                       _seed(seed))


@_operator("log_scores")
def pl_log_prob(log_scores, order, *, record, mask=None):
    """The Plackett-Luce log-probability of orders (samples.., ..., k), k <= n: (samples.., ...). With a mask
    the places beyond a set's valid items are not read."""
    return _tapesort.pl_log_prob(log_scores, _indices("order", order), _mask(mask), record)


@_named
def pl_sample(log_scores, seed, samples=(), mask=None):
    """Exact Plackett-Luce samples: log-scores (..., n) -> orders (samples.., ..., n), in which masked
    items come last."""
    _check_numbers("log_scores", log_scores)
    return _tapesort.pl_sample(log_scores, _seed(seed), _extents(samples), _mask(mask))


_MATRIX_METHODS = ("neural_sort", "neural_sort_smooth", "soft_sort", "odd_even", "bitonic", "lap_sum",
                   "perturbed")


@_operator("log_scores")
def pl_relaxed_sample(log_scores, seed, samples=(), *, record, method="neural_sort", tau=1.0,
                      straight_through=False, mask=None):
    """A sample's P_hat (samples.., ..., n, n), differentiable in the scores at that seed's noise;
    with straight_through, the permutation matrix with the gradient of P_hat. method is neural_sort,
    neural_sort_smooth, soft_sort, odd_even, bitonic, lap_sum or perturbed."""
    if method not in _MATRIX_METHODS:
        raise ValueError(f"there is no method {method!r}; need one of {', '.join(_MATRIX_METHODS)}")
    return _tapesort.pl_relaxed_sample(log_scores, _relaxation(method, tau), _seed(seed),
                                       _extents(samples), _flag("straight_through", straight_through), _mask(mask), record)


@_operator("log_scores")
def pl_entropy(log_scores, seed, samples, *, record, mask=None):
    """The entropy (...), estimated without bias (gradient, too) from at least two samples."""
    return _tapesort.pl_entropy(log_scores, _seed(seed), _whole("samples", samples, 2),
                                _mask(mask), record)


@_operator("p", "q")
def pl_divergence(p, q, seed, samples, *, record, mask=None):
    """KL(p || q) (...), estimated without bias (gradient, too) from at least two samples."""
    for name, log_scores in (("p", p), ("q", q)):
        if not np.isfinite(_check_numbers(name, log_scores)).all() and mask is None:
            raise ValueError(f"{name} holds a NaN or an infinity")
    return _tapesort.pl_divergence(p, q, _seed(seed), _whole("samples", samples, 2),
                                   _mask(mask), record)


@_operator("log_scores")
def exact_expectation(log_scores, cost, *, record):
    """The expected cost (...) of a random order; cost maps orders (n!, ..., n) to (n!, ...), finite
    numbers. n <= 8.
    There is no mask, as sets of m items have m! orders: call it once for each m."""
    return _tapesort.exact_expectation(log_scores, _checked("cost", cost), record)


@_operator("log_scores")
def reinforce(log_scores, cost, samples, seed, *, record, leave_one_out=True, mask=None):
    """The expected cost (...) of a random order from samples, with the score-function gradient; cost
    maps orders (samples, ..., n), in which masked items come last, to (samples, ...), finite
    numbers. leave_one_out, which needs two samples, subtracts the mean of the others' costs. Williams 1992,
    Kool et al. 2019."""
    leave_one_out = _flag("leave_one_out", leave_one_out)
    return _tapesort.reinforce(log_scores, _checked("cost", cost),
                               _whole("samples", samples, 2 if leave_one_out else 1),
                               _seed(seed), leave_one_out, _mask(mask), record)


def _places(k):
    return 2**64 - 1 if k is None else _whole("k", k, 1)


def _ranking_loss(name, scores, labels, mask, record, tau=1.0, k=1):
    labels = _check_numbers("labels", labels)
    if name in ("list_mle", "pairwise_logistic", "spearman"):
        labels = _compared("labels", labels, scores)
    return _tapesort.ranking_loss(name, scores, labels, _number("tau", tau), k, _mask(mask), record)


@_operator("scores")
def list_mle_loss(scores, labels, *, record, mask=None):
    """-ln of the Plackett-Luce probability of the order by labels, larger first and, where equal, the
    smaller index: scores and relevance labels (..., n) -> (...). Xia et al. 2008."""
    return _ranking_loss("list_mle", scores, labels, mask, record)


@_operator("scores")
def list_net_loss(scores, labels, *, record, mask=None):
    """The cross-entropy of softmax(scores) against softmax(labels): (..., n) -> (...). Cao et al. 2007."""
    return _ranking_loss("list_net", scores, labels, mask, record)


@_operator("scores")
def pairwise_logistic_loss(scores, labels, *, record, mask=None):
    """The sum of ln(1 + exp(s_j - s_i)) over pairs in which i has the larger label: (..., n) -> (...).
    Burges et al. 2005."""
    return _ranking_loss("pairwise_logistic", scores, labels, mask, record)


@_operator("scores")
def lambda_loss(scores, labels, weights="ndcg_loss2", *, record, mask=None):
    """pairwise_logistic_loss in bits, each pair weighted by what it means for NDCG at the present order:
    (..., n) -> (...). weights is ndcg_loss2 or lambda_rank; they are constants for the gradient. Labels are
    0 .. 1000. Wang et al. 2018."""
    if weights not in ("ndcg_loss2", "lambda_rank"):
        raise ValueError(f"there are no weights {weights!r}; need ndcg_loss2 or lambda_rank")
    return _ranking_loss(weights, scores, labels, mask, record)


@_operator("scores")
def neural_ndcg_loss(scores, labels, tau=1.0, k=None, *, record, mask=None):
    """1 - NDCG of the first k places (None: all), with NeuralSort's matrix, made doubly stochastic, for the
    order: (..., n) -> (...). Labels are 0 .. 1000. Pobrotyn, Bialobrzeski 2021."""
    return _ranking_loss("neural_ndcg", scores, labels, mask, record, tau,
                         _places(k))


@_operator("scores")
def pi_rank_loss(scores, labels, tau=1.0, k=None, *, record, mask=None):
    """1 - NDCG of the first k places (None: all), with NeuralSort's matrix for the order: (..., n) -> (...).
    In O(n) memory. Labels are 0 .. 1000. Swezey et al. 2021."""
    return _ranking_loss("pi_rank", scores, labels, mask, record, tau,
                         _places(k))


@_operator("scores")
def spearman_loss(scores, labels, tau=1.0, *, record, mask=None):
    """6 sum (r - t)^2 / (n (n^2 - 1)) of soft ranks r (fast_soft_rank of strength tau) and the labels' ranks t,
    the mean of their places where labels are equal: (..., n) -> (...). Without ties it is 1 - Spearman's
    coefficient. Blondel et al. 2020."""
    return _ranking_loss("spearman", scores, labels, mask, record, tau)


@_named
def ndcg(scores, labels, k=None, mask=None):
    """NDCG of the first k places (None: all) in the order by falling scores: scores and labels (..., n) ->
    (...). Gains are 2^label - 1, labels 0 .. 1000. The mean over all orders of equal scores; 1 where no
    label is above 0."""
    _check_numbers("scores", scores)
    _check_numbers("labels", labels)
    return _tapesort.ndcg(scores, labels, _places(k), _mask(mask))


@_named
def reciprocal_rank(scores, labels, mask=None):
    """1 / the place of the first item whose label is above 0, in the order by falling scores: (..., n) ->
    (...); its mean is MRR. The mean over all orders of equal scores; 0 where no label is above 0."""
    _check_numbers("scores", scores)
    _check_numbers("labels", labels)
    return _tapesort.reciprocal_rank(scores, labels, _mask(mask))


@_named
def gradcheck(f, vjp, inputs, mode="automatic", tolerance=0.0, seed=1, names=None):
    """Checks a hand-written gradient against differences: f(*inputs) -> y and vjp(*inputs, ybar)
    -> gradient of each input (one array, or a tuple of them). Arrays of float32 are checked to
    about three digits, all others in float64. The report says what is wrong, is true when nothing is, and
    has .json(). names are what it calls the inputs.

    mode: full compares every element of the Jacobian and knows the usual mistakes; fast compares along
    three random directions, sparse along twenty, some of them scaled for small elements; taylor shows the
    orders of the remainders, with no tolerance; automatic is full up to 500 inputs and outputs together,
    else fast. Where a direction fails, the element is named. tolerance: the largest relative difference that
    is accepted besides the error of the differences, 0 for the usual one (1e-7; of float32 1e-3)."""
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("inputs must be a list or tuple of arrays, as in [x, y]")
    names = [str(i) for i in range(len(inputs))] if names is None else [str(name) for name in _listed(names)]
    if len(names) != len(inputs):
        raise ValueError(f"{len(names)} names for {len(inputs)} inputs")
    for name, x in zip(names, inputs):
        if not np.isfinite(_check_numbers(f"input {name}", x)).all():
            raise ValueError(f"input {name} holds a NaN or an infinity; there is no derivative to check")
    if not callable(vjp):
        raise TypeError(f"vjp must be a function, got {vjp!r}")

    def checked_vjp(*arguments):
        gradients = vjp(*arguments)
        one = len(inputs) == 1 and isinstance(gradients, list) and np.shape(gradients) == np.shape(inputs[0])
        if one or not isinstance(gradients, (list, tuple)):
            gradients = (gradients,)
        if len(gradients) != len(inputs):
            raise ValueError(f"vjp gives {len(gradients)} arrays for {len(inputs)} inputs")
        for name, gradient in zip(names, gradients):
            _check_numbers(f"vjp's gradient of input {name}", gradient)
        return gradients

    return _tapesort.gradcheck(_checked("f", f), checked_vjp, list(inputs), names, str(mode),
                               _number("tolerance", tolerance), _seed(seed))
