"""Writes PyTorch's gradients where operations have kinks, ties or limits.

    /usr/bin/python3 spec/support/limits_torch.py [data/reference]

Every case is an operation, its inputs and what arrives from above, finite and
infinite; results in float64. softmax and its relatives are computed in float64
from numbers that float32 holds exactly.
"""
import pathlib
import sys

import torch
import torch.nn.functional as F
from make_reference import write_safetensors

NAN, INF = float('nan'), float('inf')
TINY = 2.0 ** -1030  # its reciprocal is infinite
KINKS = [-2.0, -1.0, -0.0, 0.0, 0.25, 0.5, 3.0, NAN, INF, -INF, TINY, 1e300]
UNARY = {
    'relu': torch.relu,
    'leaky_relu': lambda x: F.leaky_relu(x, 0.25),
    'abs': torch.abs,
    'clamp': lambda x: x.clamp(-1.0, 0.5),
    'pow0': lambda x: x ** torch.zeros_like(x),
    'tanh': torch.tanh,
    'sigmoid': torch.sigmoid,
}
LEFT = [0.0, 0.0, 1.0, 1.0, NAN, 1.0, NAN, INF, -INF, INF]
RIGHT = [0.0, -0.0, 2.0, -2.0, 1.0, NAN, NAN, INF, 1.0, 0.0]
BINARY = {'maximum': torch.maximum, 'minimum': torch.minimum}
ROWS = [[1e3, 1e3, -1e3], [1e6, 1e6, 0.0], [0.0, 1.0, 2.0],
        [-INF, 0.0, 1.0], [-1e30, 1e30, 5.0], [-100.0, -101.0, -102.5]]
OVER_ROWS = {
    'softmax': lambda x: x.softmax(1),
    'log_softmax': lambda x: x.log_softmax(1),
    'logsumexp': lambda x: x.logsumexp(1),
}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else 'data/reference')
    arrays = {}

    def store(name, value):
        arrays[name] = value.detach().numpy()

    def leaf(values):
        return torch.tensor(values, dtype=torch.float64, requires_grad=True)

    store('x', leaf(KINKS))
    store('left', leaf(LEFT))
    store('right', leaf(RIGHT))
    store('rows', leaf(ROWS))
    for text, up in ('finite', 3.0), ('infinite', INF):
        for name, f in UNARY.items():
            x = leaf(KINKS)
            y = f(x)
            store(f'{name}.{text}', torch.autograd.grad(
                y, x, torch.full_like(y, up))[0])
        for name, f in BINARY.items():
            x, y = leaf(LEFT), leaf(RIGHT)
            z = f(x, y)
            dx, dy = torch.autograd.grad(z, (x, y), torch.full_like(z, up))
            store(f'{name}.{text}.left', dx)
            store(f'{name}.{text}.right', dy)
    for name, f in OVER_ROWS.items():
        x = leaf(ROWS)
        y = f(x)
        g = torch.arange(1, y.numel() + 1, dtype=torch.float64).reshape(y.shape)
        store(f'{name}.value', y)
        if name == 'logsumexp':  # PyTorch's own loses digits at 1e6
            store(f'{name}.gradient', g[:, None] * x.softmax(1))
        else:
            store(f'{name}.gradient', torch.autograd.grad(y, x, g)[0])
    x = leaf([0.0, 0.0, 0.0])
    store('norm.gradient', torch.autograd.grad(x.norm(), x)[0])
    write_safetensors(folder / 'limits.safetensors', arrays, {})


if __name__ == '__main__':
    main()
