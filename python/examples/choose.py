"""Which method for ranks, and which for the k largest? ops/sorting/README.md quotes what this prints:
PYTHONPATH=build/python /usr/bin/python3 python/examples/choose.py

Twenty scores are to get a given order, or five given ones of them are to become the largest, by steps of
one length down the squared error of soft ranks, or masses, or a loss that the method brings along. Each
method has its best temperature.
"""

import numpy as np
import tapesort as ts

n, k, starts, most, length = 20, 5, 20, 500, 0.1
temperatures = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


def ranks(s):
    return 1.0 + np.argsort(np.argsort(-s))


def first(s):
    return 1.0 * (ranks(s) <= k)


def gradient(op, tau, s, target, step):
    options = {"k": k} if "top_k" in op.__name__ or "subset" in op.__name__ else {}
    if op.__name__.startswith(("perturbed", "fenchel")):
        options["seed"] = step
    if op is ts.fenchel_young_loss:
        loss, vjp = ts.vjp(op, s, target, first, tau, **options)
        return vjp(np.ones_like(loss))[0]
    if op is ts.neural_sort_cross_entropy:
        loss, vjp = ts.vjp(op, s, -target, tau)
        return vjp(1.0)[0]
    y, vjp = ts.vjp(op, s, tau=tau, **options)
    return vjp(2 * (y - target))[0]


def steps_needed(op, tau, hard):
    """Of the starts that come to the target, within `most` steps."""
    steps = []
    for start in range(starts):
        random = np.random.default_rng(start)
        s, target = random.normal(size=n), hard(random.normal(size=n))
        for step in range(most):
            if (hard(s) == target).all():
                steps.append(step)
                break
            g = gradient(op, tau, s, target, step)
            if not g.any():
                break  # it starves
            s = s - length * g / np.linalg.norm(g)
    return steps


for task, hard, ops in [
        ("the order of 20", ranks, [ts.neural_sort_ranks, ts.soft_sort_ranks, ts.lap_sum_rank,
                                    ts.fast_soft_rank, ts.black_box_rank, ts.perturbed_rank,
                                    ts.neural_sort_cross_entropy]),
        ("the first 5 of 20", first, [ts.neural_sort_top_k, ts.lap_sum_top_k, ts.k_subset_marginals,
                                      ts.sparse_top_k, ts.perturbed_top_k, ts.fenchel_young_loss])]:
    print(f"{task:25s} {'tau':>5s}   solved   median steps")
    for op in ops:
        tau, steps = max(((tau, steps_needed(op, tau, hard)) for tau in temperatures),
                         key=lambda result: (len(result[1]), -np.median(result[1] or [most])))
        print(f"{op.__name__:25s} {tau:5g} {len(steps):5d} of {starts} {np.median(steps or [most]):10.0f}")
