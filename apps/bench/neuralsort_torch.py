#!/usr/bin/env python3
"""y = P_hat s, forward and backward: tapesort bench sort beside the formula in PyTorch.

    apps/bench/neuralsort_torch.py build/apps/tapesort [--n 1000 ...] [--rounds 5]

The two take turns in one run. PyTorch is given its best: the row sums A by broadcasting (no matrix
product), denormals flushed, the OpenBLAS kernel that tapesort found to suit the CPU, glibc's heap
kept instead of returned to the kernel, and one thread or all cores, whichever is faster at that
size. tapesort runs on one thread. Needs python3-torch.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

import train_torch


def formula(s, tau):
    """P_hat (sets, n, n) of scores (sets, n), largest first."""
    import torch

    n = s.shape[1]
    A = (s.unsqueeze(2) - s.unsqueeze(1)).abs().sum(2)
    weight = n + 1 - 2 * torch.arange(1, n + 1, dtype=s.dtype)
    logits = (weight.view(1, n, 1) * s.unsqueeze(1) - A.unsqueeze(1)) / tau
    return torch.softmax(logits, 2)


def torch_step(scores, tau):
    s = scores.clone().requires_grad_()
    start = time.perf_counter()
    y = (formula(s, tau) * s.unsqueeze(1)).sum(2)
    y.backward(scores.new_ones(y.shape))
    return time.perf_counter() - start


def torch_times(sets, n, tau, budget):
    """Median of repeated steps for each number of threads; the better one counts."""
    import torch

    scores = torch.randn(sets, n)
    medians = {}
    for threads in (1, os.cpu_count()):
        torch.set_num_threads(threads)
        torch_step(scores, tau)
        times, start = [], time.perf_counter()
        while not times or time.perf_counter() - start < budget:
            times.append(torch_step(scores, tau))
        medians[threads] = statistics.median(times)
    return medians


def tapesort_time(program, sets, n, tau, budget):
    out = subprocess.run(
        [program, "bench", "sort", "--json", "--threads", "1", "--sets", str(sets), "--n", str(n),
         "--tau", str(tau), "--budget", str(budget)],
        check=True, capture_output=True, text=True).stdout
    return json.loads(out)["both"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="the program tapesort")
    parser.add_argument("--n", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--tau", type=float, nargs="*", default=[1.0, 0.1, 0.01])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=0.2, help="seconds a measurement")
    args = parser.parse_args()

    info = subprocess.run([args.program, "info"], check=True, capture_output=True, text=True).stdout
    kernel = re.search(r"BLAS kernel\s+(\w+)", info)
    if kernel and "OPENBLAS_CORETYPE" not in os.environ:  # read when the library is loaded
        os.environ["OPENBLAS_CORETYPE"] = kernel.group(1)
        os.environ.update(train_torch.HEAPS["heap kept"])
        os.execv(sys.executable, [sys.executable] + sys.argv)
    import torch

    torch.set_flush_denormal(True)
    print(f"PyTorch {torch.__version__}, OpenBLAS kernel {os.environ.get('OPENBLAS_CORETYPE')}; "
          "medians of forward + backward, in ms")
    print(f"{'sets':>5} {'n':>7} {'tau':>6} {'PyTorch':>10} {'threads':>8} {'tapesort':>10} "
          f"{'times faster':>13}")
    for sets, n in [(100, 5)] + [(1, n) for n in args.n]:
        for tau in args.tau:
            theirs, ours = {}, []
            for _ in range(args.rounds):
                for threads, t in torch_times(sets, n, tau, args.budget).items():
                    theirs.setdefault(threads, []).append(t)
                ours.append(tapesort_time(args.program, sets, n, tau, args.budget))
            best = min(theirs, key=lambda threads: statistics.median(theirs[threads]))
            a, b = statistics.median(theirs[best]), statistics.median(ours)
            print(f"{sets:5} {n:7} {tau:6g} {a * 1e3:10.3f} {best:8} {b * 1e3:10.4f} {a / b:13.1f}",
                  flush=True)


if __name__ == "__main__":
    main()
