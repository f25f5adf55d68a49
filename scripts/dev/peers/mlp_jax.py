"""The jobs of small networks: as mlp_torch.py."""
import math

import jax
import jax.numpy as jnp

import peer_jax as peer

D, FLOWS, LEAPS = 2, 5, 2
HNN = peer.dense_shapes(2, 200, 200, 1)
ENERGY = peer.dense_shapes(D, 128, 128, 1)
DENSE = peer.dense_shapes(D, 128, 128, D)
NORMAL = 0.5 * math.log(2 * math.pi)


def energy(parameters):
    return lambda x: peer.mlp(parameters, x, jax.nn.softplus)


def draw(seed, *shape):
    return jax.random.normal(jax.random.PRNGKey(seed), shape)


def hnn_loss(parameters, x, rate):
    g = peer.slope(lambda y: peer.mlp(parameters, y, jnp.tanh), x)
    dq, dp = rate[:, :1], rate[:, 1:]
    return ((g[:, 1:] - dq) ** 2 + (g[:, :1] + dp) ** 2).mean() / 2


def hnn(args):
    if args.check:
        peer.check(args, HNN, hnn_loss)
        return
    x = draw(1, args.batch or 750, 2)
    rate = jnp.stack((2 * x[:, 1], -2 * x[:, 0]), 1)
    peer.train(args, HNN, hnn_loss, (x, rate), lr=1e-3, warm=5)


def log_normal(x):
    return (-0.5 * x ** 2 - NORMAL).sum(1)


def nhf_loss(parameters, q, epsilon, dt=0.25):
    """K and V of every flow, then the mean and the deviation of p."""
    n, dense = len(ENERGY), len(DENSE)
    log_std = peer.mlp(parameters[-dense:], q, jax.nn.relu)
    p = peer.mlp(parameters[-2 * dense:-dense], q, jax.nn.relu)
    p = p + jnp.exp(log_std) * epsilon
    log_f = log_normal(epsilon) - log_std.sum(1)
    for flow in reversed(range(FLOWS)):
        nets = parameters[2 * n * flow:2 * n * (flow + 1)]
        V = energy(nets[n:])
        force = peer.slope(V, q)
        for _ in range(LEAPS):
            p = p + 0.5 * dt * force
            q = q - dt * peer.slope(energy(nets[:n]), p)
            force = peer.slope(V, q)
            p = p + 0.5 * dt * force
    return (log_f - log_normal(q) - log_normal(p)).mean()


def nhf(args):
    shapes = 2 * FLOWS * ENERGY + 2 * DENSE
    if args.check:
        peer.check(args, shapes, nhf_loss)
        return
    n = args.batch or 512
    peer.train(args, shapes, nhf_loss, (draw(1, n, D), draw(2, n, D)), lr=3e-4,
               warm=5)


def rollout(args):
    n = len(ENERGY)

    def last(parameters, q, p, steps):
        state, _ = peer.leapfrog(energy(parameters[:n]), energy(parameters[n:]),
                                 q, p, 0.1, steps)
        return state

    def loss(parameters, q, p):
        q, p, _ = last(parameters, q, p, 50)
        return (q ** 2 + p ** 2).sum()
    if args.check:
        peer.check(args, 2 * ENERGY, loss)
        return
    parameters, batch = peer.parameters(2 * ENERGY), args.batch or 64
    steps, args.steps = args.steps, 5
    step = jax.jit(lambda q, p: last(parameters, q, p, steps)[:2])
    state = draw(1, batch, D), draw(2, batch, D)
    peer.report(args, step, state, 2, steps)


JOBS = {"hnn": hnn, "nhf": nhf, "rollout": rollout}


def main():
    args = peer.begin(peer.parser(__doc__, JOBS, batch=0, steps=200))
    JOBS[args.job](args)


main()
