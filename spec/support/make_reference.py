"""Writes the stored PyTorch figures that the specs compare torus with.

    /usr/bin/python3 spec/support/make_reference.py [data/reference]

Needs PyTorch and numpy; the specs need neither, only the files. Everything is
computed in float64 from inputs that float32 can hold exactly, so that one set
of figures serves both types. Images are stored with channels last, as torus
keeps them; convolution weights are (out, in, kh, kw) in both.
"""
import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

NAMES = {np.dtype('float32'): 'F32', np.dtype('float64'): 'F64',
         np.dtype('int64'): 'I64', np.dtype('uint8'): 'U8',
         np.dtype(np.int32): 'I32', np.dtype(np.bool_): 'BOOL'}


def write_safetensors(path, arrays, metadata):
    """8 bytes of header length, a JSON header, then the raw data."""
    header, data, at = {'__metadata__': metadata}, [], 0
    # wide elements first, so that every tensor starts at a multiple of its own
    for name, array in sorted(arrays.items(), key=lambda a: -a[1].itemsize):
        raw = np.ascontiguousarray(array).reshape(array.shape)
        header[name] = {'dtype': NAMES[raw.dtype], 'shape': list(raw.shape),
                        'data_offsets': [at, at + raw.nbytes]}
        data.append(raw.tobytes())
        at += raw.nbytes
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(data))
    print(f'{path}: {len(arrays)} tensors, {8 + len(text) + at} bytes')


class Draw:
    """Seeded inputs, each exactly a float32."""

    def __init__(self, seed):
        self.rng = np.random.RandomState(seed)

    def normal(self, *shape, scale=1.0):
        value = (scale * self.rng.standard_normal(shape)).astype(np.float32)
        return torch.tensor(value, dtype=torch.float64)

    def uniform(self, *shape, low=0.0, high=1.0):
        value = self.rng.uniform(low, high, shape).astype(np.float32)
        return torch.tensor(value, dtype=torch.float64)


def to_nchw(x):
    return x.permute(0, 3, 1, 2)


def to_nhwc(x):
    return x.permute(0, 2, 3, 1)


def as32(x):
    value = x.detach().numpy()
    single = value.astype(np.float32)
    assert (single == value).all()
    return single


def conv2d(folder):
    # (images, height, width, in, out, (kh, kw), stride, padding)
    cases = [(2, 5, 6, 3, 4, (3, 3), 1, 1), (1, 8, 8, 2, 3, (3, 3), 2, 1),
             (2, 7, 5, 3, 2, (1, 1), 1, 0), (1, 6, 7, 2, 2, (5, 5), 2, 2),
             (2, 4, 4, 3, 1, (4, 4), 1, 0), (1, 9, 9, 8, 8, (3, 3), 3, 0),
             (1, 5, 5, 1, 1, (3, 3), 1, 2), (2, 6, 5, 2, 3, (2, 3), 1, 0),
             (3, 1, 1, 4, 2, (1, 1), 1, 0), (1, 32, 32, 2, 8, (3, 3), 1, 1)]
    draw, arrays, metadata = Draw(1), {}, {'cases': str(len(cases))}
    for i, (n, h, w, cin, cout, kernel, stride, padding) in enumerate(cases, 1):
        x = draw.normal(n, h, w, cin).requires_grad_()
        weight = draw.normal(cout, cin, *kernel, scale=0.3).requires_grad_()
        y = to_nhwc(F.conv2d(to_nchw(x), weight, stride=stride,
                             padding=padding))
        g = draw.normal(*y.shape)
        dx, dw = torch.autograd.grad(y, (x, weight), g)
        for name, value in (('x', x), ('w', weight), ('g', g)):
            arrays[f'{i}.{name}'] = as32(value)
        for name, value in (('y', y), ('dx', dx), ('dw', dw)):
            arrays[f'{i}.{name}'] = value.detach().numpy()
        metadata[f'{i}.stride'] = str(stride)
        metadata[f'{i}.padding'] = str(padding)
    write_safetensors(folder / 'conv2d.safetensors', arrays, metadata)


def matmul(folder):
    cases = [((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((5,), (5,)),
             ((3, 4), (4,)), ((4,), (4, 2)), ((2, 3, 4), (4, 2)),
             ((1, 2, 3), (4, 3, 2)), ((37, 65), (65, 33))]
    draw, arrays = Draw(2), {}
    for i, (left, right) in enumerate(cases, 1):
        a = draw.normal(*left).requires_grad_()
        b = draw.normal(*right).requires_grad_()
        y = a @ b
        g = draw.normal(*y.shape)
        da, db = torch.autograd.grad(y, (a, b), g)
        for name, value in (('a', a), ('b', b), ('g', g)):
            arrays[f'{i}.{name}'] = as32(value)
        for name, value in (('y', y), ('da', da), ('db', db)):
            arrays[f'{i}.{name}'] = value.detach().numpy()
    write_safetensors(folder / 'matmul.safetensors', arrays,
                      {'cases': str(len(cases))})


def softplus(folder):
    x = torch.cat([torch.linspace(-40, 40, 161, dtype=torch.float64),
                   torch.tensor([-0.0, 1e-7, -1e-7, 19.999, 20.001],
                                dtype=torch.float64)])
    x = x.float().double().requires_grad_()
    # the threshold keeps PyTorch from cutting to the identity at 20
    y = F.softplus(x, threshold=100)
    first, = torch.autograd.grad(y.sum(), x, create_graph=True)
    second, = torch.autograd.grad(first.sum(), x)
    write_safetensors(folder / 'softplus.safetensors',
                      {'x': as32(x), 'y': y.detach().numpy(),
                       'first': first.detach().numpy(),
                       'second': second.numpy()}, {})


def adam(folder):
    draw, arrays, steps = Draw(3), {}, 6
    options = dict(lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
    shapes = [(3, 4), (5,)]
    params = [draw.normal(*shape).requires_grad_() for shape in shapes]
    optimiser = torch.optim.Adam(params, **options)
    for i, p in enumerate(params, 1):
        arrays[f'{i}.start'] = as32(p)
    for step in range(1, steps + 1):
        for i, p in enumerate(params, 1):
            p.grad = draw.normal(*p.shape)
            arrays[f'{i}.grad.{step}'] = as32(p.grad)
        optimiser.step()
        for i, p in enumerate(params, 1):
            arrays[f'{i}.value.{step}'] = p.detach().numpy().copy()
    write_safetensors(folder / 'adam.safetensors', arrays,
                      {'steps': str(steps), 'params': str(len(shapes)),
                       'lr': '0.05', 'beta1': '0.8', 'beta2': '0.95',
                       'eps': '1e-6', 'weight_decay': '0.1'})


class Reference:
    """One training step of a small HGN, written out without any modules.

    Weights are drawn when first asked for, uniformly within 1/sqrt(fan_in),
    under the names that torus gives them."""

    def __init__(self, seed, options):
        self.draw, self.weights, self.o = Draw(seed), {}, options

    def weight(self, name, *shape, fan=None):
        if name not in self.weights:
            fan = fan or int(np.prod(shape[1:]))
            bound = fan ** -0.5
            drawn = self.draw.uniform(*shape, low=-bound, high=bound)
            self.weights[name] = drawn.requires_grad_()
        return self.weights[name]

    def conv(self, x, name, out, kernel=3, stride=1):
        cin = x.shape[1]
        w = self.weight(name + '.weight', out, cin, kernel, kernel)
        b = self.weight(name + '.bias', out, fan=cin * kernel * kernel)
        return F.conv2d(x, w, b, stride, kernel // 2)

    def encoder(self, x):
        width, z = self.o['width'], self.o['z']
        outs = [width // 2] + 6 * [width] + [2 * z]
        for i, (out, stride) in enumerate(
                zip(outs, [1, 2, 1, 2, 1, 2, 1, 1]), 1):
            x = self.conv(x, f'encoder.{i}', out, stride=stride)
            x = F.relu(x) if i < 8 else x
        return x.chunk(2, 1)

    def f_psi(self, z):
        width, n = self.o['width'], self.o['n']
        for i, out in enumerate([width, width, 2 * n], 1):
            z = self.conv(z, f'f_psi.{i}', out)
            z = F.relu(z) if i < 3 else z
        return z.chunk(2, 1)

    def energy(self, name, x):
        for i in range(1, 7):
            x = F.softplus(self.conv(x, f'{name}.{i}', self.o['width']),
                           threshold=100)
        read = self.weight(f'{name}.readout.weight', 1, *x.shape[1:])
        return (x * read).flatten(1).sum(1)

    def forces(self, q, p):
        """dH/dq and dH/dp, each with the other argument held fixed."""
        def cut(x):
            # a new function of x with x's history
            return x + torch.zeros_like(x).requires_grad_()
        q, p = cut(q), cut(p)
        if self.o['hamiltonian'] == 'joint':
            energy = self.energy('H', torch.cat([q, p], 1))
        else:
            energy = self.energy('K', p) + self.energy('V', q)
        return torch.autograd.grad(energy.sum(), (q, p), create_graph=True)

    def rollout(self, q, p, steps):
        dt, qs = self.o['dt'], [q]
        for _ in range(steps):
            if self.o['variant'] == 'euler':
                dq, dp = self.forces(q, p)
                q, p = q + dt * dp, p - dt * dq
            else:
                p = p - 0.5 * dt * self.forces(q, p)[0]
                q = q + dt * self.forces(q, p)[1]
                p = p - 0.5 * dt * self.forces(q, p)[0]
            qs.append(q)
        return torch.stack(qs, 1)

    def block(self, x, name):
        width = self.o['width']
        x = F.interpolate(x, scale_factor=2, mode='nearest')
        h = F.leaky_relu(self.conv(x, name + '.conv1', width), 0.2)
        h = F.leaky_relu(self.conv(h, name + '.conv2', width), 0.2)
        if self.o['skip']:
            same = x.shape[1] == width
            h = h + (x if same else self.conv(x, name + '.skip', width, 1))
        return torch.sigmoid(h) if self.o['closing'] == 'sigmoid' else h

    def decoder(self, q):
        for i in range(1, 4):
            q = self.block(q, f'decoder.{i}')
        return torch.sigmoid(self.conv(q, 'decoder.output', 3))

    def step(self, frames, epsilon, multiplier):
        """frames: (batch, frames, height, width, 3)"""
        n, t, h, w, _ = frames.shape
        x = frames.permute(0, 1, 4, 2, 3)
        mu, logvar = self.encoder(x.flatten(1, 2))
        z = mu + epsilon.permute(0, 3, 1, 2) * torch.exp(0.5 * logvar)
        q, p = self.f_psi(z)
        qs = self.rollout(q, p, t - 1)
        y = self.decoder(qs.flatten(0, 1)).view_as(x)
        mse = ((y - x) ** 2).mean()
        kl = -0.5 * (1 + logvar - mu * mu - logvar.exp()).flatten(1).sum(1)
        loss = multiplier * mse + kl.mean() / (3 * h * w)
        return loss, mse, kl.mean(), qs


def hgn(folder, name, seed, **options):
    batch, frames, size, multiplier = 2, 5, 16, 1.5
    base = size // 8
    model = Reference(seed, options)
    x = model.draw.uniform(batch, frames, size, size, 3)
    epsilon = model.draw.normal(batch, base, base, options['z'])
    loss, mse, kl, qs = model.step(x, epsilon, multiplier)
    names = list(model.weights)
    grads = torch.autograd.grad(loss, [model.weights[n] for n in names])
    arrays = {'frames': as32(x), 'epsilon': as32(epsilon),
              'loss': loss.detach().numpy(), 'mse': mse.detach().numpy(),
              'kl': kl.detach().numpy(),
              'q': qs.permute(0, 1, 3, 4, 2).detach().numpy()}
    for weight, grad in zip(names, grads):
        arrays['weight.' + weight] = as32(model.weights[weight])
        arrays['grad.' + weight] = grad.numpy()
    metadata = {k: str(v).lower() for k, v in options.items()}
    metadata.update(resolution=str(size), frames=str(frames),
                    multiplier=str(multiplier))
    write_safetensors(folder / f'{name}.safetensors', arrays, metadata)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else 'data/reference')
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    conv2d(folder)
    matmul(folder)
    softplus(folder)
    adam(folder)
    hgn(folder, 'hgn_leapfrog', 4, variant='leapfrog',
        hamiltonian='separable', closing='none', skip=True, width=8, z=6, n=4,
        dt=0.125)
    hgn(folder, 'hgn_euler', 5, variant='euler', hamiltonian='joint',
        closing='sigmoid', skip=False, width=6, z=4, n=2, dt=0.125)


if __name__ == '__main__':
    main()
