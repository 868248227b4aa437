"""Tests of the Python package: PYTHONPATH=build/python python3 -m unittest python/test_tapesort.py"""

import ast
import gc
import inspect
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import unittest

import numpy as np

import tapesort

try:
    import torch
    import tapesort.torch
except ImportError:
    torch = None


def neural_sort_by_formula(s, tau):
    n = len(s)
    a = np.abs(s[:, None] - s[None, :]).sum(axis=1)
    logits = ((n + 1 - 2 * np.arange(1, n + 1))[:, None] * s[None, :] - a[None, :]) / tau
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# Arguments for each operator: arrays, then options.
S = np.array([[0.3, -1.2, 0.8, 0.1], [2.0, 0.5, 1.1, -0.4]])
CASES = {
    "neural_sort_payload": ([S, np.arange(24.0).reshape(2, 4, 3)], {}),
    "neural_sort_quantile": ([S], {"fractions": [0.5, 0.9]}),
    "neural_sort_cross_entropy": ([S], {"truth": -S}),
    "neural_sort_top_k": ([S], {"k": 2}),
    "lap_sum_top_k": ([S], {"k": 2}),
    "sparse_top_k": ([S], {"k": 2}),
    "k_subset_marginals": ([S], {"k": 2}),
    "k_subset_log_partition": ([S], {"k": 2}),
    "k_subset_log_prob": ([S], {"subsets": np.array([[2, 0], [0, 3]])}),
    "fenchel_young_loss": ([S], {"target": np.eye(4)[:2], "tau": 0.5,
                                 "f": lambda s: 1.0 * (s == s.max(-1, keepdims=True))}),
    "sinkhorn": ([np.sin(np.arange(16.0)).reshape(4, 4)], {"tau": 0.5}),
    "gumbel_sinkhorn": ([np.sin(np.arange(16.0)).reshape(4, 4)], {"seed": 3}),
    "pl_log_prob": ([S], {"order": np.array([[2, 0, 3, 1], [0, 2, 1, 3]])}),
    "pl_relaxed_sample": ([S], {"seed": 3, "samples": [2]}),
    "exact_expectation": ([S], {"cost": lambda z: z[..., 0] * 1.0}),
    **{name: ([S], {"labels": np.array([[0, 2, 1, 0], [3, 0, 1, 1]])})
       for name in ("list_mle_loss", "list_net_loss", "pairwise_logistic_loss", "lambda_loss",
                    "neural_ndcg_loss", "pi_rank_loss", "spearman_loss")},
}
# Their gradients are estimates, of an expectation, or those of an interpolation.
ESTIMATES = {"pl_entropy", "pl_divergence", "reinforce", "black_box_rank", "perturbed_rank",
             "perturbed_sort", "perturbed_top_k", "k_subset_straight_through"}
OPERATORS = [name for name in tapesort.__all__
             if isinstance(getattr(tapesort, name), tapesort.Operator)]


def cases(module):
    """Each operator but the estimates: its name, function, arrays and options."""
    for name in OPERATORS:
        if name not in ESTIMATES:
            yield (name, getattr(module, name), *CASES.get(name, ([S], {"tau": 0.7})))


class Values(unittest.TestCase):
    def test_neural_sort_is_its_formula(self):
        for tau in (0.1, 1.0):
            P = tapesort.neural_sort(S, tau=tau)
            for row in range(2):
                np.testing.assert_allclose(P[row], neural_sort_by_formula(S[row], tau), rtol=1e-12)
            np.testing.assert_allclose(tapesort.neural_sort_values(S, tau),
                                       (P @ S[..., None])[..., 0], rtol=1e-12)

    def test_types(self):
        for name, op, arrays, options in cases(tapesort):
            with self.subTest(name):
                double = op(*arrays, **options)
                single = op(*[a.astype(np.float32) for a in arrays], **options)
                self.assertEqual(double.dtype, np.float64)
                self.assertEqual(single.dtype, np.float32)
                np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-5)
        self.assertEqual(tapesort.neural_sort([1, 3, 2]).dtype, np.float64)

    def test_sampling(self):
        s = np.array([1.0, 0.0, -1.0])
        z = tapesort.pl_sample(s, seed=1, samples=[20000])
        first = np.bincount(z[:, 0], minlength=3) / len(z)
        np.testing.assert_allclose(first, np.exp(s) / np.exp(s).sum(), atol=0.015)
        p = [np.exp(tapesort.pl_log_prob(s, np.array(o))) for o in itertools.permutations(range(3))]
        self.assertAlmostEqual(sum(p), 1, places=12)

    def test_estimates(self):
        s = np.array([0.5, 0.0, -0.5])
        cost = lambda z: (z[..., 0] == 2) * 1.0
        exact, back = tapesort.vjp(tapesort.exact_expectation, s, cost)
        estimate, back2 = tapesort.vjp(tapesort.reinforce, s, cost, 20000, 4)
        self.assertAlmostEqual(float(estimate), float(exact), delta=0.01)
        np.testing.assert_allclose(back2(1.0)[0], back(1.0)[0], atol=0.01)

    # More arrays, and options.
    MORE = {
        "neural_sort_payload": ([np.arange(24.0).reshape(2, 4, 3)], {}),
        "neural_sort_quantile": ([], {"fractions": [0.5, 0.9]}),
        "neural_sort_mean_ranks": ([], {}),
        "neural_sort_cross_entropy": ([-S], {}),
        "lap_sum_top_k": ([], {"k": 1.5}),
        "k_subset_log_partition": ([], {"k": 2}),
        "fenchel_young_loss": ([np.eye(4)[:2]], {"f": lambda s: 1.0 * (s == s.max(-1, keepdims=True))}),
        "pl_entropy": ([], {"seed": 1, "samples": 5}),
        "pl_divergence": ([S[::-1]], {"seed": 1, "samples": 5}),
    }

    def test_masks(self):
        mask = np.array([[True, False, True, True], [False, False, False, False]])
        s = np.where(mask, S, np.nan)
        alone = S[0, mask[0]]
        for name in OPERATORS:
            op = getattr(tapesort, name)
            if "mask" not in inspect.signature(op).parameters or name.endswith("_loss") or name in (
                    "sinkhorn", "k_subset_log_prob", "k_subset_straight_through", "pl_log_prob", "pl_relaxed_sample", "reinforce", *self.MORE):
                continue
            with self.subTest(name):
                options = {"k": 2} if "k" in inspect.signature(op).parameters else {}
                y, back = tapesort.vjp(op, s, mask=mask, **options)
                expected = op(alone, **options)
                there = mask if y.ndim == 2 and ("rank" in name or "top_k" in name or "k_sub" in name) \
                    else np.arange(4) < mask.sum(-1, keepdims=True)
                if y.ndim == 3:
                    there = there[:, :, None] & mask[:, None, :]
                np.testing.assert_array_equal(y[there], expected.ravel())
                np.testing.assert_array_equal(y[~there], 0)
                gradient, = back(np.ones_like(y))
                np.testing.assert_array_equal(gradient[~mask], 0)
                self.assertTrue(np.isfinite(gradient).all())
        for name, (more, options) in self.MORE.items():
            with self.subTest(name):
                op = getattr(tapesort, name)
                y, back = tapesort.vjp(op, s, *more, mask=mask, **options)
                expected, back_alone = tapesort.vjp(op, alone, *[x[0, mask[0]] for x in more], **options)
                there = y[0][:3] if name == "neural_sort_payload" else \
                    y[0][mask[0]] if name in ("neural_sort_mean_ranks", "lap_sum_top_k") else y[0]
                np.testing.assert_array_equal(there, expected)
                np.testing.assert_array_equal(y[1], 0)
                gradient = back(np.ones_like(y))[0]
                np.testing.assert_array_equal(gradient[0, mask[0]], back_alone(np.ones_like(expected))[0])
                np.testing.assert_array_equal(gradient[~mask], 0)
        # A set's estimate does not depend on the other sizes in the batch.
        two = np.array([[True, True, False, False], [True, True, True, False]])
        self.assertEqual(tapesort.pl_entropy(S, 1, 50, mask=two)[1], tapesort.pl_entropy(S[1, :3], 1, 50))
        other = S[::-1]
        self.assertEqual(tapesort.pl_divergence(S, other, 1, 50, mask=two)[1],
                         tapesort.pl_divergence(S[1, :3], other[1, :3], 1, 50))
        best = lambda s: 1.0 * (s == s.max(-1, keepdims=True))
        self.assertEqual(tapesort.fenchel_young_loss(S, np.eye(4)[:2], best, mask=two)[1],
                         tapesort.fenchel_young_loss(S[1, :3], np.eye(4)[1, :3], best))
        order = np.array([[3, 0, 2, 1], [0, 0, 0, 0]])
        self.assertAlmostEqual(tapesort.pl_log_prob(s, order, mask)[0],
                               float(tapesort.pl_log_prob(alone, [2, 0, 1])), places=14)
        z = tapesort.pl_sample(s, 1, [50], mask)
        np.testing.assert_array_equal(np.sort(z, -1), np.broadcast_to(np.arange(4), (50, 2, 4)))
        np.testing.assert_array_equal(z[:, 0, 3], 1)
        P = tapesort.pl_relaxed_sample(s, 1, [5], mask=mask)
        np.testing.assert_allclose(P.sum(-1)[:, 0], np.tile([1, 1, 1, 0], (5, 1)), atol=1e-12)
        cost = lambda z: (z[..., 0] == 2) * 1.0
        estimate, back = tapesort.vjp(tapesort.reinforce, s, cost, 20000, 4, mask=mask)
        exact, exact_back = tapesort.vjp(tapesort.exact_expectation, alone, lambda z: (z[..., 0] == 1) * 1.0)
        self.assertAlmostEqual(float(estimate[0]), float(exact), delta=0.02)
        np.testing.assert_allclose(back(np.ones(2))[0][0, mask[0]], exact_back(1.0)[0], atol=0.02)
        logits = np.sin(np.arange(16.0)).reshape(4, 4)
        np.testing.assert_array_equal(tapesort.sinkhorn(logits, mask=mask[0])[:3][:, mask[0]],
                                      tapesort.sinkhorn(logits[:3][:, mask[0]]))

    def test_subsets_and_noise(self):
        s = np.array([0.3, -1.0, 0.8])
        pairs = [(0, 1), (0, 2), (1, 2)]
        weights = np.exp([s[list(p)].sum() for p in pairs])
        np.testing.assert_allclose(tapesort.k_subset_log_partition(s, 2), np.log(weights.sum()), rtol=1e-13)
        np.testing.assert_allclose(tapesort.k_subset_log_prob(s, np.array(pairs)),
                                   np.log(weights / weights.sum()), rtol=1e-12)
        drawn = tapesort.k_subset_sample(s, 2, seed=1, samples=20000)
        np.testing.assert_allclose([(drawn == p).all(-1).mean() for p in pairs], weights / weights.sum(),
                                   atol=0.015)
        mask = np.array([True, False, True, True])
        masked = np.insert(s, 1, np.nan)
        np.testing.assert_array_equal(
            tapesort.k_subset_log_prob(masked, np.array([[0, 2], [2, 3]]), mask=mask),
            tapesort.k_subset_log_prob(s, np.array([[0, 1], [1, 2]])))
        self.assertEqual(set(tapesort.k_subset_sample(masked, 2, 1, 100, mask).flat), {0, 2, 3})
        ones, back = tapesort.vjp(tapesort.k_subset_straight_through, masked, 2, 1, 100, mask)
        np.testing.assert_array_equal(np.nonzero(ones)[1].reshape(100, 2),
                                      tapesort.k_subset_sample(masked, 2, 1, 100, mask))
        u = np.array([0.5, 2.0, -1.0, 3.0])
        _, marginals_back = tapesort.vjp(tapesort.k_subset_marginals, masked, 2, mask=mask)
        np.testing.assert_allclose(back(np.ones((100, 4)) * u)[0], 100 * marginals_back(u)[0], rtol=1e-12)
        ranks = tapesort.perturbed_rank(s, tau=1e-9)
        np.testing.assert_array_equal(ranks, tapesort.black_box_rank(s))
        np.testing.assert_array_equal(ranks, [2, 3, 1])
        _, back = tapesort.vjp(tapesort.black_box_rank, s, tau=2.0)
        np.testing.assert_array_equal(back(np.array([0.0, 0.0, -1.0]))[0], [-0.5, -0.5, 1])

    def test_k_of_a_masked_set(self):
        """Of a set with fewer than k items all are taken; 0 <= k <= n."""
        mask = np.array([[True, False, True, False], [True, True, True, True], [False] * 4])
        s = np.where(mask, np.resize(S, (3, 4)), np.nan)
        for name in OPERATORS:
            op = getattr(tapesort, name)
            parameters = inspect.signature(op).parameters
            if "k" not in parameters or name.endswith("_loss"):
                continue
            with self.subTest(name):
                more = {"seed": 1} if "seed" in parameters else {}
                y, back = tapesort.vjp(op, s, 3, mask=mask, **more)
                alone = op(s[0, mask[0]], 2, **more)
                if y.ndim == 2:
                    np.testing.assert_array_equal(y[0], [alone[0], 0, alone[1], 0])
                    np.testing.assert_allclose(y.sum(-1), [2, 3, 0], rtol=0.01)
                else:
                    np.testing.assert_allclose(y, [alone, op(s[1], 3), 0], rtol=1e-14)
                gradient, = back(np.ones_like(y))
                np.testing.assert_array_equal(gradient[~mask], 0)
                none, back = tapesort.vjp(op, s, 0, mask=mask, **more)
                np.testing.assert_array_equal(none, 0)
                np.testing.assert_array_equal(back(np.ones_like(none))[0], 0)
                for scores, m in ((s, mask), (S, None)):
                    with self.assertRaisesRegex(ValueError, f"^{name}: k must be in 0 .. n, got 5 for n = 4$"):
                        op(scores, 5, mask=m, **more)
        with self.assertRaisesRegex(ValueError, "k_subset_sample: set 0 has 2 valid items; need at least k = 3"):
            tapesort.k_subset_sample(s, 3, 1, mask=mask)

    def test_too_much_memory_is_said_by_name(self):
        with self.assertRaisesRegex(MemoryError, "^neural_sort: out of memory; ask for less at once$"):
            tapesort.neural_sort(np.zeros(5000000))  # more than a process can address

    def test_shuffle_soft_sort(self):
        items = np.random.default_rng(1).permutation(np.linspace(0, 1, 36)).reshape(36, 1)
        def roughness(y):  # the mean squared difference of neighbours, over the items' variance
            grid, back = y.reshape(6, 6), np.zeros((6, 6))
            across, down = np.diff(grid, axis=1), np.diff(grid, axis=0)
            scale = 1 / (60 * items.var())
            back[:, 1:] += across
            back[:, :-1] -= across
            back[1:] += down
            back[:-1] -= down
            return scale * ((across**2).sum() + (down**2).sum()), 2 * scale * back.reshape(36, 1)
        order = tapesort.shuffle_soft_sort(items, roughness, phases=100, seed=1)
        np.testing.assert_array_equal(np.sort(order), np.arange(36))
        self.assertLess(roughness(items[order])[0], 0.5 * roughness(items)[0])
        with self.assertRaisesRegex(ValueError, r"the loss's gradient is \(6, 6\), .* \(36, 1\)"):
            tapesort.shuffle_soft_sort(items, lambda y: (0.0, np.zeros((6, 6))), phases=1, seed=1)
        with self.assertRaisesRegex(ValueError, "all items are equal"):
            tapesort.shuffle_soft_sort(np.ones((4, 2)), roughness, seed=1)

    def test_ranking(self):
        s, y = np.array([0.3, -1.0, 0.8]), np.array([2, 0, 1])
        p = lambda z: float(np.exp(s[z[0]]) / np.exp(s[z]).sum())
        cases = {
            ("list_mle_loss",): -np.log(p([0, 2, 1]) * p([2, 1])),
            ("list_net_loss",): -(np.exp(y) / np.exp(y).sum()) @ np.log(np.exp(s) / np.exp(s).sum()),
            ("pairwise_logistic_loss",): np.log1p(np.exp([-1.3, 0.5, -1.8])).sum(),
        }
        d, G = 1 / np.log2([2, 3, 4]), np.array([3, 0, 1]) / (3 + 1 / np.log2(3))
        bits = np.log2(1 + np.exp([-1.3, 0.5, -1.8]))  # of pairs 0 1, 0 2, 2 1, whose places are 2, 3, 1
        cases["lambda_loss", "ndcg_loss2"] = bits @ ([G[0], G[0] - G[2], G[2]] * (d[:-1] - d[1:])[[0, 0, 1]])
        cases["lambda_loss", "lambda_rank"] = bits @ [G[0] * (d[1] - d[2]), (G[0] - G[2]) * (d[0] - d[1]),
                                                      G[2] * (d[0] - d[2])]
        P = neural_sort_by_formula(s, 0.5)
        cases["pi_rank_loss", 0.5] = 1 - d @ P @ G
        for _ in range(20):
            P = P / P.sum(1, keepdims=True)
            P = P / P.sum(0, keepdims=True)
        cases["neural_ndcg_loss", 0.5] = 1 - d @ P @ G
        cases["spearman_loss", 1e-3] = 1 - np.corrcoef([2, 3, 1], [1, 3, 2])[0, 1]
        with self.assertRaisesRegex(TypeError, "labels is a masked array"):
            tapesort.list_net_loss([1.0, 2.0], np.ma.array([1, 0], mask=[0, 1]))
        with self.assertRaisesRegex(TypeError, "ndcg: scores is a masked array"):
            tapesort.ndcg(np.ma.array([1.0, 2.0], mask=[0, 1]), [1, 0])
        mask = np.array([[True, False, True, True], [False] * 4])
        padded, labels = np.full((2, 4), np.nan), np.full((2, 4), -1.0)
        padded[0, mask[0]], labels[0, mask[0]] = s, y
        for (name, *options), expected in cases.items():
            with self.subTest(name):
                op = getattr(tapesort, name)
                np.testing.assert_allclose(op(s, y, *options), expected, rtol=1e-12)
                masked, back = tapesort.vjp(op, padded, labels, *options, mask=mask)
                np.testing.assert_array_equal(masked, [op(s, y, *options), 0])
                gradient, = back(np.ones(2))
                np.testing.assert_array_equal(gradient[0, mask[0]], tapesort.vjp(op, s, y, *options)[1](1.0)[0])
                np.testing.assert_array_equal(gradient[~mask], 0)
        self.assertAlmostEqual(float(tapesort.ndcg(s, y)), (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3)))
        self.assertAlmostEqual(float(tapesort.ndcg(s, y, k=1)), 1 / 3)
        self.assertAlmostEqual(float(tapesort.ndcg([1, 1], [1, 0], 1)), 0.5)  # either first
        np.testing.assert_array_equal(tapesort.reciprocal_rank(S, [[1, 0, 0, 0], [0, 0, 0, 0]]), [1 / 2, 0])
        np.testing.assert_array_equal(tapesort.reciprocal_rank(padded, labels, mask=mask), [1, 0])
        np.testing.assert_array_equal(tapesort.ndcg(padded, labels, 1, mask), [tapesort.ndcg(s, y, 1), 1])
        for f in (tapesort.ndcg, tapesort.pi_rank_loss, tapesort.neural_ndcg_loss):
            with self.assertRaisesRegex(ValueError, "k must be at least 1, got 0"):
                f(s, y, k=0)
        with self.assertRaisesRegex(ValueError, "there are no weights 'ndcg'; need ndcg_loss2 or lambda_rank"):
            tapesort.lambda_loss(s, y, "ndcg")
        with self.assertRaisesRegex(ValueError, "lambda_loss: label 1 of row 0 is -1; need labels between"):
            tapesort.lambda_loss(s, [0, -1, 2])
        with self.assertRaisesRegex(ValueError, "list_net_loss: shapes differ: scores is .3., labels is .2."):
            tapesort.list_net_loss(s, [0, 1])

    def test_errors_are_value_errors(self):
        with self.assertRaisesRegex(ValueError, "tau"):
            tapesort.neural_sort(S, tau=-1)
        with self.assertRaisesRegex(ValueError, "score 1 of row 0 is nan"):
            tapesort.soft_sort([1.0, np.nan])
        with self.assertRaisesRegex(ValueError, "lap_sum: there is no direction sideways; need one of descending"):
            tapesort.lap_sum(S, direction="sideways")
        with self.assertRaisesRegex(TypeError, "neural_sort: got an unexpected keyword argument 'power'"):
            tapesort.neural_sort(S, power=2)
        with self.assertRaisesRegex(ValueError, "read-only"):
            tapesort.neural_sort(S)[0, 0, 0] = 1
        _, back = tapesort.vjp(tapesort.neural_sort_values, S)
        with self.assertRaisesRegex(ValueError, "shapes differ"):
            back(np.ones(3))
        with self.assertRaisesRegex(ValueError, "neural_sort_top_k: k must be at least 0, got -1"):
            tapesort.neural_sort_top_k(S, -1)
        with self.assertRaisesRegex(TypeError, "neural_sort_top_k: k must be a whole number, got 1.5"):
            tapesort.neural_sort_top_k(S, 1.5)
        with self.assertRaisesRegex(ValueError, "pl_sample: seed must be at least 0, got -1"):
            tapesort.pl_sample(S, -1)
        for error, text, f in (
                (ValueError, "^neural_sort_values: tau must be > 0", lambda: tapesort.neural_sort_values(S, 0)),
                (TypeError, "^soft_sort: tau must be a number, got '1'", lambda: tapesort.soft_sort(S, tau="1")),
                (TypeError, "^neural_sort_values's vjp: ybar must hold real numbers",
                 lambda: tapesort.vjp(tapesort.neural_sort_values, S)[1](1j * S)),
                (ValueError, "^neural_sort_payload: there is no direction 1; need one of",
                 lambda: tapesort.neural_sort_payload(S, S[..., None], direction=1)),
                (ValueError, "^pl_log_prob: .* 7", lambda: tapesort.pl_log_prob(S[0], [0, 7])),
                (ValueError, r"^argsort: score 1 of row 0 is NaN", lambda: tapesort.argsort([0, np.nan])),
                (ValueError, "^pl_relaxed_sample: there is no method 'sinkhorn'; need one of neural_sort, ",
                 lambda: tapesort.pl_relaxed_sample(S, 1, method="sinkhorn")),
                (ValueError, r"^reinforce: the cost of samples \(50, 2, 4\) is \(50\); need \(50, 2\)",
                 lambda: tapesort.reinforce(S, lambda z: np.ones(50), 50, 1)),
                (ValueError, "^reinforce: a cost is nan; need finite numbers",
                 lambda: tapesort.reinforce(S, lambda z: np.nan * z[..., 0], 50, 1)),
                (TypeError, "^reinforce: the result of cost must hold real numbers, got an array of complex128",
                 lambda: tapesort.reinforce(S, lambda z: 1j * z[..., 0], 50, 1)),
                (TypeError, "^reinforce: cost must be a function, got 3", lambda: tapesort.reinforce(S, 3, 50, 1)),
                (ValueError, "^reinforce: samples must be at least 2, got 1",
                 lambda: tapesort.reinforce(S, lambda z: 1.0 * z[..., 0], 1, 1)),
                (TypeError, "^reinforce: leave_one_out must be True or False",
                 lambda: tapesort.reinforce(S, lambda z: 1.0 * z[..., 0], 2, 1, 1)),
                (ValueError, r"^fenchel_young_loss: f gave \(3\); need \(100, 2, 4\)",
                 lambda: tapesort.fenchel_young_loss(S, S, lambda s: np.ones(3))),
                (ValueError, "^shuffle_soft_sort: the loss's value is nan",
                 lambda: tapesort.shuffle_soft_sort(S.T, lambda y: (np.nan, y), 1)),
                (TypeError, "^shuffle_soft_sort: the loss's value must be a number, got array",
                 lambda: tapesort.shuffle_soft_sort(S.T, lambda y: (y, y), 1)),
                (TypeError, "^shuffle_soft_sort: the loss must return .value, gradient., got 1.0",
                 lambda: tapesort.shuffle_soft_sort(S.T, lambda y: 1.0, 1)),
                (TypeError, "^soft_sort: scores does not become an array", lambda: tapesort.soft_sort([[1], [1, 2]])),
                (ValueError, r"^neural_sort_top_k: k must be less than 2\*\*63", lambda: tapesort.neural_sort_top_k(S, 2**70)),
                (ValueError, r"^pl_sample: samples must be at least 0, got -1", lambda: tapesort.pl_sample(S, 1, -1)),
                (TypeError, "^ndcg: missing a required argument: 'labels'; its arguments: ", lambda: tapesort.ndcg(S))):
            with self.subTest(text), self.assertRaisesRegex(error, text):
                f()

        for error, text, f in (  # numbers that no one would miss
                (ValueError, "^fenchel_young_loss: the target is nan", lambda: tapesort.fenchel_young_loss(
                    S, S * np.nan, lambda s: s)),
                (ValueError, "^fenchel_young_loss: a result of f is -?inf", lambda: tapesort.fenchel_young_loss(
                    S, S, lambda s: s * np.inf)),
                (ValueError, "^neural_sort_smooth: smoothing must be > 0 and finite, or 0 for tau, got -1",
                 lambda: tapesort.neural_sort_smooth(S, smoothing=-1)),
                (ValueError, "^gumbel_sinkhorn: noise_scale must be >= 0 and finite, got nan",
                 lambda: tapesort.gumbel_sinkhorn(np.eye(3), noise_scale=np.nan)),
                (ValueError, "^neural_sort_logits: score 0 of row 0 is 8e.307; need scores within",
                 lambda: tapesort.neural_sort_logits([8e307, 8e307, 0, -8e307])),
                (ValueError, "^soft_sort_values: score 0 of row 0 is 3e.38; need scores within",
                 lambda: tapesort.soft_sort_values(np.float32([3e38, -3e38, 1, 0]))),
                (ValueError, "^soft_sort: mask is a single value", lambda: tapesort.soft_sort(S, mask=True)),
                (ValueError, "^neural_sort_cross_entropy: truth: score 0 of row 0 is nan",
                 lambda: tapesort.neural_sort_cross_entropy(S, S * np.nan)),
                (ValueError, "^pl_divergence: q holds a NaN", lambda: tapesort.pl_divergence(S, S * np.nan, 1, 2)),
                (ValueError, "^gradcheck: input a holds a NaN", lambda: tapesort.gradcheck(
                    np.exp, lambda x, u: u, [S * np.nan], names=["a"])),
                (TypeError, "^gradcheck: vjp must be a function, got 3", lambda: tapesort.gradcheck(np.exp, 3, [S]))):
            with self.subTest(text), self.assertRaisesRegex(error, text):
                f()
        self.assertTrue(tapesort.gradcheck(lambda x: x**2, lambda x, u: list(2 * x * u), [np.arange(3.0)], names=[1]))
        # Labels that differ beyond the digits of the scores' type.
        near, s32 = [1700000001, 1700000000, 1700000002], np.float32([0.1, 0.9, 0.4])
        for op in (tapesort.list_mle_loss, tapesort.pairwise_logistic_loss, tapesort.spearman_loss,
                   tapesort.neural_sort_cross_entropy):
            self.assertEqual(op(s32, near), op(s32, [1, 0, 2]))
            self.assertEqual(op(s32, np.array(near, float)), op(s32, [1, 0, 2]))
        with self.assertRaisesRegex(ValueError, "list_mle_loss: label 1 of row 0 is inf"):
            tapesort.list_mle_loss(s32, [0.1, np.inf, 2])
        tapesort.pl_sample(S, 2**64 - 1)
        with self.assertRaisesRegex(ValueError, r"pl_sample: seed must be less than 2\*\*64"):
            tapesort.pl_sample(S, 2**64)
        np.testing.assert_array_equal(tapesort.argsort([2**60, 2**60 + 1]), [1, 0])
        self.assertEqual(tapesort.neural_sort_quantile(S, np.array(0.5)).shape, (2, 1))
        self.assertEqual(tapesort.pl_sample(S, 1, np.array([2, 1])).shape, (2, 1, 2, 4))

        def own(z):  # what a user's function throws stays as it is
            raise ValueError("mine: not so")
        with self.assertRaisesRegex(ValueError, "^mine: not so$"):
            tapesort.reinforce(S, own, 2, 1)
        with self.assertRaisesRegex(ValueError, "^soft_sort: tau must be > 0"):
            tapesort.reinforce(S, lambda z: tapesort.soft_sort(1.0 * z, tau=0), 2, 1)
        for wrong in (np.array(["1", "2"]), ["1"], np.array([1j]), [None], "abc"):
            with self.assertRaisesRegex(TypeError, "neural_sort: scores must hold real numbers, got"):
                tapesort.neural_sort(wrong)
        with self.assertRaisesRegex(TypeError, "soft_sort: scores is a masked array"):
            tapesort.soft_sort(np.ma.array([1.0, 2.0], mask=[0, 1]))
        with self.assertRaisesRegex(TypeError, "mask must hold booleans, True for items that are there"):
            tapesort.soft_sort([1.0, 2.0], mask=[0, 1])
        with self.assertRaisesRegex(ValueError, "soft_sort: the mask is .1, 2.; need one of shape .2., that of the scores"):
            tapesort.soft_sort([1.0, 2.0], mask=[[True, False]])
        for name in OPERATORS:  # a mask of sets would fit the first axis of square scores
            op = getattr(tapesort, name)
            if "mask" in inspect.signature(op).parameters and name != "sinkhorn":
                arrays, options = CASES.get(name, ([], {}))
                square = [np.resize(S, (4, 4)) for _ in op.arrays]
                options = {**{k: v for k, v in (("k", 2), ("seed", 1), ("samples", 2), ("fractions", [0.5]),
                                                ("cost", lambda z: z[..., 0] * 1.0))
                              if k in inspect.signature(op).parameters}, **options}
                options = {k: np.resize(v, (4, 4)) if k == "labels" else v for k, v in options.items()}
                if name == "neural_sort_cross_entropy":
                    options["truth"] = square[0]
                if name == "fenchel_young_loss":
                    options["target"] = np.eye(4)
                with self.subTest(name), self.assertRaisesRegex(
                        ValueError, r"the mask is \(4\); need one of shape \(4, 4\), that of the scores"):
                    op(*square, mask=[True, False, True, True], **options)
        with self.assertRaisesRegex(TypeError, "order must hold whole numbers, got an array of float64"):
            tapesort.pl_log_prob([1.0, 2.0], [0.0, 1.0])
        with self.assertRaisesRegex(TypeError, "tau must be a number, got '1'"):
            tapesort.soft_sort(S, tau="1")
        with self.assertRaisesRegex(TypeError, "neural_sort: missing a required argument: 'scores'"):
            tapesort.neural_sort()
        with self.assertRaisesRegex(TypeError, "is not one of this package's differentiable operators"):
            tapesort.vjp(np.sin, S)
        with self.assertRaisesRegex(ValueError, "neural_sort_logits: score 1 of row 0 is nan"):
            tapesort.neural_sort_logits([1.0, np.nan])

    def test_docstrings(self):
        for name in tapesort.__all__:
            self.assertTrue(getattr(tapesort, name).__doc__ or name in ("Operator", "GradcheckReport"),
                            name)

    def test_stubs_have_the_arguments(self):
        stubs = {}
        with open(inspect.getsourcefile(tapesort) + "i") as file:
            for node in ast.parse(file.read()).body:
                if isinstance(node, ast.FunctionDef):
                    stubs[node.name] = node.args
                elif (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
                      and node.value.func.id == "_operator"):
                    stubs[node.targets[0].id] = stubs[node.value.args[0].id]
                elif isinstance(node, ast.ClassDef):
                    stubs[node.name] = None
        self.assertLessEqual(set(tapesort.__all__), set(stubs))
        for name in OPERATORS + ["argsort", "gradcheck", "k_subset_sample", "ndcg", "pl_sample",
                                 "reciprocal_rank", "shuffle_soft_sort"]:
            parameters = inspect.signature(getattr(tapesort, name)).parameters.values()
            self.assertEqual([a.arg for a in stubs[name].args], [p.name for p in parameters], name)
            self.assertEqual(len(stubs[name].defaults),
                             sum(p.default is not p.empty for p in parameters), name)

    def test_float32_however_it_came(self):
        s = pickle.loads(pickle.dumps(S.astype(np.float32)))
        self.assertEqual(tapesort.neural_sort(s).dtype, np.float32)

    def test_operators_are_pickled_by_name(self):
        self.assertIs(pickle.loads(pickle.dumps(tapesort.neural_sort)), tapesort.neural_sort)

    def test_a_forked_process_works_and_ends(self):
        large = np.random.default_rng(1).normal(size=(400, 500))
        expected = tapesort.neural_sort_values(large, 0.1)
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # so that a child that waits for ever fails the test
            os._exit(0 if np.allclose(tapesort.neural_sort_values(large, 0.1), expected) else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_a_value_outlives_its_call(self):
        values = [tapesort.neural_sort_values(np.arange(1000.0) + i) for i in range(50)]
        for i, value in enumerate(values):
            self.assertAlmostEqual(value[0], 999 + i, places=0)

    def test_other_threads_run_meanwhile(self):
        scores, counted, done = np.random.default_rng(1).normal(size=300_000), [0], threading.Event()

        def sort():
            tapesort.neural_sort_values(scores, 0.1)
            done.set()

        worker = threading.Thread(target=sort)
        worker.start()
        while not done.is_set():
            counted[0] += 1
        worker.join()
        self.assertGreater(counted[0], 0)

    def test_a_daemon_thread_may_still_call_when_the_interpreter_ends(self):
        program = """
import threading, numpy as np, tapesort
begun = threading.Event()
def work():
    while True:
        tapesort.neural_sort_values(np.ones(3))
        begun.set()
threading.Thread(target=work, daemon=True).start()
begun.wait()
"""
        for _ in range(5):
            subprocess.run([sys.executable, "-c", program], check=True)


class Gradients(unittest.TestCase):
    def test_every_operator(self):
        for name, op, arrays, options in cases(tapesort):
            with self.subTest(name):
                report = tapesort.gradcheck(
                    lambda *x: op(*x, **options),
                    lambda *x: tapesort.vjp(op, *x[:-1], **options)[1](x[-1]), arrays)
                self.assertTrue(report, str(report))

    def test_right_gradients_in_float_are_accepted(self):
        for seed in range(40):
            x = np.random.default_rng(seed).normal(size=(4, 5)).astype(np.float32)
            report = tapesort.gradcheck(
                lambda x: np.exp(x).mean(-1), lambda x, u: u[:, None] * np.exp(x) / x.shape[1], [x])
            self.assertTrue(report, str(report))
            self.assertFalse(tapesort.gradcheck(
                lambda x: np.exp(x).mean(-1), lambda x, u: 1.02 * u[:, None] * np.exp(x) / x.shape[1], [x]))

    def test_vjp_may_be_called_again(self):
        y, back = tapesort.vjp(tapesort.neural_sort_values, S, tau=0.5)
        first, = back(np.ones_like(y))
        second, = back(np.ones_like(y))
        np.testing.assert_array_equal(first, second)

    def test_one_call_from_several_threads(self):
        y, back = tapesort.vjp(tapesort.neural_sort_values, np.random.default_rng(1).normal(size=(20, 500)))
        ybars = [np.full_like(y, i) for i in range(8)]
        expected, found = [back(u)[0] for u in ybars], [[] for _ in ybars]

        def work(i):
            for _ in range(5):
                found[i].append(back(ybars[i])[0])

        workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for i in range(8):
            for gradient in found[i]:
                np.testing.assert_array_equal(gradient, expected[i])

    def test_gradcheck_is_ended_by_what_is_no_exception_of_the_function(self):
        for kind in KeyboardInterrupt, SystemExit:
            calls = itertools.count()

            def f(x):
                if next(calls) == 15:
                    raise kind()
                return x * x
            with self.assertRaises(kind):
                tapesort.gradcheck(f, lambda x, ybar: [2 * x * ybar], [np.ones(3)])

    def test_values_are_read_on_one_thread_while_another_goes_back(self):
        call = tapesort.neural_sort_values.record(np.array([3.0, 1.0, 2.0]))
        failures = []

        def repeat(work, expected):
            for _ in range(3000):
                if not np.array_equal(work(), expected):
                    failures.append(work)
        u = np.array([1.0, 0.5, -2.0])
        works = [lambda: call.value, lambda: call.value, lambda: call.vjp(u)[0]]
        threads = [threading.Thread(target=repeat, args=(work, work())) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_gradcheck_refuses_what_does_not_fit(self):
        x = np.ones((3, 4))
        with self.assertRaisesRegex(ValueError, "vjp gives an array of shape .4, 3. for input 0 of shape .3, 4."):
            tapesort.gradcheck(np.sum, lambda x, u: np.ones((4, 3)) * u, [x])
        with self.assertRaisesRegex(ValueError, "1 names for 2 inputs"):
            tapesort.gradcheck(lambda a, b: a * b, lambda a, b, u: (u * b, u * a), [x, x], names=["a"])
        with self.assertRaisesRegex(TypeError, "inputs must be a list or tuple"):
            tapesort.gradcheck(np.sum, lambda x, u: np.ones((3, 4)) * u, x)
        with self.assertRaisesRegex(ValueError, "tolerance must be between 0 and 1"):
            tapesort.gradcheck(np.sum, lambda x, u: np.ones((3, 4)) * u, [x], tolerance=-1)
        with self.assertRaisesRegex(TypeError, "vjp's gradient of input 0 must hold real numbers"):
            tapesort.gradcheck(np.sum, lambda x, u: None, [x])
        with self.assertRaisesRegex(ValueError, "vjp gives 1 arrays for 2 inputs"):
            tapesort.gradcheck(lambda a, b: a * b, lambda a, b, u: u * b, [x, x])
        with self.assertRaisesRegex(ValueError, "vjp gives 2 arrays for 1 inputs"):
            tapesort.gradcheck(np.sum, lambda x, u: (u, u), [x])
        with self.assertRaisesRegex(TypeError, "the result of f must hold real numbers"):
            tapesort.gradcheck(lambda x: x * 1j, lambda x, u: u, [x])
        with self.assertRaisesRegex(TypeError, "input z must hold real numbers"):
            tapesort.gradcheck(np.abs, lambda x, u: u, [x + 1j], names=["z"])

    def test_gradcheck_finds_what_is_wrong(self):
        report = tapesort.gradcheck(np.square, lambda x, ybar: ybar * x, [np.array([1.0, 2.0])])
        self.assertFalse(report)
        self.assertIn("every element is 0.5 times the right one", str(report))
        self.assertFalse(json.loads(report.json())["ok"])
        self.assertIn("not deterministic",
                      tapesort.gradcheck(lambda x: x * np.random.rand(), lambda x, ybar: ybar,
                                         [np.ones(2)]).failure)


@unittest.skipIf(torch is None, "PyTorch (python3-torch) is not installed")
class Torch(unittest.TestCase):
    def test_torch_checks_every_operator(self):
        self.assertEqual(OPERATORS, tapesort.torch.__all__)
        for name, op, arrays, options in cases(tapesort.torch):
            with self.subTest(name):
                tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
                self.assertTrue(torch.autograd.gradcheck(lambda *x: op(*x, **options), tensors))

    def test_tensors_are_read_where_they_are(self):
        s = torch.tensor(S, requires_grad=True)
        y = tapesort.torch.neural_sort_values(s * 1.0)
        y.sum().backward()
        changed = s.detach().clone().requires_grad_()
        base = changed * 1.0
        y = tapesort.torch.neural_sort_values(base)
        base += 1
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            y.sum().backward()
        # What is recorded by NumPy is copied: soft_sort's gradient reads its input.
        for keep, same in ((tapesort._COPIED, True), (tapesort._IN_PLACE, False)):
            mine = S.copy()
            call = tapesort.soft_sort_values.record(mine, _recorded=keep)
            before = call.vjp(S)[0]
            mine += S**2
            self.assertEqual(np.array_equal(call.vjp(S)[0], before), same)
        # The value outlives the tensor, and a gradient the caller's reference to it.
        y = tapesort.torch.neural_sort_values(torch.tensor(S, requires_grad=True) * 1.0)
        gc.collect()
        np.testing.assert_array_equal(y.detach().numpy(), tapesort.neural_sort_values(S))
        # Dense or not, of either type.
        for x in (torch.tensor(S).t(), torch.tensor(S)[:, ::2], torch.tensor(S).float(), torch.zeros(0, 3)):
            x.requires_grad_()
            y = tapesort.torch.list_net_loss(x, torch.zeros_like(x).detach())
            y.sum().backward()
            _, back = tapesort.vjp(tapesort.list_net_loss, x.detach().numpy(), np.zeros(x.shape))
            np.testing.assert_array_equal(x.grad.numpy(), back(np.ones(x.shape[:-1]))[0])

    def test_types_and_memory(self):
        s = torch.tensor(S, dtype=torch.float32, requires_grad=True)
        y = tapesort.torch.neural_sort_values(s, tau=0.1)
        self.assertEqual(y.dtype, torch.float32)
        y.sum().backward()
        self.assertEqual(s.grad.shape, s.shape)
        self.assertIsNotNone(torch.autograd.grad(
            tapesort.torch.neural_sort_values(scores=s, tau=0.1).sum(), s)[0])
        with self.assertRaisesRegex(ValueError, "tau would get no gradient; detach it"):
            tapesort.torch.neural_sort(s, tau=torch.tensor(1.0, requires_grad=True))
        self.assertIs(pickle.loads(pickle.dumps(tapesort.torch.soft_sort)), tapesort.torch.soft_sort)
        with self.assertRaisesRegex(TypeError, "neural_sort_top_k: missing .* 'k'; its arguments: "):
            tapesort.torch.neural_sort_top_k(s)
        with self.assertRaisesRegex(TypeError, "neural_sort: hard must be True or False, got 'False'"):
            tapesort.torch.neural_sort(s, hard="False")
        for wrong in (torch.tensor([1, 2]), torch.tensor([1j]), torch.eye(2).to_sparse(), torch.ones(2, device="meta")):
            with self.assertRaisesRegex(ValueError, "^neural_sort: scores is torch.*; need dense CPU tensors of float32"):
                tapesort.torch.neural_sort(wrong)
            with self.assertRaises((TypeError, ValueError)):
                tapesort.neural_sort(wrong if wrong.dtype != torch.int64 else torch.ones(2, requires_grad=True))
        with self.assertRaisesRegex(ValueError, "^list_net_loss: labels is torch.float32, torch.sparse_coo on cpu; need dense"):
            tapesort.torch.list_net_loss(s, torch.eye(4)[:2].to_sparse())
        with self.assertRaisesRegex(ValueError, "^list_net_loss: labels is torch.bfloat16, torch.strided on cpu; need"):
            tapesort.torch.list_net_loss(s, torch.eye(4)[:2].bfloat16())
        negative = torch.tensor(1j * S).conj().imag  # whose sign is a bit of the tensor
        self.assertTrue(negative.is_neg())
        np.testing.assert_array_equal(tapesort.torch.neural_sort_values(negative).numpy(),
                                      tapesort.neural_sort_values(-S))
        both = [torch.tensor(S, dtype=torch.float32, requires_grad=True), torch.tensor(S[..., None], requires_grad=True)]
        y = tapesort.torch.neural_sort_payload(*both)
        y.sum().backward()
        self.assertEqual([y.dtype, both[0].grad.dtype, both[1].grad.dtype],
                         [torch.float64, torch.float32, torch.float64])
        y = tapesort.torch.neural_sort_values(s, tau=0.1)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            y.add_(1)
            y.sum().backward()

    def test_stubs_have_every_operator(self):
        with open(inspect.getsourcefile(tapesort.torch) + "i") as file:
            stub = file.read()
        for name in tapesort.torch.__all__:
            self.assertIn(f"{name} = _function(tapesort.{name})\n", stub)

    def test_second_derivatives_are_refused(self):
        s, f = torch.tensor(S, dtype=torch.float64), tapesort.torch.neural_sort_values
        for second in (lambda: torch.autograd.functional.hessian(lambda x: f(x).square().sum(), s),
                       lambda: torch.autograd.functional.jvp(f, s, torch.ones_like(s))):
            with self.assertRaisesRegex(RuntimeError, "first derivatives only"):
                second()


if __name__ == "__main__":
    unittest.main()
