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


class Layers:
    """Weights, inputs, results and first gradients of layers."""

    def __init__(self, arrays):
        self.draw, self.arrays = Draw(23), arrays

    def weights(self, name, module):
        """Draws the weights of a module and stores them under its names."""
        for key, p in module.named_parameters():
            p.data = self.draw.normal(*p.shape, scale=0.4)
            if key == 'weight' and name.startswith(('layer_norm', 'batch_norm')):
                p.data += 1
            self.arrays[f'{name}.weights.{key}'] = p.detach().numpy().copy()

    def add(self, name, f, x, parameters=()):
        """f: a tensor to a tuple of tensors, weighted into one loss."""
        x = x.clone().requires_grad_()
        loss, results = 0, f(x)
        self.arrays[f'{name}.x'] = x.detach().numpy()
        for i, y in enumerate(results, 1):
            g = self.draw.normal(*y.shape)
            loss = loss + (y * g).sum()
            self.arrays[f'{name}.y{i}'] = y.detach().numpy()
            self.arrays[f'{name}.g{i}'] = g.numpy()
        parameters = dict(parameters)
        gradients = torch.autograd.grad(loss, [x, *parameters.values()])
        self.arrays[f'{name}.dx'] = gradients[0].numpy()
        for key, g in zip(parameters, gradients[1:]):
            self.arrays[f'{name}.grad.{key}'] = g.numpy()


def layers(arrays):
    to, draw = Layers(arrays), Draw(24)

    def simple(name, module, x, images=False):
        module = module.double()
        to.weights(name, module)
        to.add(name, (lambda x: (to_nhwc(module(to_nchw(x))),)) if images
               else (lambda x: (module(x),)), x, module.named_parameters())
        return module

    simple('layer_norm', nn.LayerNorm(5), draw.normal(3, 4, 5))
    simple('layer_norm2', nn.LayerNorm((4, 5)), draw.normal(3, 4, 5))
    for name, module, x, images in (
            ('batch_norm1d', nn.BatchNorm1d(4), draw.normal(7, 4), False),
            ('batch_norm2d', nn.BatchNorm2d(3, momentum=0.3),
             draw.normal(2, 3, 5, 3), True)):
        module = simple(name, module, x, images)
        for key in ('running_mean', 'running_var'):
            arrays[f'{name}.after.{key}'] = getattr(module, key).numpy().copy()
        module.eval()
        to.add(name + '.eval', (lambda x: (to_nhwc(module(to_nchw(x))),))
               if images else (lambda x: (module(x),)), x,
               module.named_parameters())
    for name, options in (('conv_transpose', dict(stride=1, padding=1)),
                          ('conv_transpose2', dict(stride=2, padding=1,
                                                   output_padding=1)),
                          ('conv_transpose3', dict(stride=3, padding=0,
                                                   bias=False))):
        simple(name, nn.ConvTranspose2d(3, 2, 3, **options),
               draw.normal(2, 4, 5, 3), True)
    for name, module in (('max_pool', nn.MaxPool2d(2)),
                         ('max_pool3', nn.MaxPool2d(3, 2, 1)),
                         ('avg_pool', nn.AvgPool2d(2)),
                         ('avg_pool3', nn.AvgPool2d(3, 2, 1))):
        simple(name, module, draw.normal(2, 7, 6, 3), True)
    for name, module in (('gru', nn.GRU(3, 4)), ('gru2', nn.GRU(3, 4, 2)),
                         ('gru_plain', nn.GRU(3, 4, bias=False)),
                         ('lstm', nn.LSTM(3, 4)), ('lstm2', nn.LSTM(3, 4, 2))):
        module = module.double()
        to.weights(name, module)
        count = 2 if name.endswith('2') else 1
        h, c = draw.normal(count, 2, 4), draw.normal(count, 2, 4)
        arrays[name + '.h'], arrays[name + '.c'] = h.numpy(), c.numpy()

        def run(x):
            if name.startswith('gru'):
                return module(x, h)
            y, (h1, c1) = module(x, (h, c))
            return y, h1, c1

        to.add(name, run, draw.normal(5, 2, 3), module.named_parameters())
    table = nn.Embedding(6, 3).double()
    to.weights('embedding', table)
    index = torch.tensor([[0, 5], [2, 2], [5, 0]])
    arrays['embedding.index'] = index.numpy() + 1
    to.add('embedding', lambda scale: (table(index) * scale,),
           draw.normal(3), table.named_parameters())


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else 'data/reference')
    arrays = {}
    optimisers(arrays)
    rosenbrock(arrays)
    schedules(arrays)
    losses(arrays)
    layers(arrays)
    write_safetensors(folder / 'kit.safetensors', arrays,
                      {'torch': torch.__version__})


if __name__ == '__main__':
    main()
