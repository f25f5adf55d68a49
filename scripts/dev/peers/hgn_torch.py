"""One training step of a full HGN: encoder, f_psi, rollout, decoder on every
frame, loss, backward, Adam."""
from itertools import islice

import torch
from torch import nn

import peer_torch as peer

FRAMES, RESOLUTION, Z, DT = 31, 32, 48, 0.125


class HGN(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args, w = args, peer.WIDTH
        self.encoder = peer.Stack([3 * FRAMES, w // 2] + 6 * [w] + [2 * Z],
                                  [1, 2, 1, 2, 1, 2, 1, 1])
        self.f_psi = peer.Stack([Z, w, w, 2 * peer.STATE])
        self.K, self.V = peer.Energy(), peer.Energy()
        self.decoder = peer.decoder()

    def run(self, name, x):
        """A network of convolutions, in the precision that was chosen."""
        with peer.autocast(self.args):
            y = getattr(self, name)(x)
        return y.float() if self.args.bfloat16 else y

    def forward(self, x, epsilon=None):
        """The loss of x (batch, frames, 3, height, width); epsilon is the
        noise of the posterior's sample."""
        mean, logvar = self.run("encoder", x.flatten(1, 2)).chunk(2, 1)
        if epsilon is None:
            epsilon = torch.randn_like(mean)
        z = mean + epsilon * (0.5 * logvar).exp()
        q, p = self.run("f_psi", z).chunk(2, 1)
        trajectory = islice(peer.leapfrog(self.K, self.V, q, p, DT), FRAMES - 1)
        states = torch.stack([q] + [q for q, _ in trajectory], 1)
        images = self.run("decoder", states.flatten(0, 1)).view_as(x)
        kl = 0.5 * (mean ** 2 + logvar.exp() - logvar - 1).sum() / len(x)
        return ((images - x) ** 2).mean() + kl / (3 * RESOLUTION ** 2)


def main():
    args = peer.begin(peer.convolutional_parser(__doc__, batch=16, steps=3))
    model, = peer.lay_out(args, HGN(args))
    if args.compile:
        for name in ("encoder", "f_psi", "decoder"):
            getattr(model, name).compile()
    x = torch.rand(args.batch, FRAMES, 3, RESOLUTION, RESOLUTION)
    peer.train(args, model, model, (x,), lr=1.5e-4)


main()
