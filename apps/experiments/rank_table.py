#!/usr/bin/python3
"""All losses of `tapesort rank` over several seeds, beside XGBoost's LambdaMART (python3-xgboost):

    PYTHONPATH=build/python rank_table.py build/apps/tapesort DIR [--losses a,b] [--seeds N] [-- ARGUMENTS of tapesort rank]

DIR has train.svm and test.svm, plain or with .gz. For each loss the mean over the seeds +- its standard
error, of the test queries' NDCG and MRR; a seed also decides which queries are for validation.
XGBoost has all training queries. Its run is the same with every seed.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys

import numpy as np
import tapesort

KEYS = ["ndcg_1", "ndcg_3", "ndcg_5", "ndcg_10", "mrr"]
LOSSES = ["list_mle", "list_net", "pairwise_logistic", "ndcg_loss2", "lambda_rank", "neural_ndcg",
          "pi_rank", "spearman"]


def read(folder, name):
    """Features (documents, ..), labels, and the number of documents of each query."""
    file = next((f for end in (".svm", ".svm.gz", ".txt", ".txt.gz")
                 if os.path.exists(f := os.path.join(folder, name + end))), None)
    if file is None:
        sys.exit(f"{folder}: has no {name}.svm or {name}.txt, plain or .gz")
    rows, labels, queries = [], [], []
    with (gzip.open if file.endswith(".gz") else open)(file, "rt", encoding="latin-1") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if not words:
                continue
            labels.append(float(words[0]))
            queries.append(words[1])
            rows.append({int(i): float(x) for i, x in (word.split(":") for word in words[2:])})
    x = np.full((len(rows), 1 + max(max(row, default=0) for row in rows)), np.nan)
    for row, features in zip(x, rows):
        row[list(features)] = list(features.values())
    changes = np.flatnonzero(np.array(queries[1:]) != np.array(queries[:-1])) + 1
    return x, np.array(labels), np.diff([0, *changes, len(rows)])


def figures(scores, labels, sizes):
    """Of each query: NDCG at 1, 3, 5 and 10, and the reciprocal rank."""
    mask = np.arange(sizes.max()) < sizes[:, None]
    s, y = np.zeros(mask.shape), np.zeros(mask.shape)
    s[mask], y[mask] = scores, labels
    return np.stack([*(tapesort.ndcg(s, y, k, mask) for k in (1, 3, 5, 10)), tapesort.reciprocal_rank(s, y, mask)], -1)


def lambda_mart(folder):
    """XGBoost's figures of each test query; no number stands for a feature that is not there."""
    import xgboost
    x, y, sizes = read(folder, "train")
    test_x, test_y, test_sizes = read(folder, "test")
    columns = max(x.shape[1], test_x.shape[1])
    x, test_x = (np.pad(a, ((0, 0), (0, columns - a.shape[1])), constant_values=np.nan)
                 for a in (x, test_x))
    training = xgboost.DMatrix(x, y)
    training.set_group(sizes)
    options = {"objective": "rank:ndcg", "max_depth": 3, "eta": 0.1, "nthread": 1}
    model = xgboost.train(options, training, 100)
    return figures(model.predict(xgboost.DMatrix(test_x)), test_y, test_sizes)


def main():
    arguments, more = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, more = arguments[:at], arguments[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--losses", default=",".join(LOSSES))
    parser.add_argument("--seeds", type=int, default=5)
    o = parser.parse_args(arguments)
    if o.seeds < 2:
        parser.error("a standard error needs at least --seeds 2")
    line = lambda name, cells: print("| " + " | ".join([name, *cells]) + " |", flush=True)
    line("loss", ["validation NDCG@5", "NDCG@1", "NDCG@3", "NDCG@5", "NDCG@10", "MRR"])
    print("|---" * 7 + "|")
    for loss in o.losses.split(","):
        rows = []
        for seed in range(1, o.seeds + 1):
            run = subprocess.run([o.program, "--threads", "1", "rank", "--data", o.folder, "--loss", loss,
                                  "--seed", str(seed), "--json", *more], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
            if run.returncode:
                sys.exit(run.stderr.strip().rpartition("\n")[2] or f"{loss}, seed {seed}: status {run.returncode}")
            rows.append([json.loads(run.stdout)[key] for key in ["validation", *KEYS]])
        rows = np.array(rows)
        error = rows.std(0, ddof=1) / len(rows) ** 0.5
        line(loss, [f"{m:.3f} +- {e:.3f}" for m, e in zip(rows.mean(0), error)])
    try:
        rows = lambda_mart(o.folder)
    except ImportError:
        sys.exit("XGBoost is not installed (Debian's python3-xgboost): no line for LambdaMART")
    line("XGBoost, rank:ndcg", ["", *(f"{m:.3f}" for m in rows.mean(0))])
    error = rows.std(0, ddof=1) / len(rows) ** 0.5
    line("its standard error over the test queries", ["", *(f"{e:.3f}" for e in error)])


if __name__ == "__main__":
    main()
