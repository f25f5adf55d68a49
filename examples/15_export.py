"""An exported HNN in PyTorch: reads what examples/15_export.lua has written.

Builds the network from the weights and the configuration that is with them, and
compares its energies along the exported rollouts with torus's. Needs torch, numpy and
safetensors; nothing is pickled.
"""
import json
import sys

import numpy as np
import torch
from safetensors import safe_open

folder = sys.argv[1] if len(sys.argv) > 1 else 'runs/examples/15_export'

with safe_open(f'{folder}/weights.safetensors', 'pt') as file:
    config = json.loads(file.metadata()['config'])
    weights = {name: file.get_tensor(name) for name in file.keys()}

ACTIVATIONS = {'tanh': torch.nn.Tanh, 'softplus': torch.nn.Softplus}


def network(prefix):
    """The layers PREFIX.1, PREFIX.2, ... of torus.nn.MLP."""
    layers, i = [], 1
    while f'{prefix}.{i}.weight' in weights:
        weight, bias = weights[f'{prefix}.{i}.weight'], weights[f'{prefix}.{i}.bias']
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
        layer.load_state_dict({'weight': weight, 'bias': bias})
        layers += [ACTIVATIONS[config['activation']](), layer] if layers else [layer]
        i += 1
    return torch.nn.Sequential(*layers)


def energy(q, p):
    """H(q, p) of states (..., d); in units of the data where `normalise` is set."""
    d, unit = config['dimension'], 1
    if config['normalise']:
        shift, (s_q, s_p, rate) = weights['shift'], weights['scale']
        q, p, unit = (q - shift[:d]) / s_q, (p - shift[d:]) / s_p, s_q * s_p * rate
    if config['hamiltonian'] == 'separable':
        return (network('K')(p) + network('V')(q))[..., 0] * unit
    return network('net')(torch.cat([q, p], -1))[..., 0] * unit


q, p, ours = (torch.from_numpy(np.load(f'{folder}/{name}.npy'))
              for name in ('q', 'p', 'energy'))
theirs = energy(q, p).detach()
print(f'{len(weights)} tensors, rollouts of shape {tuple(q.shape)}')
print(f'energies differ by at most {(theirs - ours).abs().max():.1e} '
      f'of {ours.abs().max():.1f}')
q.requires_grad_()
force = -torch.autograd.grad(energy(q, p).sum(), q)[0]
print(f'forces, for example: {force[0, 0].numpy()}')
