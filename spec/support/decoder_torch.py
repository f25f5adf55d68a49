"""PyTorch timing of HGN's decoder alone: forward, squared error, backward.

usage: decoder_torch.py [--images 496] [--steps 3] [--threads 2]
Prints "step S s", the median of the steps, in PyTorch's best memory format.
"""
import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.skip = None if inputs == width else nn.Conv2d(inputs, width, 1)

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        h = F.leaky_relu(self.conv1(x), 0.2)
        h = F.leaky_relu(self.conv2(h), 0.2)
        return h + (self.skip(x) if self.skip else x)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=496)
    options.add_argument("--steps", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = nn.Sequential(Block(16, 64), Block(64, 64), Block(64, 64),
                          nn.Conv2d(64, 3, 3, padding=1), nn.Sigmoid())
    model = model.to(memory_format=torch.channels_last)
    q = torch.randn(args.images, 16, 4, 4).to(memory_format=torch.channels_last)
    target = torch.rand(args.images, 3, 32, 32)
    q.requires_grad_()
    times = []
    for _ in range(args.steps + 1):
        start = time.perf_counter()
        model.zero_grad()
        q.grad = None
        ((model(q) - target) ** 2).mean().backward()
        times.append(time.perf_counter() - start)
    times = sorted(times[1:])
    print(f"torch {torch.__version__} step {times[len(times) // 2]:.4f}s")


main()
