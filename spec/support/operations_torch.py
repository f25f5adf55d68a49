"""Writes PyTorch's values and first gradients of the operations, which the specs
compare torus with.

    python3 spec/support/operations_torch.py [data/reference]

Needs PyTorch and numpy; the specs need neither, only the file. Everything is
computed in float64 from inputs that float32 can hold exactly. A case stores the
inputs x1, x2, ..., the results y1, y2, ..., the weights g1, ... of the results in
a loss and its gradients d1, ...; the arguments after the inputs are in the
metadata, as torus takes them: dimensions and indices count from 1.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

from make_reference import Draw, as32, write_safetensors

UNARY = [(3, 5), (), (0, 3), (7,), (2, 1, 3)]
BINARY = [((3, 5), (3, 5)), ((2, 3), (3,)), ((3, 1), (1, 2)), ((), (2, 2)),
          ((0, 3), (1, 3))]


class Cases:
    def __init__(self, seed):
        self.draw, self.arrays, self.args, self.count = Draw(seed), {}, {}, {}

    def add(self, name, f, inputs, *args, low=-1.5, high=1.5, listed=False):
        """inputs: shapes of floats to draw, or tensors of indices as they are;
        listed: torus takes the inputs as one list."""
        number = self.count[name] = self.count.get(name, 0) + 1
        key = f'{name}.{number}'
        self.args[key] = {'args': list(args), 'list': listed}
        xs = []
        for i, x in enumerate(inputs, 1):
            if not torch.is_tensor(x):
                x = self.draw.uniform(*x, low=low, high=high).requires_grad_()
            xs.append(x)
            index = not x.is_floating_point()
            self.arrays[f'{key}.x{i}'] = x.numpy() if index else as32(x)
        results, loss = f(*xs), 0
        for i, y in enumerate(results if isinstance(results, tuple)
                              else (results,), 1):
            self.arrays[f'{key}.y{i}'] = y.detach().numpy()
            if y.requires_grad:
                g = self.draw.normal(*y.shape)
                loss = loss + (y * g).sum()
                self.arrays[f'{key}.g{i}'] = as32(g)
        leaves = [x for x in xs if x.requires_grad]
        if not torch.is_tensor(loss) or not leaves:
            return
        found = torch.autograd.grad(loss, leaves, allow_unused=True)
        for i, (x, d) in enumerate(zip(leaves, found), 1):
            d = torch.zeros_like(x) if d is None else d
            self.arrays[f'{key}.d{i}'] = d.numpy()

    def unary(self, name, f, *args, **limits):
        for shape in UNARY:
            self.add(name, f, [shape], *args, **limits)

    def binary(self, name, f, **limits):
        for shapes in BINARY:
            self.add(name, f, shapes, **limits)

    def write(self, path):
        write_safetensors(path, self.arrays, {
            'args': json.dumps(self.args), 'torch': torch.__version__,
            'count': json.dumps(self.count)})


def elementwise(c):
    for name in ('neg', 'exp', 'expm1', 'square', 'sin', 'cos', 'atan', 'sinh',
                 'cosh', 'tanh', 'asinh', 'exp2', 'erf', 'erfc', 'sigmoid',
                 'relu', 'abs', 'sign', 'floor', 'ceil', 'trunc', 'round',
                 'isfinite', 'isinf', 'isnan'):
        c.unary(name, getattr(torch, name))
    for name in ('log', 'log2', 'log10', 'sqrt', 'reciprocal'):
        c.unary(name, getattr(torch, name), low=0.3, high=4)
    for name in ('asin', 'acos', 'atanh', 'log1p'):
        c.unary(name, getattr(torch, name), low=-0.9, high=0.9)
    c.unary('tan', torch.tan, low=-1.3, high=1.3)
    c.unary('acosh', torch.acosh, low=1.2, high=4)
    c.unary('erfinv', torch.erfinv, low=-0.99, high=0.99)
    c.unary('lgamma', torch.lgamma, low=0.1, high=12)
    c.unary('digamma', torch.digamma, low=-3.9, high=12)
    for n in (1, 2, 4):
        c.unary('polygamma', lambda x: torch.polygamma(n, x), n, low=0.4,
                high=9)
    c.unary('softplus', F.softplus)
    c.unary('silu', F.silu, low=-6, high=6)
    c.unary('gelu', F.gelu, low=-4, high=4)
    c.unary('elu', lambda x: F.elu(x, 0.75), 0.75)
    c.unary('leaky_relu', lambda x: F.leaky_relu(x, 0.25), 0.25)
    c.unary('clamp', lambda x: x.clamp(-0.75, 0.5), -0.75, 0.5)
    c.unary('step', lambda x: (x > 0).double())
    for name in ('add', 'sub', 'mul', 'maximum', 'minimum', 'eq', 'ne', 'lt',
                 'le', 'gt', 'ge', 'atan2', 'hypot'):
        c.binary(name, getattr(torch, name))
    for name in ('div', 'pow', 'fmod', 'remainder'):
        c.binary(name, getattr(torch, name), low=0.4, high=3)
    c.binary('floor_divide', lambda x, y: (x / y).detach().floor(), low=0.4,
             high=3)
    for shapes in BINARY:
        c.add('where', lambda x, y, z: torch.where(x > 0, y, z),
              [shapes[0], shapes[1], shapes[0]], low=-1, high=1)
        key = f'where.{c.count["where"]}.x1'
        c.arrays[key] = (c.arrays[key] > 0).astype(np.float32)


def bits(c):
    x = torch.tensor([[5, -3, 0], [7, 1, -8]])
    y = torch.tensor([3, 6, -1])
    for name in ('and', 'or', 'xor'):
        f = getattr(torch, 'bitwise_' + name)
        c.add('bitwise_' + name, f, [x, y])
        c.add('bitwise_' + name, f, [x[:0], y])
        c.add('bitwise_' + name, f, [x[:1].int(), y.int()])
    c.add('bitwise_not', torch.bitwise_not, [x])
    c.add('bitwise_not', torch.bitwise_not, [x.int()])


def integers(c):
    """Arithmetic of integers and where dtypes meet."""
    x = torch.tensor([[7, -7, 0], [-9, 4, 5]])
    y = torch.tensor([[2, 3, -4], [-2, 5, 3]])
    for name in ('add', 'sub', 'mul', 'maximum', 'minimum', 'floor_divide',
                 'remainder', 'fmod', 'eq', 'ne', 'lt', 'le', 'gt', 'ge'):
        op = getattr(torch, name)
        for a, b in ((x, y), (x.int(), y[:1].int()), (x.int(), y),
                     (x.abs().byte(), y.abs().byte()), (x[:, :0], y[:, :0])):
            c.add(name, op, [a, b])
    c.add('div', torch.div, [x, y])
    for name in ('neg', 'abs', 'square', 'sign', 'relu', 'floor', 'ceil',
                 'trunc', 'round'):
        c.add(name, getattr(torch, name), [x])
        c.add(name, getattr(torch, name), [x.int()])
    c.add('clamp', lambda x: x.clamp(-3, 4), [x], -3, 4)
    c.add('where', lambda m, x, y: torch.where(m != 0, x, y),
          [torch.tensor([1, 0, 1], dtype=torch.uint8), x, y])
    for name in ('sum', 'max', 'min'):
        op = {'sum': torch.sum, 'max': torch.amax, 'min': torch.amin}[name]
        for a in (x, x.int(), x.abs().byte()):
            c.add(name, lambda x: op(x, (0, 1)), [a])
            c.add(name, lambda x: op(x, (1,)), [a], 2)
    for name in ('argmax', 'argmin'):
        op = getattr(torch, name)
        c.add(name, lambda x: op(x, 1) + 1, [y], 2)


def reductions(c):
    for name, f in (('sum', torch.sum), ('mean', torch.mean),
                    ('max', torch.amax), ('min', torch.amin),
                    ('logsumexp', torch.logsumexp)):
        c.add(name, lambda x: f(x, (0, 1)), [(3, 5)])
        c.add(name, lambda x: f(x, (1,)), [(2, 3, 2)], 2)
        c.add(name, lambda x: f(x, (0, 2), keepdim=True), [(2, 3, 2)], [1, 3],
              True)
        c.add(name, lambda x: f(x, (0,)), [(2, 0, 3)], 1)
    for name, f in (('softmax', torch.softmax),
                    ('log_softmax', torch.log_softmax)):
        c.add(name, lambda x: f(x, 1), [(3, 5)], 2)
        c.add(name, lambda x: f(x, 0), [(2, 3, 2)], 1)
        c.add(name, lambda x: f(x, 1), [(2, 0)], 2)
    for name in ('argmax', 'argmin'):
        f = getattr(torch, name)
        c.add(name, lambda x: f(x, 1) + 1, [(3, 5)], 2)
        c.add(name, lambda x: f(x, 1) + 1, [(2, 3, 2)], -2)
        c.add(name, lambda x: f(x) + 1, [(2, 3, 2)])
    for name, f in (('cumsum', torch.cumsum), ('cumprod', torch.cumprod)):
        c.add(name, lambda x: f(x, 1), [(3, 5)], 2)
        c.add(name, lambda x: f(x, 1), [(2, 3, 2)], -2)
        c.add(name, lambda x: f(x.flip(0), 0).flip(0), [(7,)], 1, True)
        c.add(name, lambda x: f(x, 0), [(0, 2)], 1)
    c.add('prod', lambda x: x.prod(), [(3, 5)])
    c.add('prod', lambda x: x.prod(1, keepdim=True), [(2, 3, 2)], 2, True)
    c.add('prod', lambda x: x.prod(2).prod(0), [(2, 3, 2)], [1, 3])
    c.add('prod', lambda x: x.prod(1), [(2, 0)], 2)

    def recurrence(a, b):
        y = [b[0]]
        for i in range(1, len(b)):
            y.append(a[i] * y[-1] + b[i])
        return torch.stack(y)
    c.add('recurrence', recurrence, [(5, 2), (5, 2)], 1)
    c.add('recurrence', lambda a, b: recurrence(a.flip(0), b.flip(0)).flip(0),
          [(7,), (7,)], 1, True)
    for correction in (0, 1):
        opts = {'correction': correction}
        for name in ('var', 'std'):
            f = getattr(torch, name)
            c.add(name, lambda x: f(x, correction=correction), [(3, 5)], opts)
            c.add(name, lambda x: f(x, 1, correction=correction, keepdim=True),
                  [(2, 3, 2)], 2, True, opts)
            c.add(name, lambda x: f(x, 1, correction=correction), [(0, 3)], 2,
                  opts)
    norm = torch.linalg.vector_norm
    for p in (2, 1, 3, 1.5, 0, -2):
        c.add('norm', lambda x: norm(x, p), [(3, 5)], {'p': p})
        c.add('norm', lambda x: norm(x, p, (0, 2), keepdim=True), [(2, 3, 2)],
              {'p': p, 'dim': [1, 3], 'keepdim': True})
    c.add('norm', lambda x: norm(x, 2, 1), [(0, 3)], {'dim': 2})
    for name, f in (('any', torch.any), ('all', torch.all)):
        c.add(name, lambda x: f(x > 5), [(3, 5)])
        c.arrays[f'{name}.1.x1'] = np.zeros((3, 5), np.float32)
        c.add(name, lambda x: f(x != 0, 1), [(2, 3)], 2)


def order(c):
    for shape, dim in (((7,), 0), ((3, 5), 0), ((2, 3, 2), 1), ((2, 0), 1),
                       ((1, 1), 1)):
        for down in (False, True):
            c.add('argsort', lambda x: x.argsort(
                dim=dim, descending=down, stable=True) + 1,
                  [shape], dim + 1, down)

            def sort(x):
                values, indices = x.sort(
                    dim=dim, descending=down, stable=True)
                return values, indices + 1
            c.add('sort', sort, [shape], dim + 1, down)
    for shape, dim, k in (((7,), 0, 3), ((3, 5), 0, 2), ((2, 13), 1, 2),
                          ((2, 3), 1, 0)):
        for largest in (True, False):
            def topk(x):
                values, indices = x.topk(k, dim, largest)
                return values, indices + 1
            c.add('topk', topk, [shape], k, dim + 1, largest)
            c.add('argtopk', lambda x: topk(x)[1], [shape], k, dim + 1, largest)
    for shape, dim in (((7,), 0), ((3, 4), 1), ((2, 3, 2), 1)):
        def median(x):
            values, indices = x.median(dim)
            return values, indices + 1
        c.add('median', median, [shape], dim + 1)
        c.add('argmedian', lambda x: x.median(dim, keepdim=True)[1] + 1,
              [shape], dim + 1)
    c.add('median', lambda x: x.median(), [(3, 4)])
    for how in ('linear', 'lower', 'higher', 'midpoint', 'nearest'):
        q = torch.tensor([0.1, 0.5, 0.93], dtype=torch.float64)
        opts = {'interpolation': how}
        c.add('quantile', lambda x: x.quantile(q, interpolation=how), [(3, 4)],
              q.tolist(), opts)
        c.add('quantile', lambda x: x.quantile(0.3, 1, True,
                                               interpolation=how),
              [(2, 5, 2)], 0.3, 2, True, opts)
        c.add('quantile', lambda x: x.quantile(q, 1, True, interpolation=how),
              [(2, 5, 2)], q.tolist(), 2, True, opts)
    rounded = torch.tensor([[2, 1, 5], [1, 2, 1]])

    def unique(x):
        values, inverse, counts = x.unique(return_inverse=True,
                                           return_counts=True)
        return values, inverse + 1, counts
    c.add('unique', unique, [rounded])
    c.add('unique', unique, [torch.zeros(0, dtype=torch.int64)])
    c.add('argunique', lambda x: (torch.tensor([2, 1, 3]), *unique(x)[1:]),
          [rounded])
    c.add('histc', lambda x: x.histc(5, -1, 1).long(), [(3, 5)], 5, -1, 1)
    c.add('histc', lambda x: x.histc(4).long(), [(7,)], 4)
    counted = torch.tensor([3, 1, 3, 5, 5, 5])
    c.add('bincount', lambda x: x.bincount(minlength=9)[1:], [counted],
          {'minlength': 8})
    c.add('bincount', lambda x: x.bincount()[1:], [counted])
    c.add('nan_to_num', torch.nan_to_num, [(3, 5)])


def movement(c):
    c.unary('alias', lambda x: x.clone())
    c.unary('copy', lambda x: x.clone())
    c.unary('to', lambda x: x.double(), 'float64')
    c.add('reshape', lambda x: x.reshape(5, 3), [(3, 5)], 5, -1)
    c.add('reshape', lambda x: x.reshape(3, 0, 2), [(0, 3)], 3, 0, 2)
    c.add('permute', lambda x: x.permute(2, 0, 1), [(2, 3, 2)], [3, 1, 2])
    c.add('permute', lambda x: x.permute(1, 0), [(0, 3)], [2, 1])
    c.add('expand', lambda x: x.expand(2, -1, 4), [(3, 1)], 2, -1, 4)
    c.add('expand', lambda x: x.expand(0, 2), [(1, 2)], 0, 2)
    c.add('slice', lambda x: x[1:4:2, 0:5:2], [(4, 5)], [2, 1], [2, 3], [2, 2])
    c.add('slice', lambda x: x[0:0, 1:], [(3, 2)], [1, 2], [0, 1], [1, 1])

    def embed(x):
        y = torch.zeros(4, 5, dtype=x.dtype)
        return y.index_put((torch.tensor([[1], [3]]), torch.tensor([0, 2, 4])),
                           x)
    c.add('embed', embed, [(2, 3)], [2, 1], [4, 5], [2, 2])
    c.add('cat', lambda *x: torch.cat(x, 1), [(2, 3), (2, 1), (2, 2)], 2,
          listed=True)
    c.add('cat', lambda *x: torch.cat(x, 0), [(0, 2), (3, 2)], 1, listed=True)
    i = torch.tensor([3, 1, 3])
    c.add('index_select', lambda x, i: x.index_select(0, i - 1), [(3, 2), i], 1)
    c.add('index_add', lambda x, i: torch.zeros(5, 2, dtype=x.dtype)
          .index_add(0, i - 1, x), [(3, 2), i], 1, 5)
    j = torch.tensor([[3, 1, 1, 2], [2, 2, 3, 1]])
    c.add('gather', lambda x, j: x.gather(1, j - 1), [(2, 3), j], 2)
    c.add('scatter_add', lambda x, j: torch.zeros(2, 3, dtype=x.dtype)
          .scatter_add(1, j - 1, x), [(2, 4), j], 2, 3)


def selection(c):
    def mask(rows):
        return torch.tensor(rows, dtype=torch.bool)

    m = mask([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 0]])
    i = torch.tensor([[3, 1], [2, 3]])
    for x, key in (((3, 5), m), ((3, 5), m[:, 0]), ((3, 5), m[0, :0].reshape(0)),
                   ((3, 5), torch.zeros(3, dtype=torch.bool)),
                   ((0, 3), m[:0, :3]), ((1, 1), mask([[1]]))):
        if key.shape != (0,):
            c.add('index', lambda x, k: x[k], [x, key])
    for x, key in (((3, 5), i), ((3, 1, 2), i[0]), ((4,), i), ((3, 0), i[0]),
                   ((3, 2), i[:0, 0]), ((3, 2), torch.tensor(2))):
        c.add('index', lambda x, k: x[k - 1], [x, key])
    c.add('masked_select', torch.masked_select, [(3, 5), m])
    c.add('masked_select', torch.masked_select, [(3, 1), m])
    c.add('masked_select', torch.masked_select, [(2, 3), m[0, :3]])
    c.add('masked_select', torch.masked_select, [(0, 3), m[0, :3]])
    c.add('masked_fill', lambda x, m: x.masked_fill(m, -2), [(3, 5), m], -2)
    c.add('masked_fill', lambda x, m: x.masked_fill(m, 0.5),
          [(2, 3), m[0, :3]], 0.5)
    c.add('masked_fill', lambda x, m, v: x.masked_fill(m, v), [(3, 5), m, ()])
    c.add('nonzero', lambda x: (x > 0).nonzero() + 1, [(3, 5)])
    key = f'nonzero.{c.count["nonzero"]}.x1'
    c.arrays[key] = np.maximum(c.arrays[key], 0)
    c.add('nonzero', lambda x: x.nonzero() + 1, [m])
    c.add('nonzero', lambda x: x.nonzero() + 1, [torch.tensor([0, 7, -2])])
    c.add('nonzero', lambda x: x.nonzero() + 1, [torch.zeros(0, 2).long()])
    take = torch.take_along_dim
    c.add('take_along_dim', lambda x, i: take(x, i - 1, 0), [(3, 2), i], 1)
    c.add('take_along_dim', lambda x, i: take(x, i - 1, 1), [(4, 3), i[:1]], 2)
    c.add('take_along_dim', lambda x, i: take(x, i - 1), [(2, 3), i])
    c.add('flip', lambda x: x.flip(1), [(3, 5)], 2)
    c.add('flip', lambda x: x.flip(0, 2), [(2, 3, 2)], [1, -1])
    c.add('flip', lambda x: x.flip(0), [(0, 3)], 1)
    c.add('roll', lambda x: x.roll(2, 1), [(3, 5)], 2, 2)
    c.add('roll', lambda x: x.roll((-1, 5), (0, 1)), [(2, 3, 2)], [-1, 5],
          [1, 2])
    c.add('roll', lambda x: x.roll(4), [(3, 5)], 4)
    c.add('roll', lambda x: x.roll(1, 0), [(0, 3)], 1, 1)
    for name in ('tril', 'triu'):
        f = getattr(torch, name)
        for shape, k in (((3, 3), 0), ((2, 3, 5), 1), ((5, 2), -2),
                         ((0, 3), 0), ((1, 1), 0), ((0, 2, 2), -1)):
            c.add(name, lambda x: f(x, k), [shape], k)
    for shape, k in (((3, 3), 0), ((3, 5), 2), ((5, 2), -2), ((3,), 0),
                     ((2,), -1), ((2,), 3), ((0,), 1), ((0, 3), 0), ((1,), 0)):
        c.add('diag', lambda x: x.diag(k), [shape], k)
    c.add('meshgrid', lambda *x: torch.meshgrid(*x, indexing='ij'),
          [(3,), (2,)])
    c.add('meshgrid', lambda *x: torch.meshgrid(*x, indexing='ij'),
          [(1,), (0,), (5,)])
    c.add('split', lambda x: x.split(2, 1), [(3, 5)], 2, 2)
    c.add('split', lambda x: x.split([1, 0, 2], 1), [(2, 3, 2)], [1, 0, 2], 2)
    c.add('unbind', lambda x: x.unbind(0), [(3, 5)], 1)
    c.add('unbind', lambda x: x.unbind(1), [(2, 3, 0)], -2)
    for shape, times in (((3,), [2]), ((2, 3), [2, 3]), ((2, 1, 3), [2, 2]),
                         ((2,), [3, 2]), ((0, 3), [2, 2]), ((2, 2), [0, 1])):
        c.add('tile', lambda x: x.tile(times), [shape], times)


def sampled(c):
    c.add('dot', torch.dot, [(4,), (4,)])
    for shape in ((3, 3), (2, 3, 2), (2, 4)):
        c.add('trace', lambda x: torch.diagonal(x, dim1=-2, dim2=-1).sum(-1),
              [shape])
    for a, b in (((2, 3), (3, 2)), ((2,), (2, 2)), ((), (3,))):
        c.add('kron', torch.kron, [a, b])
    c.add('cov', torch.cov, [(3, 5)])
    c.add('cov', torch.cov, [(6,)])
    c.add('cov', lambda x: torch.cov(x, correction=0), [(2, 4)],
          {'correction': 0})
    c.add('corrcoef', torch.corrcoef, [(3, 5)])
    c.add('repeat_interleave', lambda x: x.repeat_interleave(2, 0), [(3,)], 2)
    c.add('repeat_interleave', lambda x: x.repeat_interleave(
        torch.tensor([1, 0, 3]), 1), [(2, 3)], [1, 0, 3], 2)
    c.add('diff', torch.diff, [(5,)])
    c.add('diff', lambda x: torch.diff(x, n=2, dim=0), [(4, 3)], 2, 1)
    c.add('trapezoid', torch.trapezoid, [(2, 5)])
    c.add('trapezoid', lambda y: torch.trapezoid(y, dx=0.25, dim=0), [(4, 3)],
          0.25, 1)
    c.add('trapezoid', torch.trapezoid, [(2, 5), (5,)])
    c.add('cumulative_trapezoid', torch.cumulative_trapezoid, [(2, 5)])
    c.add('cumulative_trapezoid', torch.cumulative_trapezoid, [(5,), (5,)])
    edges, at = torch.tensor([0, 1, 1, 3, 7]), torch.tensor([[-1, 1, 2], [3, 7, 9]])
    c.add('searchsorted', lambda a, b: torch.searchsorted(a, b) + 1, [edges, at])
    c.add('searchsorted', lambda a, b: torch.searchsorted(a, b, right=True) + 1,
          [edges, at], {'side': 'right'})


def nchw(f):
    """A function of images with channels first, of images with channels last."""
    return lambda x, *more: f(x.permute(0, 3, 1, 2), *more).permute(0, 2, 3, 1)


def products(c):
    for shapes in (((2, 3), (3, 4)), ((2, 1, 2, 3), (3, 3, 2)), ((2, 0), (0, 3)),
                   ((0, 2), (2, 3)), ((1, 1), (1, 1))):
        c.add('matmul', torch.matmul, shapes)
    for stride, padding, x, w in ((1, 1, (2, 5, 4, 2), (3, 2, 3, 3)),
                                  (2, 1, (1, 5, 7, 1), (2, 1, 2, 3)),
                                  (1, 0, (0, 3, 3, 1), (1, 1, 2, 2))):
        size = [(n + 2 * padding - k) // stride + 1
                for n, k in zip(x[1:3], w[2:])]
        y = (x[0], *size, w[0])
        c.add('conv2d', nchw(lambda a, b: F.conv2d(
            a, b, stride=stride, padding=padding)), [x, w],
            {'stride': stride, 'padding': padding})
        if x[0] == 0:
            continue
        xs, gs = ((s[0], s[3], s[1], s[2]) for s in (x, y))
        c.add('conv2d_input_grad', nchw(lambda g, b:
              torch.nn.grad.conv2d_input(xs, b, g, stride, padding)), [y, w],
              stride, padding, x[1], x[2])
        c.add('conv2d_weight_grad', lambda a, g: torch.nn.grad.conv2d_weight(
            a.permute(0, 3, 1, 2), w, g.permute(0, 3, 1, 2), stride, padding),
            [x, y], stride, padding, w[2], w[3])
    for factor, shape in ((2, (1, 2, 3, 2)), (3, (2, 1, 1, 1))):
        big = (shape[0], shape[1] * factor, shape[2] * factor, shape[3])
        c.add('upsample', nchw(lambda x: F.interpolate(
            x, scale_factor=factor)), [shape], factor)
        c.add('upsample_grad', nchw(lambda x: F.avg_pool2d(x, factor)
                                    * factor ** 2), [big], factor)
    for kernel, stride, padding, (n, h, w, k) in ((2, 2, 0, (2, 4, 5, 2)),
                                                  (3, 2, 1, (1, 5, 7, 1))):
        def pool(x):
            return F.avg_pool2d(x, kernel, stride, padding)

        def unpool(g):
            x = torch.zeros(n, k, h, w, dtype=g.dtype, requires_grad=True)
            return torch.autograd.grad(pool(x), x, g, create_graph=True)[0]
        window = (kernel, stride, padding)
        small = ((h + 2 * padding - kernel) // stride + 1,
                 (w + 2 * padding - kernel) // stride + 1)
        c.add('avg_pool2d', nchw(pool), [(n, h, w, k)], *window)
        c.add('avg_pool2d_grad', nchw(unpool), [(n, *small, k)], *window, h, w)
        c.add('argmax_pool2d', nchw(lambda x: F.max_pool2d(
            x, *window, return_indices=True)[1] + 1), [(n, h, w, k)], *window)
    linalg = torch.linalg
    for a, b in (((3, 3), (3, 2)), ((2, 1, 2, 2), (3, 2, 1))):
        c.add('solve_triangular', lambda x, y: linalg.solve_triangular(
            x.tril(), y, upper=False), [a, b], low=0.5)
        c.add('solve_triangular', lambda x, y: linalg.solve_triangular(
            x.triu(), y, upper=True), [a, b], True, low=0.5)
    for shape in ((3, 3), (2, 2, 2)):
        c.add('cofactor', lambda x: (linalg.det(x)[..., None, None]
                                     * linalg.inv(x).mT), [shape])
    c.add('outer', torch.outer, [(3,), (2,)])
    c.add('cross', lambda a, b: torch.linalg.cross(a, b), [(2, 3), (1, 3)])
    c.add('cross', lambda a, b: torch.linalg.cross(a, b, dim=0),
          [(3, 2), (3, 2)], 1)
    for equation, shapes in (('ij,jk->ik', ((2, 3), (3, 4))),
                             ('bij,bj->bi', ((2, 2, 3), (2, 3))),
                             ('ii->', ((3, 3),)), ('iji->j', ((2, 3, 2),)),
                             ('...ij,...jk->...ik', ((2, 1, 2, 3), (2, 3, 2))),
                             ('ij,jk,kl->il', ((2, 3), (3, 2), (2, 5))),
                             ('i,j->ij', ((0,), (2,))),
                             ('ba,cb', ((3, 2), (4, 3)))):
        c.add('einsum', lambda *x: torch.einsum(equation, *x), shapes, equation)


def dense(activation, parameters):
    """The energy of a network, of (batch, n) to (batch)."""
    def energy(x):
        *hidden, w, b = parameters
        for weight, bias in zip(hidden[::2], hidden[1::2]):
            x = activation(x @ weight.T + bias)
        return (x @ w.T + b).squeeze(-1)
    return energy


def field(energy, q, p):
    q, p = q.clone(), p.clone()  # or p's own dependence on q would count
    h = energy(q, p)
    return (*torch.autograd.grad(h.sum(), (q, p), create_graph=True), h)


def leapfrog(energy, q, p, dt):
    p = p - dt / 2 * field(energy, q, p)[0]
    q = q + dt * field(energy, q, p)[1]
    return q, p - dt / 2 * field(energy, q, p)[0]


def euler(energy, q, p, dt):
    dq, dp, _ = field(energy, q, p)
    return q + dt * dp, p - dt * dq


def networks(c):
    def joint(*parameters):
        net = dense(torch.tanh, parameters)
        return lambda q, p: net(torch.cat((q, p), 1))

    def pair(*parameters):
        k = dense(torch.tanh, parameters[:4])
        v = dense(F.softplus, parameters[4:])
        return lambda q, p: k(p) + v(q)

    def rollout(make, step, steps, dt):
        def f(q, p, *parameters):
            energy, states = make(*parameters), [(q, p)]
            for _ in range(steps):
                states.append(step(energy, *states[-1], dt))
            return (*(torch.stack(x) for x in zip(*states)),
                    torch.stack([energy(*s) for s in states]))
        return f

    def described(activation, count):
        return {'kind': 'dense', 'activation': activation, 'readout_bias': True,
                'layers': count // 2 - 1, 'count': count}
    state = [(3, 2), (3, 2)]
    of_joint = [(5, 4), (5,), (4, 5), (4,), (1, 4), (1,)]
    of_pair = [(3, 2), (3,), (1, 3), (1,)] * 2
    one = {'networks': [described('tanh', 6)]}
    two = {'networks': [described('tanh', 4), described('softplus', 4)]}
    c.add('network_field', lambda q, p, *w: field(joint(*w), q, p),
          state + of_joint, one)
    c.add('network_field', lambda q, p, *w: field(pair(*w), q, p),
          state + of_pair, two)
    c.add('network_rollout', rollout(joint, euler, 2, -0.25),
          state + of_joint,
          {**one, 'method': 'euler', 'steps': 2, 'dt': -0.25, 'energies': True})
    c.add('network_rollout', rollout(pair, leapfrog, 3, 0.125),
          state + of_pair, {**two, 'method': 'leapfrog', 'steps': 3, 'energies': True})


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else 'data/reference')
    cases = Cases(23)
    for part in (elementwise, reductions, order, movement, products,
                 networks, bits, integers, selection, sampled):
        part(cases)
    cases.write(folder / 'operations.safetensors')


main()
