#!/usr/bin/env python3
"""One training step of several networks, tapesort beside PyTorch.

    apps/bench/train_torch.py build/apps/tapesort [--rows sort-100,mlp-32] [--rounds 5] [--json FILE]

Both do the same work: `tapesort bench train` writes each network's initial parameters, PyTorch
starts from them on the same data, and the losses of the first steps must agree. The two take turns
within one run, a few steps each, round by round. PyTorch is given its choice: contiguous or
channels-last images, one thread or all cores, memory that stays with the process (glibc's, told so,
or jemalloc, where it is installed), the model as it is or traced (torch.jit), and the OpenBLAS kernel
that tapesort found to suit the CPU; "best" is the setting with the smallest median. "default" is
PyTorch as it comes.
"""

import argparse
import ctypes.util
import itertools
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

WARMUP = 3  # steps, as in tapesort bench train
STEPS = {  # a round
    "sort-100": 5, "sort-500": 2, "knn-100": 20, "resnet-100": 8, "medium-100": 4, "mlp-32": 300, "mlp-1": 300,
    "scalar-1000": 30,
}


# As it comes, glibc returns every large tensor to the kernel, which faults and zeroes its pages anew.
HEAPS = {"heap kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 26)}}
JEMALLOC = ctypes.util.find_library("jemalloc")
if JEMALLOC:
    HEAPS["jemalloc"] = {"LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}


# --- PyTorch's side, in a process of its own for each setting


def read_safetensors(file):
    """name -> tensor, of the float32 arrays that tapesort writes."""
    import torch

    with open(file, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = bytearray(f.read())
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = torch.frombuffer(data[begin:end], dtype=torch.float32).reshape(entry["shape"])
    return tensors


def same_everywhere(*shape):
    """Numbers in [0, 1): element i is frac(i * golden ratio), as in apps/bench/train.cpp."""
    import torch

    v = torch.arange(torch.Size(shape).numel(), dtype=torch.float64) * 0.6180339887498949
    return (v - v.floor()).float().reshape(shape)


def conv(weight, bias=None, **options):
    """A convolution that starts from tapesort's weight, (KH, KW, C, O)."""
    from torch import nn

    kh, kw, c, o = weight.shape
    layer = nn.Conv2d(c, o, (kh, kw), bias=bias is not None, **options)
    layer.weight.data = weight.permute(3, 2, 0, 1).contiguous()
    if bias is not None:
        layer.bias.data = bias.clone()
    return layer


def linear(weight, bias, image=None):
    """A dense layer; its inputs are the pixels of an image (H, W, C), which PyTorch has as (C, H, W)."""
    from torch import nn

    if image is not None:
        weight = weight.reshape(*image, -1).permute(2, 0, 1, 3).reshape(weight.shape)
    layer = nn.Linear(*weight.shape)
    layer.weight.data = weight.t().contiguous()
    layer.bias.data = bias.clone()
    return layer


def conv_net(p, padding, pooled, head):
    from torch import nn

    layers = []
    for name in ("conv1", "conv2"):
        layers += [conv(p[name + ".weight"], p[name + ".bias"], padding=padding), nn.ReLU(),
                   nn.MaxPool2d(2)]
    layers += [nn.Flatten(), linear(p["fc1.weight"], p["fc1.bias"], pooled), nn.ReLU()]
    return nn.Sequential(*layers, *head)


def norm(p, name):
    from torch import nn

    layer = nn.BatchNorm2d(p[name + ".gamma"].numel())
    layer.weight.data, layer.bias.data = p[name + ".gamma"].clone(), p[name + ".beta"].clone()
    return layer


def mean_of_pixels():
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def medium(p):
    from torch import nn

    layers = []
    for block in range(1, 6):
        layers += [nn.MaxPool2d(2)] if block in (3, 5) else []
        layers += [conv(p[f"conv{block}.weight"], padding=1), norm(p, f"conv{block}.norm"), nn.ReLU()]
    return nn.Sequential(*layers, mean_of_pixels(), linear(p["fc.weight"], p["fc.bias"]))


def resnet(p):
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self, name, stride):
            super().__init__()
            self.norm1, self.norm2 = norm(p, name + ".norm1"), norm(p, name + ".norm2")
            self.conv1 = conv(p[name + ".conv1.weight"], stride=stride, padding=1)
            self.conv2 = conv(p[name + ".conv2.weight"], padding=1)
            shortcut = p.get(name + ".shortcut.weight")
            self.shortcut = None if shortcut is None else conv(shortcut, stride=stride)

        def forward(self, x):
            a = F.relu(self.norm1(x))
            y = self.conv2(F.relu(self.norm2(self.conv1(a))))
            return y + (x if self.shortcut is None else self.shortcut(a))

    blocks = [Block(f"stage{stage}.{i}", 2 if stage > 1 and i == 1 else 1)
              for stage in (1, 2, 3) for i in (1, 2)]
    return nn.Sequential(conv(p["conv.weight"], padding=1), *blocks, norm(p, "norm"), nn.ReLU(), mean_of_pixels(),
                         linear(p["fc.weight"], p["fc.bias"]))


def make_step(row, initial, channels_last, traced):
    """A function that takes one training step and returns the loss."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    if row == "scalar-1000":
        def scalar_step():
            a, b = (torch.tensor(v, requires_grad=True) for v in (0.5, 0.9))
            y = a
            for _ in range(500):
                y = y * b + a
            y.backward()
            return y.item()
        return scalar_step

    p, batch = read_safetensors(initial), int(row.split("-")[1])
    loss_of = lambda y: y.square().mean()
    labels = torch.arange(batch) % 10
    if row.startswith("sort"):
        net = conv_net(p, 2, (28, 7, 64), [linear(p["fc2.weight"], p["fc2.bias"])])
        x = same_everywhere(batch, 112, 28, 1)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    elif row.startswith("knn"):
        net = conv_net(p, 0, (4, 4, 50), [])
        x = same_everywhere(batch, 28, 28, 1)
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    elif row.startswith(("resnet", "medium")):
        net = resnet(p) if row.startswith("resnet") else medium(p)
        loss_of = lambda y: F.cross_entropy(y, labels)
        x = same_everywhere(batch, *((28, 28, 1) if row.startswith("resnet") else (32, 32, 3)))
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    else:
        net = nn.Sequential(linear(p["fc1.weight"], p["fc1.bias"]), nn.ReLU(),
                            linear(p["fc2.weight"], p["fc2.bias"]), nn.ReLU(),
                            linear(p["fc3.weight"], p["fc3.bias"]))
        loss_of = lambda y: F.cross_entropy(y, labels)
        x = same_everywhere(batch, 784)
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    if x.dim() == 4:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=layout)
        net = net.to(memory_format=layout)
    if traced:
        net = torch.jit.trace(net, x)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(net(x))
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def peak_megabytes():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def work(row, initial, threads, layout, form):
    """Answers each line on stdin, a number of steps, with a line of their milliseconds."""
    import torch

    if threads > 0:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
    before = peak_megabytes()
    step = make_step(row, initial, layout == "channels-last", form == "traced")
    print(json.dumps([step() for _ in range(WARMUP)]), flush=True)
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            milliseconds.append((time.perf_counter() - start) * 1e3)
        print(json.dumps({"milliseconds": milliseconds, "peak MB": peak_megabytes(),
                          "peak MB before": before}), flush=True)


# --- the comparison


class Torch:
    """PyTorch with one setting, waiting in a process of its own."""

    def __init__(self, row, initial, threads=0, layout="contiguous", form="as it is", heap=None, kernel=None):
        self.name = f"{layout}, {form}, {heap}, {threads} thread{'s' if threads > 1 else ''}" if threads else "default"
        environment = dict(os.environ, OPENBLAS_CORETYPE=kernel, **HEAPS[heap]) if threads else os.environ
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", row, initial, str(threads), layout, form],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.losses = json.loads(self.process.stdout.readline())
        self.milliseconds, self.last = [], None

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        self.last = json.loads(self.process.stdout.readline())
        self.milliseconds += self.last["milliseconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def summary(self):
        return {"setting": self.name, "median": statistics.median(self.milliseconds),
                "best": min(self.milliseconds), "peak MB": self.last["peak MB"],
                "peak MB before": self.last["peak MB before"]}


def run_tapesort(program, row, steps, *options):
    command = [program, "bench", "train", "--row", row, "--steps", str(steps), "--json", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def compare(program, row, rounds, folder):
    initial = os.path.join(folder, row + ".safetensors")
    first = run_tapesort(program, row, 1, "--save-initial", initial)
    kernel, cores = first["machine"]["blas kernel"], first["machine"]["threads"]
    layouts = ["contiguous"] + (["channels-last"] if row.split("-")[0] in ("sort", "knn", "resnet", "medium") else [])
    forms = ["as it is"] + (["traced"] if row != "scalar-1000" else [])
    settings = itertools.product(sorted({1, cores}), layouts, forms, HEAPS)
    torches = [Torch(row, initial)] + [Torch(row, initial, *setting, kernel) for setting in settings]
    for torch in torches:
        for ours, theirs in zip(first["first losses"], torch.losses):
            if abs(ours - theirs) > 1e-3 * max(1e-3, abs(theirs)):
                sys.exit(f"{row}: not the same work: losses {first['first losses']} by tapesort, "
                         f"{torch.losses} by PyTorch")
    milliseconds = []
    for _ in range(rounds):
        last = run_tapesort(program, row, STEPS[row])
        milliseconds += last["milliseconds"]
        for torch in torches:
            torch.run(STEPS[row])
    for torch in torches:
        torch.close()
    settings = [torch.summary() for torch in torches]
    ours = {"median": statistics.median(milliseconds), "best": min(milliseconds),
            "peak MB": last["peak MB"], "peak MB before": last["peak MB before"]}
    best = min(settings, key=lambda s: s["median"])
    return {"row": row, "tapesort": ours, "torch": settings, "torch best": best,
            "ratio": best["median"] / ours["median"], "machine": first["machine"],
            "versions": first["versions"]}


def main():
    if sys.argv[1:2] == ["--worker"]:
        row, initial, threads, layout, form = sys.argv[2:]
        return work(row, initial, int(threads), layout, form)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tapesort", help="the program, as build/apps/tapesort")
    parser.add_argument("--rows", default=",".join(STEPS), help="default: all of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="write everything measured to this file")
    arguments = parser.parse_args()
    unknown = [row for row in arguments.rows.split(",") if row not in STEPS]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(STEPS)}")

    import torch
    print(f"median milliseconds of a training step; PyTorch {torch.__version__}")
    print(f"{'row':12} {'tapesort':>9} {'PyTorch':>9} {'default':>9} {'ratio':>6}  peak MB      PyTorch's best setting")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for row in arguments.rows.split(","):
            r = compare(arguments.tapesort, row, arguments.rounds, folder)
            r["versions"]["torch"] = torch.__version__
            results.append(r)
            print(f"{row:12} {r['tapesort']['median']:9.3f} {r['torch best']['median']:9.3f} "
                  f"{r['torch'][0]['median']:9.3f} {r['ratio']:6.2f}  "
                  f"{r['tapesort']['peak MB']:4.0f} / {r['torch best']['peak MB']:4.0f}  "
                  f"{r['torch best']['setting']}", flush=True)
    if arguments.json:
        with open(arguments.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
