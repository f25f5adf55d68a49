"""The PyTorch side of 13_pytorch.lua, which says how the two are run.

Reads the weights and the images that torus wrote, checks that the network gives
the same outputs, trains a few steps, and writes weights (in bfloat16) and
outputs for torus. Nothing here is pickled.
"""
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

folder = sys.argv[1] if len(sys.argv) > 1 else 'runs/examples'


def renamed(weights, by):
    """Lua counts modules from 1, PyTorch from 0."""
    names = {name: name.split('.', 1) for name in weights}
    return {f'{int(first) + by}.{rest}': weights[name].contiguous()
            for name, (first, rest) in names.items()}


# nn.Flatten stands where torus has a function, so the numbers agree.
net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(),
                    nn.Linear(4 * 8 * 8, 2))
net.load_state_dict(renamed(load_file(f'{folder}/to_torch.safetensors'), -1))

with np.load(f'{folder}/to_torch.npz') as arrays:
    x, y = (torch.from_numpy(arrays[name]) for name in 'xy')
images = x.permute(0, 3, 1, 2)  # channels first
print(f'torus and PyTorch differ by at most {(net(images) - y).abs().max():.1e}')

optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(10):
    optimiser.zero_grad()
    (net(images) ** 2).mean().backward()
    optimiser.step()

# Outputs are those of the rounded weights.
weights = {k: v.bfloat16() for k, v in net.state_dict().items()}
net.load_state_dict({k: v.float() for k, v in weights.items()})
save_file(renamed(weights, 1), f'{folder}/from_torch.safetensors',
          {'made_by': 'PyTorch ' + torch.__version__})
np.savez(f'{folder}/from_torch.npz', x=x.numpy(), y=net(images).detach().numpy())
print(f'written: {folder}/from_torch.safetensors and .npz')
