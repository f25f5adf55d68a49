"""HGN's decoder alone: forward, squared error, backward."""
import torch

import peer_torch as peer


def main():
    args = peer.begin(peer.convolutional_parser(__doc__, batch=496, steps=3))
    decoder = peer.decoder()
    q = torch.randn(args.batch, peer.STATE, peer.SIZE, peer.SIZE)
    targets = torch.rand(args.batch, 3, 32, 32)
    decoder, q = peer.lay_out(args, decoder, q)

    decode = peer.compiled(args, decoder)

    def loss(q, targets):
        with peer.autocast(args):
            images = decode(q)
        return ((images.float() if args.bfloat16 else images) - targets
                ).square().mean()
    peer.train(args, decoder, loss, (q.requires_grad_(), targets))


main()
