"""What the JAX peers of scripts/bench.lua share: networks of parameters in the
order and shapes that torus has them, Adam, options and a clock; --check DIR as
the PyTorch peers'."""
import argparse
import math
import pathlib
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np


# --- parameters --------------------------------------------------------------

def parameters(shapes, seed=0):
    """Random arrays; as weights they are divided by their inputs' root."""
    draw = np.random.default_rng(seed)
    return [jnp.asarray(draw.standard_normal(shape) /
                        math.sqrt(math.prod(shape[1:])), jnp.float32)
            for shape in shapes]


def dense_shapes(*sizes):
    """Of dense layers, weights (out, in) and biases."""
    return [shape for a, b in zip(sizes, sizes[1:]) for shape in ((b, a), (b,))]


def mlp(parameters, x, activation):
    """Consumes two parameters of an iterator for each layer: `parameters` is a
    list of one network's."""
    last = len(parameters) // 2 - 1
    for i in range(last + 1):
        x = x @ parameters[2 * i].T + parameters[2 * i + 1]
        if i < last:
            x = activation(x)
    return x


def slope(energy, x):
    return jax.grad(lambda y: energy(y).sum())(x)


def leapfrog(K, V, q, p, dt, steps):
    """All states from the first on, as a loop that is compiled once."""
    def step(state, _):
        q, p, force = state
        p = p - 0.5 * dt * force
        q = q + dt * slope(K, p)
        force = slope(V, q)
        p = p - 0.5 * dt * force
        return (q, p, force), (q, p)
    last, states = jax.lax.scan(step, (q, p, slope(V, q)), None, length=steps)
    return last, states


# --- a peer's run ------------------------------------------------------------

def parser(text, jobs, batch, steps):
    options = argparse.ArgumentParser(description=text)
    options.add_argument("job", choices=jobs)
    options.add_argument("--batch", type=int, default=batch)
    options.add_argument("--steps", type=int, default=steps)
    options.add_argument("--threads", type=int)  # XLA takes what there is
    options.add_argument("--bfloat16", action="store_true")
    options.add_argument("--check", type=pathlib.Path, metavar="DIR")
    return options


def begin(options):
    args = options.parse_args()
    if args.check:
        jax.config.update("jax_enable_x64", True)
    return args


def report(args, step, state, warm, units=1):
    for _ in range(warm):
        state = jax.block_until_ready(step(*state))
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        state = jax.block_until_ready(step(*state))
        times.append((time.perf_counter() - start) / units)
    print(f"jax {jax.__version__} step {statistics.median(times):.9f} s")


def check(args, shapes, loss, convert=lambda x: x):
    def load(path):
        return np.load(path)
    flat, parameters = load(args.check / "parameters.npy"), []
    for shape in shapes:
        count = math.prod(shape)
        parameters.append(jnp.asarray(flat[:count].reshape(shape)))
        flat = flat[count:]
    assert len(flat) == 0, "parameters are left"
    inputs = [jnp.asarray(convert(load(path)))
              for path in sorted(args.check.glob("input*.npy"))]
    value, gradients = jax.value_and_grad(loss)(parameters, *inputs)
    print(f"loss {float(value):.17g}")
    np.save(args.check / "gradients.npy",
            np.concatenate([np.asarray(g).ravel() for g in gradients]))


def adam(parameters, gradients, moments, lr):
    """One step; moments: (count, means, means of squares)."""
    count, means, squares = moments
    count = count + 1
    means = [0.9 * m + 0.1 * g for m, g in zip(means, gradients)]
    squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, gradients)]
    rate = lr * jnp.sqrt(1 - 0.999 ** count) / (1 - 0.9 ** count)
    parameters = [x - rate * m / (jnp.sqrt(s) + 1e-8)
                  for x, m, s in zip(parameters, means, squares)]
    return parameters, (count, means, squares)


def train(args, shapes, loss, inputs, lr=None, warm=2):
    """Times loss and gradients, of the inputs where there is no learning rate,
    else with Adam's step."""
    start = parameters(shapes)
    if not lr:
        of = tuple(range(1 + len(inputs)))
        step = jax.jit(jax.grad(loss, of))
        # The gradients become the state, so that the clock waits for them.
        report(args, lambda *_: step(start, *inputs), (), warm)
        return

    @jax.jit
    def step(parameters, moments):
        gradients = jax.grad(loss)(parameters, *inputs)
        return adam(parameters, gradients, moments, lr)
    zeros = [jnp.zeros_like(x) for x in start]
    report(args, step, (start, (jnp.zeros(()), zeros, zeros)), warm)
