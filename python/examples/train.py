"""Trains through a sort of 100,000 scores in PyTorch: its n x n formula would need 40 GB for P_hat.
PYTHONPATH=build/python /usr/bin/python3 python/examples/train.py"""

import torch

import tapesort.torch as ts

torch.manual_seed(1)
x = torch.rand(100_000, 4) ** torch.tensor([0.25, 1.0, 4.0, 16.0])  # from mostly large to mostly small
truth = torch.tensor([1.0, 3.0, 2.0, 4.0])
target = (x @ truth).sort(descending=True).values  # only the sorted values are known
weights = torch.full((4,), 2.0, requires_grad=True)
optimizer = torch.optim.Adam([weights], lr=0.05)
for step in range(201):
    optimizer.zero_grad()
    loss = (ts.neural_sort_values(x @ weights, tau=0.1) - target).square().mean()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        found = ", ".join(f"{w:.2f}" for w in weights)
        print(f"step {step}  loss {loss.item():.6f}  weights {found}")
print("truth " + ", ".join(f"{w:.2f}" for w in truth))
