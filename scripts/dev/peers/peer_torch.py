"""What the PyTorch peers of scripts/bench.lua share: networks, leapfrog steps,
options and a clock.

A peer is a module and a loss of some inputs. It prints "step S s", the median
over --steps steps. With --bfloat16 the convolutions run under autocast, with
--compile what torch.compile takes is compiled. With --check DIR a peer takes its
parameters and inputs from there in float64, prints the loss and leaves the
gradients, for compare_peers.lua to look at.
"""
import argparse
import pathlib
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

STATE, WIDTH, SIZE = 16, 64, 4  # channels of q, filters, pixels of a state
FUNCTIONAL = False  # gradients by torch.func, which torch.compile can take


# --- networks: parameters in the order that torus has them -----------------

class Stack(nn.Sequential):
    """3x3 convolutions with ReLUs between them."""

    def __init__(self, channels, strides=None):
        pairs = list(zip(channels, channels[1:]))
        layers = []
        for (a, b), stride in zip(pairs, strides or len(pairs) * [1]):
            layers += [nn.Conv2d(a, b, 3, stride, padding=1), nn.ReLU()]
        super().__init__(*layers[:-1])


class Energy(nn.Module):
    """Six 3x3 convolutions, softplus after each, and a linear read-out."""

    def __init__(self):
        super().__init__()
        channels = [STATE] + 6 * [WIDTH]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1)
            for a, b in zip(channels, channels[1:]))
        self.readout = nn.Linear(WIDTH * SIZE * SIZE, 1, bias=False)

    def forward(self, x):
        for layer in self.layers:
            x = F.softplus(layer(x))
        return self.readout(x.flatten(1))


class Block(nn.Module):
    """Doubles the resolution by a residual pair of 3x3 convolutions."""

    def __init__(self, inputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.skip = (nn.Identity() if inputs == WIDTH
                     else nn.Conv2d(inputs, WIDTH, 1))

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        h = F.leaky_relu(self.conv1(x), 0.2)
        return F.leaky_relu(self.conv2(h), 0.2) + self.skip(x)


def decoder():
    return nn.Sequential(Block(STATE), Block(WIDTH), Block(WIDTH),
                         nn.Conv2d(WIDTH, 3, 3, padding=1), nn.Sigmoid())


def mlp(*sizes, activation):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers[:-1])


# --- motion ----------------------------------------------------------------

def slope(energy, x, tape=True):
    """The gradient of an energy; without a tape nothing remembers it."""
    if FUNCTIONAL:
        return torch.func.grad(lambda y: energy(y).sum())(x)
    if not tape:
        x = x.detach().requires_grad_()
    return torch.autograd.grad(energy(x).sum(), x, create_graph=tape)[0]


def leapfrog(K, V, q, p, dt, tape=True, keep_force=True):
    """Yields the states after one step, two steps, and so on.

    The force at the end of a step is that at the start of the next: kept, a
    step takes two gradients, else three."""
    force = slope(V, q, tape)
    while True:
        p = p - 0.5 * dt * force
        q = q + dt * slope(K, p, tape)
        force = slope(V, q, tape)
        p = p - 0.5 * dt * force
        yield q, p
        if not keep_force:
            force = slope(V, q, tape)


# --- a peer's run ----------------------------------------------------------

def parser(text, batch, steps):
    options = argparse.ArgumentParser(description=text)
    options.add_argument("--batch", type=int, default=batch)
    options.add_argument("--steps", type=int, default=steps)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--compile", action="store_true")
    options.add_argument("--check", type=pathlib.Path, metavar="DIR")
    return options


def convolutional_parser(text, batch, steps):
    options = parser(text, batch, steps)
    options.add_argument("--channels-last", action="store_true")
    options.add_argument("--bfloat16", action="store_true")
    return options


def begin(options):
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    return args


def lay_out(args, *things):
    """Modules and tensors of images in the memory format that was chosen."""
    form = (torch.channels_last if args.channels_last
            else torch.preserve_format)
    return [thing.to(memory_format=form) for thing in things]


def autocast(args):
    return torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16)


def compiled(args, module):
    return torch.compile(module) if args.compile else module


def adam(module, lr):
    """In one kernel where this version has that for a CPU."""
    try:
        return torch.optim.Adam(module.parameters(), lr, fused=True)
    except (TypeError, RuntimeError):
        return torch.optim.Adam(module.parameters(), lr)


def report(args, step, warm):
    times = []
    for i in range(warm + args.steps):
        start = time.perf_counter()
        step()
        if i >= warm:
            times.append(time.perf_counter() - start)
    print(f"torch {torch.__version__} step {statistics.median(times):.7f} s")


def check(folder, module, loss, with_gradients):
    def load(path):
        return torch.from_numpy(np.load(path))
    module.double()
    vector_to_parameters(load(folder / "parameters.npy"), module.parameters())
    inputs = [load(path) for path in sorted(folder.glob("input*.npy"))]
    if not with_gradients:
        print(f"loss {loss(*inputs).item():.17g}")
        return
    for x in inputs:
        x.requires_grad_()
    value = loss(*inputs)
    value.backward()
    print(f"loss {value.item():.17g}")
    # the last bias of an energy moves nothing
    gradients = [torch.zeros_like(x) if x.grad is None else x.grad
                 for x in module.parameters()]
    np.save(folder / "gradients.npy", parameters_to_vector(gradients).numpy())


def train(args, module, loss, inputs, lr=None, warm=1):
    """Times loss and gradients, with a learning rate Adam's step too."""
    if args.check:
        check(args.check, module, loss, True)
        return
    leaves = [x for x in inputs if x.requires_grad]
    optimiser = lr and adam(module, lr)

    def step():
        module.zero_grad()
        for x in leaves:
            x.grad = None
        loss(*inputs).backward()
        if optimiser:
            optimiser.step()
    report(args, step, warm)


class Loss(nn.Module):
    """A loss as a module, so that torch.func sees its parameters."""

    def __init__(self, module, loss):
        super().__init__()
        self.module, self.loss = module, loss

    def forward(self, *inputs):
        return self.loss(*inputs)


def train_compiled(args, module, loss, inputs, lr, warm):
    """As train, with loss and gradients in one compiled function."""
    global FUNCTIONAL
    FUNCTIONAL = True
    whole = Loss(module, loss)
    inputs = [x.detach() for x in inputs]
    parameters = dict(whole.named_parameters())

    def value(parameters):
        return torch.func.functional_call(whole, parameters, tuple(inputs))
    gradients = torch.compile(torch.func.grad(value))
    optimiser = adam(module, lr)

    def step():
        detached = {name: x.detach() for name, x in parameters.items()}
        for name, g in gradients(detached).items():
            parameters[name].grad = g
        optimiser.step()
    report(args, step, warm)
