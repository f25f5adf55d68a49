"""Writes PyTorch's and numpy's figures for linear algebra and Fourier
transforms, which the specs compare torus with.

    /usr/bin/python3 spec/support/linalg_torch.py [data/reference]

Needs PyTorch and numpy; the specs need neither, only the files. Everything is
computed in float64 from inputs that float32 can hold exactly.
"""
import pathlib
import sys

import numpy as np
import torch

from make_reference import Draw, as32, write_safetensors

linalg = torch.linalg


class Cases:
    """Inputs, results and gradients of numbered cases of an operation."""

    def __init__(self, seed):
        self.draw, self.arrays, self.counts = Draw(seed), {}, {}

    def add(self, name, f, *inputs):
        """f: tensors to a tuple of tensors. The gradient is that of their sum
        weighted with g1, g2, ..."""
        number = self.counts[name] = self.counts.get(name, 0) + 1
        key = f'{name}.{number}.'
        inputs = [x.detach().requires_grad_() for x in inputs]
        loss = 0
        for i, x in enumerate(inputs, 1):
            self.arrays[f'{key}x{i}'] = as32(x)
        for i, y in enumerate(f(*inputs), 1):
            g = self.draw.normal(*y.shape)
            loss = loss + (y * g).sum()
            self.arrays[f'{key}y{i}'] = y.detach().numpy()
            self.arrays[f'{key}g{i}'] = as32(g)
        gradients = torch.autograd.grad(loss, inputs)
        for i, gradient in enumerate(gradients, 1):
            self.arrays[f'{key}d{i}'] = gradient.numpy()

    def write(self, path):
        write_safetensors(path, self.arrays,
                          {k: str(v) for k, v in self.counts.items()})


def symmetric(x):
    return (x + x.mT) / 2


def spectrum(x):
    """What does not depend on the signs of vectors."""
    w, v = linalg.eigh(symmetric(x))
    return w, (v * torch.exp(-w / 4).unsqueeze(-2)) @ v.mT


def decay(x):
    """What depends neither on the order of values nor on the scale of vectors."""
    w, v = linalg.eig(x)
    return ((v * torch.exp(-w / 4).unsqueeze(-2)) @ linalg.inv(v)).real,


def singular(x):
    u, s, vt = linalg.svd(x, full_matrices=False)
    return s, (u * torch.cos(s).unsqueeze(-2)) @ vt


def positive(x):
    return symmetric(x @ x.mT) + torch.eye(x.shape[-1], dtype=x.dtype)


def matrices(folder):
    c = Cases(11)
    draw = c.draw.normal
    for batch in ((), (3,), (2, 1), (1,)):
        for n in (1, 2, 5):
            x = draw(*batch, n, n)
            c.add('inverse', lambda a: (linalg.inv(a),), x)
            c.add('det', lambda a: (linalg.det(a),), x)
            c.add('slogdet', lambda a: (linalg.slogdet(a)[1],), x)
            c.add('cholesky', lambda a: (linalg.cholesky(positive(a)),), x)
            c.add('eigh', spectrum, x)
            c.add('svd', singular, x)
    for a, b in (((3, 3), (3, 2)), ((3, 3), (3,)), ((4, 2, 2), (4, 2)),
                 ((2, 1, 3, 3), (4, 3, 1)), ((7, 7), (7, 5)), ((1, 1), (1, 2))):
        c.add('solve', lambda x, y: (linalg.solve(x, y),), draw(*a), draw(*b))
    for shape in ((5, 3), (3, 5), (2, 4, 1), (1, 4), (2, 3, 4), (8, 8)):
        c.add('svd', singular, draw(*shape))
        c.add('qr', lambda x: linalg.qr(x), draw(*shape)) \
            if shape[-1] <= shape[-2] else None
    for a, b in (((6, 3), (6, 2)), ((3, 6), (3, 2)), ((2, 5, 2), (2, 5, 1)),
                 ((4, 4), (4, 1))):
        c.add('lstsq', lambda x, y: (linalg.pinv(x) @ y,), draw(*a), draw(*b))
    for shape in ((1, 1), (2, 2), (5, 5), (3, 4, 4), (2, 1, 3, 3), (8, 8)):
        c.add('eig', decay, draw(*shape))
    c.write(folder / 'linalg.safetensors')


NORMS = ('backward', 'forward', 'ortho')


def transforms(folder):
    c = Cases(12)
    draw = c.draw.normal

    def pair(z):
        return torch.view_as_real(z).unbind(-1)

    def add(name, f, complex_input, shape, **options):
        """The options are part of the name: NAME:n:dim:norm, - where absent."""
        text = ':'.join(str(options.get(k, '-')) for k in ('n', 'dim', 'norm'))
        options = {k: v - 1 if k == 'dim' and v > 0 else v
                   for k, v in options.items()}
        name = f'{name}:{text}'
        if complex_input:
            c.add(name, lambda re, im: out(f(torch.complex(re, im), **options)),
                  draw(*shape), draw(*shape))
        else:
            c.add(name, lambda x: out(f(x, **options)), draw(*shape))

    def out(z):
        return pair(z) if z.is_complex() else (z,)

    fft = torch.fft
    for n in (1, 2, 3, 4, 5, 6, 7, 8, 12, 25, 30, 47, 53, 101):
        add('fft', fft.fft, True, (n,))
        add('ifft', fft.ifft, True, (2, n))
        add('rfft', fft.rfft, False, (2, n))
        add('irfft', fft.irfft, True, (n // 2 + 1,), n=n)
    for norm in NORMS:
        add('fft', fft.fft, True, (2, 6, 3), dim=2, norm=norm)
        add('ifft', fft.ifft, True, (6, 3), dim=1, norm=norm)
        add('rfft', fft.rfft, False, (3, 7), dim=-1, norm=norm, n=5)
        add('rfft', fft.rfft, False, (3, 7), dim=1, norm=norm, n=8)
        add('irfft', fft.irfft, True, (3, 4), norm=norm)
        add('irfft', fft.irfft, True, (5, 2), dim=1, norm=norm, n=7)
        add('fft', fft.fft, True, (4, 3), dim=1, norm=norm, n=9)
        add('fftn', fft.fftn, True, (3, 4, 5), norm=norm)
        add('ifftn', fft.ifftn, True, (3, 4, 2), norm=norm)
        add('rfftn', fft.rfftn, False, (3, 4, 5), norm=norm)
        add('irfftn', fft.irfftn, True, (3, 2, 4), norm=norm)
        add('fft2', fft.fft2, True, (2, 3, 4), norm=norm)
        add('ifft2', fft.ifft2, True, (2, 3, 4), norm=norm)
        add('rfft2', fft.rfft2, False, (2, 3, 4), norm=norm)
        add('irfft2', fft.irfft2, True, (2, 3, 4), norm=norm)
    c.write(folder / 'fft.safetensors')


if __name__ == '__main__':
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else 'data/reference')
    matrices(target)
    transforms(target)
