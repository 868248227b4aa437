"""Wrong pullbacks and awkward right ones before two checkers: tapesort's, and PyTorch's gradcheck at
its defaults, element by element and in its fast mode. Prints the tables of gradcheck/README.md:

    ./run python && PYTHONPATH=build/python /usr/bin/python3 python/examples/gradcheck_table.py
"""

import warnings

import numpy as np
import torch

import tapesort
from tapesort import _pullbacks

warnings.simplefilter("ignore")


def in_torch(case, fast):
    if len(case.x) > 500 and not fast:
        return "-"  # hours: a Jacobian of 10,000 by 10,000

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.tensor(case.f(x.flatten().tolist()), dtype=x.dtype).reshape(case.output_shape)

        @staticmethod
        def backward(ctx, ybar):
            x, = ctx.saved_tensors
            xbar = case.vjp(x.flatten().tolist(), ybar.flatten().tolist())
            return torch.tensor(xbar, dtype=x.dtype).reshape(x.shape)

    x = torch.tensor(case.x, dtype=torch.float64).reshape(case.shape).requires_grad_()
    ok = torch.autograd.gradcheck(Function.apply, x, fast_mode=fast, raise_exception=False)
    return "right" if ok else "wrong"


def in_tapesort(case):
    return tapesort.gradcheck(
        lambda x: np.array(case.f(x.ravel().tolist())).reshape(case.output_shape),
        lambda x, ybar: np.array(case.vjp(x.ravel().tolist(), ybar.ravel().tolist())).reshape(x.shape),
        [np.array(case.x).reshape(case.shape)], names=["x"])


def table(title, cases, truth):
    good, asked = [0, 0, 0], [0, 0, 0]
    print(f"| {title} | tapesort | PyTorch | PyTorch, fast |\n|---|---|---|---|")
    for case in cases:
        report = in_tapesort(case)
        says = ["right" if report else "wrong", in_torch(case, False), in_torch(case, True)]
        for i, word in enumerate(says):
            good[i] += word == truth
            asked[i] += word != "-"
        print(f"| {case.name} | " + " | ".join(
            word if word in (truth, "-") else f"**{word}**" for word in says) + " |")
    print("| as it should be | " + " | ".join(f"{g} of {a}" for g, a in zip(good, asked)) + " |\n")


table("wrong pullback", _pullbacks.wrong(), "wrong")
table("right, but awkward", _pullbacks.awkward(), "right")
