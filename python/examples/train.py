"""Trains through a sort of 100,000 scores in PyTorch: its n x n formula would need 40 GB for P_hat.
PYTHONPATH=build/python python3 python/examples/train.py"""

import torch

import tapesort.torch as ts

torch.manual_seed(1)
x = torch.randn(100_000, 4)
truth = torch.rand(4)
target = (x @ truth).sort(descending=True).values  # only the sorted values are known
weights = torch.full((4,), 0.5, requires_grad=True)
optimizer = torch.optim.Adam([weights], lr=0.05)
for step in range(101):
    optimizer.zero_grad()
    loss = (ts.neural_sort_values(x @ weights, tau=0.1) - target).square().mean()
    loss.backward()
    optimizer.step()
    if step % 25 == 0:
        print(f"step {step}  loss {loss.item():.6f}")
