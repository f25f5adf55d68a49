"""PyTorch timing of a leapfrog rollout through HGN's convolutional
Hamiltonian: forward, and backward to the state and all weights.

usage: hamiltonian_torch.py [--batch 16] [--rollout 30] [--steps 3]
                            [--threads 2]
Prints "step S s", the median of the steps, in PyTorch's best memory format.
"""
import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn


class Energy(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [16] + 6 * [64]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(sizes, sizes[1:]))
        self.out = nn.Linear(64 * 16, 1)

    def slope(self, x):
        h = x
        for layer in self.layers:
            h = F.softplus(layer(h))
        total = self.out(h.flatten(1)).sum()
        return torch.autograd.grad(total, x, create_graph=True)[0]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--rollout", type=int, default=30)
    options.add_argument("--steps", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layout = dict(memory_format=torch.channels_last)
    K, V = Energy().to(**layout), Energy().to(**layout)
    shape = (args.batch, 16, 4, 4)
    q0 = torch.randn(shape).to(**layout).requires_grad_()
    p0 = torch.randn(shape).to(**layout).requires_grad_()
    weight = torch.randn((args.rollout + 1,) + shape)
    dt, times = 0.125, []
    for _ in range(args.steps + 1):
        start = time.perf_counter()
        q, p, total = q0, p0, (q0 * weight[0]).sum()
        force = V.slope(q)
        for t in range(args.rollout):
            p = p - 0.5 * dt * force
            q = q + dt * K.slope(p)
            force = V.slope(q)
            p = p - 0.5 * dt * force
            total = total + (q * weight[t + 1]).sum()
        for module in (K, V):
            module.zero_grad()
        q0.grad = p0.grad = None
        total.backward()
        times.append(time.perf_counter() - start)
    times = sorted(times[1:])
    print(f"torch {torch.__version__} step {times[len(times) // 2]:.4f}s")


main()
