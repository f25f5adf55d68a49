"""Writes the stored PyTorch figures of optimisers, schedules, losses and layers.

    /usr/bin/python3 spec/support/kit_torch.py [data/reference]

Everything in float64. Images have channels last in the file, and sequences time
first.
"""
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from make_reference import Draw, to_nchw, to_nhwc, write_safetensors

STEPS = 20
OPTIMISERS = {
    'sgd': (torch.optim.SGD, dict(lr=0.05)),
    'sgd_decay': (torch.optim.SGD, dict(lr=0.05, weight_decay=0.1)),
    'sgd_momentum': (torch.optim.SGD, dict(lr=0.02, momentum=0.9)),
    'sgd_dampening': (torch.optim.SGD,
                      dict(lr=0.05, momentum=0.8, dampening=0.3,
                           weight_decay=0.01)),
    'sgd_nesterov': (torch.optim.SGD,
                     dict(lr=0.02, momentum=0.9, nesterov=True,
                          weight_decay=0.01)),
    'adamw': (torch.optim.AdamW, dict(lr=0.05)),
    'adamw_decay': (torch.optim.AdamW,
                    dict(lr=0.05, betas=(0.8, 0.95), weight_decay=0.2)),
    'rmsprop': (torch.optim.RMSprop, dict(lr=0.02)),
    'rmsprop_all': (torch.optim.RMSprop,
                    dict(lr=0.01, alpha=0.9, momentum=0.7, centered=True,
                         weight_decay=0.05, eps=1e-6)),
    'lbfgs': (torch.optim.LBFGS,
              dict(lr=1, max_iter=1, line_search_fn='strong_wolfe',
                   history_size=5)),
    'lbfgs_plain': (torch.optim.LBFGS, dict(lr=0.3, max_iter=2)),
}


def toy_loss(a, b):
    return ((a * 1.3).sin() + 0.1 * a ** 2).sum() + ((b - 1) ** 4).sum() \
        + 0.2 * (a.sum() - b.sum()) ** 2


def optimisers(arrays):
    draw = Draw(21)
    a0, b0 = draw.normal(3, 4), draw.normal(5)
    arrays['a'], arrays['b'] = a0.numpy(), b0.numpy()
    for name, (make, options) in OPTIMISERS.items():
        a, b = (x.clone().requires_grad_() for x in (a0, b0))
        optimiser, path = make([a, b], **options), []

        def closure():
            optimiser.zero_grad()
            loss = toy_loss(a, b)
            loss.backward()
            return loss

        for _ in range(STEPS):
            optimiser.step(closure)
            path.append(torch.cat([a.flatten(), b]).detach().clone())
        arrays['optim.' + name] = torch.stack(path).numpy()


def rosenbrock(arrays):
    w = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([w], line_search_fn='strong_wolfe')
    path = []

    def closure():
        optimiser.zero_grad()
        loss = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
        loss.backward()
        return loss

    for _ in range(3):
        optimiser.step(closure)
        path.append(w.detach().clone())
    arrays['optim.rosenbrock'] = torch.stack(path).numpy()


def schedules(arrays):
    S = torch.optim.lr_scheduler

    def cosine(o):
        return S.CosineAnnealingLR(o, T_max=25, eta_min=0.01)

    makers = {
        'step': lambda o: S.StepLR(o, 7, gamma=0.5),
        'milestones': lambda o: S.MultiStepLR(o, [4, 11, 12], gamma=0.3),
        'exponential': lambda o: S.ExponentialLR(o, 0.9),
        'linear': lambda o: S.LinearLR(o, 1.0, 0.25, total_iters=12),
        'cosine': cosine,
        'warmup': lambda o: S.SequentialLR(
            o, [S.LinearLR(o, 0.1, 1.0, total_iters=5), S.ExponentialLR(o, 0.9)],
            [5]),
    }
    for name, make in makers.items():
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
        schedule, rates = make(optimiser), []
        for _ in range(25):
            rates.append(optimiser.param_groups[0]['lr'])
            optimiser.step()
            schedule.step()
        arrays['schedule.' + name] = np.array(rates)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    schedule = S.ReduceLROnPlateau(optimiser, factor=0.5, patience=2)
    losses = np.array([3, 2, 2.1, 2, 1.9999, 2.5, 1.5, 1.6, 1.7, 1.8, 1.9, 1.4,
                       1.4, 1.4, 1.4, 1.4, 1.4])
    rates = []
    for loss in losses:
        schedule.step(loss)
        rates.append(optimiser.param_groups[0]['lr'])
    arrays['schedule.losses'], arrays['schedule.plateau'] = losses, np.array(rates)


def losses(arrays):
    draw = Draw(22)
    x, t = draw.normal(4, 3, scale=2), draw.normal(4, 3, scale=2)
    share = draw.uniform(4, 3)
    share = share / share.sum(-1, keepdim=True)
    yes = (draw.uniform(4, 3) > 0.5).double()
    v = draw.uniform(4, 3, low=0.1, high=2)
    index = torch.tensor([2, 0, 1, 1])
    weight = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
    arrays.update({'loss.x': x.numpy(), 'loss.t': t.numpy(),
                   'loss.share': share.numpy(), 'loss.yes': yes.numpy(),
                   'loss.v': v.numpy(), 'loss.index': index.numpy() + 1,
                   'loss.weight': weight.numpy()})
    cases = {
        'mse': lambda x, r: F.mse_loss(x, t, reduction=r),
        'l1': lambda x, r: F.l1_loss(x, t, reduction=r),
        'huber': lambda x, r: F.huber_loss(x, t, delta=0.7, reduction=r),
        'cross_entropy': lambda x, r: F.cross_entropy(x, index, reduction=r),
        'smooth': lambda x, r: F.cross_entropy(x, index, reduction=r,
                                               label_smoothing=0.2),
        'shares': lambda x, r: F.cross_entropy(x, share, reduction=r),
        'bce': lambda x, r: F.binary_cross_entropy_with_logits(
            x, yes, reduction=r),
        'bce_weight': lambda x, r: F.binary_cross_entropy_with_logits(
            x, yes, pos_weight=weight, reduction=r),
        'nll': lambda x, r: F.gaussian_nll_loss(x, t, v, reduction=r),
        'nll_full': lambda x, r: F.gaussian_nll_loss(x, t, v, full=True,
                                                     reduction=r),
    }
    for name, loss in cases.items():
        for reduction in ('mean', 'sum', 'none'):
            leaf = x.clone().requires_grad_()
            y = loss(leaf, reduction)
            g, = torch.autograd.grad(y.sum(), leaf)
            arrays[f'loss.{name}.{reduction}'] = y.detach().numpy()
            arrays[f'loss.{name}.{reduction}.dx'] = g.numpy()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else 'data/reference')
    arrays = {}
    optimisers(arrays)
    rosenbrock(arrays)
    schedules(arrays)
    losses(arrays)
    write_safetensors(folder / 'kit.safetensors', arrays,
                      {'torch': torch.__version__})


if __name__ == '__main__':
    main()
