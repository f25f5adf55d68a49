"""Random programs, evaluated by PyTorch: values and first gradients in float64.

    /usr/bin/python3 spec/attack/programs_torch.py COUNT SEED FILE

Writes FILE.safetensors and FILE.json, which programs.lua runs in torus. A
program is a list of steps over numbered values; the first ones are its inputs.
Needs PyTorch and numpy.
"""
import json
import pathlib
import random
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'support'))
from make_reference import write_safetensors  # noqa: E402

# A few hundred numbers are no work to divide: threads would only wait.
torch.set_num_threads(1)

# Numbers at which derivatives have kinks are among the values on purpose.
SPECIAL = [0.0, 1.0, -1.0, 0.5, -0.5, 2.0]


def softplus(x):
    """PyTorch's own is cut off at 20, 2e-9 too early for this comparison."""
    return torch.logaddexp(x, torch.zeros_like(x))


def clamp(x):
    """The gradient at a bound is 1, as of PyTorch 1; PyTorch 2.15 has 0."""
    low, high = -0.5, 1.0
    inside = (x >= low) & (x <= high)
    return torch.where(inside, x, x.detach().clamp(low, high))


UNARY = {
    'neg': torch.neg, 'exp': torch.exp, 'expm1': torch.expm1,
    'square': torch.square, 'sin': torch.sin, 'cos': torch.cos,
    'tanh': torch.tanh, 'sigmoid': torch.sigmoid, 'softplus': softplus,
    'relu': torch.relu, 'abs': torch.abs, 'sign': torch.sign,
    'floor': torch.floor,
    'log': lambda x: torch.log(x * x + 0.5),
    'sqrt': lambda x: torch.sqrt(x * x + 0.5),
    'log1p': lambda x: torch.log1p(x * x),
    'reciprocal': lambda x: torch.reciprocal(x * x + 0.5),
    'leaky_relu': lambda x: F.leaky_relu(x, 0.2),
    'clamp': clamp,
}
BINARY = {
    'add': torch.add, 'sub': torch.sub, 'mul': torch.mul,
    'div': lambda x, y: x / (y * y + 0.5),
    'pow': lambda x, y: (x * x + 0.5) ** y,
    'maximum': torch.maximum, 'minimum': torch.minimum,
    'where': lambda x, y: torch.where(x > y, x, y * 2),
}


def dims_of(rng, x):
    return rng.randrange(x.dim())


class Program:
    def __init__(self, rng):
        self.rng, self.values, self.steps = rng, [], []
        for _ in range(rng.randint(1, 3)):
            shape = [rng.choice([1, 2, 3, 4]) for _ in range(rng.randint(1, 3))]
            numbers = [rng.choice(SPECIAL) if rng.random() < 0.3
                       else round(rng.uniform(-2, 2), 3)
                       for _ in range(torch.Size(shape).numel())]
            x = torch.tensor(numbers, dtype=torch.float64).reshape(shape)
            self.values.append(x.requires_grad_())
        self.inputs = list(self.values)
        wanted = rng.randint(2, 8)
        for _ in range(100):
            if len(self.steps) < wanted:
                self.add(self.step())

    def add(self, step):
        if step is None:
            return
        arguments, y = step
        # Large values say nothing about either side.
        if y.numel() <= 200 and bool((y.abs() < 1e4).all()):
            self.steps.append(arguments)
            self.values.append(y)

    def pick(self):
        # The last values more often: programs become deep.
        n = len(self.values)
        i = max(self.rng.randrange(n), self.rng.randrange(n))
        return i, self.values[i]

    def step(self):
        rng = self.rng
        i, x = self.pick()
        choice = rng.choice(['unary'] * 3 + ['binary'] * 3 + ['shape'] * 2
                            + ['reduce', 'matmul', 'index', 'softmax'])
        if choice == 'unary':
            name = rng.choice(sorted(UNARY))
            return [name, i], UNARY[name](x)
        if choice == 'binary':
            j, y = self.pick()
            try:
                torch.broadcast_shapes(x.shape, y.shape)
            except RuntimeError:
                return None
            name = rng.choice(sorted(BINARY))
            return [name, i, j], BINARY[name](x, y)
        if choice == 'matmul':
            j, y = self.pick()
            if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[0]:
                return None
            return ['matmul', i, j], x @ y
        if x.dim() == 0:
            return None
        d = dims_of(rng, x)
        if choice == 'reduce':
            keep = rng.random() < 0.5
            name = rng.choice(['sum', 'mean', 'max', 'min', 'logsumexp'])
            f = {'sum': torch.sum, 'mean': torch.mean, 'max': torch.amax,
                 'min': torch.amin, 'logsumexp': torch.logsumexp}[name]
            return [name, i, d + 1, keep], f(x, d, keep)
        if choice == 'softmax':
            return ['softmax', i, d + 1], torch.softmax(x, d)
        if choice == 'index':
            index = [rng.randrange(x.shape[d])
                     for _ in range(rng.randint(1, 4))]
            y = torch.index_select(x, d, torch.tensor(index))
            return ['index_select', i, d + 1, [k + 1 for k in index]], y
        return self.reshaped(i, x, d)

    def reshaped(self, i, x, d):
        rng = self.rng
        name = rng.choice(['transpose', 'narrow', 'cat', 'flip', 'flatten',
                           'unsqueeze'])
        if name == 'transpose':
            e = dims_of(rng, x)
            return [name, i, d + 1, e + 1], x.transpose(d, e)
        if name == 'narrow':
            start = rng.randrange(x.shape[d])
            length = rng.randint(1, x.shape[d] - start)
            return [name, i, d + 1, start + 1, length], x.narrow(d, start, length)
        if name == 'cat':
            return [name, i, d + 1], torch.cat([x, x * 2], d)
        if name == 'flip':
            return [name, i, d + 1], torch.flip(x, [d])
        if name == 'unsqueeze':
            return (None if x.dim() > 3 else
                    ([name, i, d + 1], x.unsqueeze(d)))
        return [name, i], x.flatten()

    def results(self):
        """The last value, and the gradients of its sum weighted by position."""
        y = self.values[-1]
        weights = torch.arange(1, y.numel() + 1, dtype=torch.float64)
        loss = (y.flatten() * torch.sin(weights)).sum()
        gradients = (torch.autograd.grad(loss, self.inputs, allow_unused=True)
                     if loss.requires_grad else [None] * len(self.inputs))
        return y.detach(), [g if g is not None else torch.zeros_like(x)
                            for x, g in zip(self.inputs, gradients)]


def main(count, seed, path):
    rng, programs, arrays = random.Random(seed), [], {}
    everything, sizes = [], []
    while len(programs) < count:
        program = Program(rng)
        y, gradients = program.results()
        if not program.steps:
            continue
        tensors = program.inputs + [y] + gradients
        if not all(bool(torch.isfinite(t).all()) for t in tensors):
            continue
        everything += [t.detach().flatten() for t in tensors]
        sizes.append(sum(t.numel() for t in tensors))
        programs.append({'inputs': [list(x.shape) for x in program.inputs],
                         'shape': list(y.shape), 'steps': program.steps})
    # One array: each program's inputs, value and gradients, one after the other.
    arrays['numbers'] = torch.cat(everything).numpy()
    write_safetensors(pathlib.Path(path + '.safetensors'), arrays,
                      {'torch': torch.__version__, 'seed': str(seed)})
    lines = ',\n'.join(json.dumps(p, separators=(',', ':')) for p in programs)
    pathlib.Path(path + '.json').write_text('[\n' + lines + '\n]\n')


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
