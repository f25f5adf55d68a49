"""The jobs of small networks. hnn: a training step of a Hamiltonian network;
nhf: one of a Neural Hamiltonian Flow; rollout: a leapfrog step without
gradients."""
import math
from itertools import islice

import torch
from torch import nn

import peer_torch as peer

WARM = 5  # steps before those that count
D = 2     # dimensions of the flow's data, and of the rollout's q


def energy():
    return peer.mlp(D, 128, 128, 1, activation=nn.Softplus)


def hnn(args):
    H = peer.mlp(2, 200, 200, 1, activation=nn.Tanh)

    def loss(x, rate):
        """x: (q, p) side by side; rate: their derivatives."""
        of_q, of_p = peer.slope(H, x).chunk(2, 1)
        dq, dp = rate.chunk(2, 1)
        return ((of_p - dq) ** 2 + (of_q + dp) ** 2).mean() / 2
    x = torch.randn(args.batch or 750, 2)
    rate = torch.stack((2 * x[:, 1], -2 * x[:, 0]), 1)
    train = peer.train_compiled if args.compile else peer.train
    train(args, H, loss, (x.requires_grad_(), rate), lr=1e-3, warm=WARM)


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.K, self.V = energy(), energy()


class NHF(nn.Module):
    def __init__(self, keep_force, flows=5, leaps=2, dt=0.25):
        super().__init__()
        self.flows = nn.ModuleList(Flow() for _ in range(flows))
        self.mean = peer.mlp(D, 128, 128, D, activation=nn.ReLU)
        self.log_std = peer.mlp(D, 128, 128, D, activation=nn.ReLU)
        self.leaps, self.dt, self.keep_force = leaps, dt, keep_force

    def forward(self, q, epsilon=None):
        """The loss of data q: from there to the prior's side."""
        if epsilon is None:
            epsilon = torch.randn_like(q)
        log_std = self.log_std(q)
        p = self.mean(q) + log_std.exp() * epsilon
        log_f = self.log_normal(epsilon) - log_std.sum(1)
        for flow in reversed(self.flows):
            trajectory = peer.leapfrog(flow.K, flow.V, q, p, -self.dt,
                                keep_force=self.keep_force)
            for q, p in islice(trajectory, self.leaps):
                pass
        return (log_f - self.log_normal(q) - self.log_normal(p)).mean()

    @staticmethod
    def log_normal(x):
        return (-0.5 * x ** 2 - 0.5 * math.log(2 * math.pi)).sum(1)


def nhf(args):
    model = NHF(args.keep_force)
    q = torch.randn(args.batch or 512, D).requires_grad_()
    train = peer.train_compiled if args.compile else peer.train
    train(args, model, model, (q,), lr=3e-4, warm=WARM)


def rollout(args):
    K, V = energy(), energy()

    def trajectory(q, p):
        return peer.leapfrog(K, V, q, p, 0.1, tape=False,
                             keep_force=args.keep_force)

    def loss(q, p):
        q, p = next(islice(trajectory(q, p), 49, None))
        return (q ** 2 + p ** 2).sum()
    if args.check:
        peer.check(args.check, nn.ModuleList((K, V)), loss, False)
        return
    q, p = torch.randn(2, args.batch or 64, D)
    if args.compile:
        rollout_compiled(args, K, V, q, p)
        return
    states = trajectory(q, p)
    peer.report(args, lambda: next(states), WARM)


def rollout_compiled(args, K, V, q, p, dt=0.1):
    """The step as one compiled function, which keeps the force."""
    peer.FUNCTIONAL = True

    @torch.compile
    def step(q, p, force):
        p = p - 0.5 * dt * force
        q = q + dt * peer.slope(K, p)
        force = peer.slope(V, q)
        return q, p - 0.5 * dt * force, force
    for x in (*K.parameters(), *V.parameters()):
        x.requires_grad_(False)
    state = [q, p, peer.slope(V, q)]

    def advance():
        state[:] = step(*state)
    with torch.no_grad():
        peer.report(args, advance, WARM)


JOBS = {"hnn": hnn, "nhf": nhf, "rollout": rollout}


def main():
    options = peer.parser(__doc__, batch=0, steps=200)
    options.add_argument("job", choices=JOBS)
    options.add_argument("--keep-force", action="store_true")
    args = peer.begin(options)
    JOBS[args.job](args)


main()
