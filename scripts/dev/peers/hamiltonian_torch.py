"""30 leapfrog steps through HGN's convolutional Hamiltonian: forward, and
backward to the state and all weights."""
from itertools import islice

import torch
from torch import nn

import peer_torch as peer

STEPS, DT = 30, 0.125


def main():
    args = peer.begin(peer.convolutional_parser(__doc__, batch=16, steps=3))
    K, V = peer.Energy(), peer.Energy()
    shape = (args.batch, peer.STATE, peer.SIZE, peer.SIZE)
    q, p = torch.randn(shape), torch.randn(shape)
    weights = torch.randn(STEPS + 1, *shape)
    K, V, q, p = peer.lay_out(args, K, V, q, p)

    def loss(q, p, weights):
        total = (q * weights[0]).sum()
        trajectory = islice(peer.leapfrog(K, V, q, p, DT), STEPS)
        for (q, _), weight in zip(trajectory, weights[1:]):
            total = total + (q * weight).sum()
        return total
    peer.train(args, nn.ModuleList((K, V)), loss,
               (q.requires_grad_(), p.requires_grad_(), weights))


main()
