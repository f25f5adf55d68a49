"""The convolutional jobs: as hgn_torch.py, decoder_torch.py and
hamiltonian_torch.py. With --bfloat16 the convolutions of encoder, f_psi and
decoder are in bfloat16."""
import jax
import jax.numpy as jnp

import peer_jax as peer

STATE, WIDTH, SIZE, Z = 16, 64, 4, 48
FRAMES, RESOLUTION, STEPS, DT = 31, 32, 30, 0.125
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1]


# --- shapes of the parameters, in torus's order ------------------------------

def conv(a, b, kernel=3):
    return [(b, a, kernel, kernel), (b,)]


def stack(*channels):
    return sum((conv(a, b) for a, b in zip(channels, channels[1:])), [])


def block(inputs):
    skip = [] if inputs == WIDTH else conv(inputs, WIDTH, 1)
    return conv(inputs, WIDTH) + conv(WIDTH, WIDTH) + skip


ENCODER = stack(3 * FRAMES, WIDTH // 2, *6 * [WIDTH], 2 * Z)
F_PSI = stack(Z, WIDTH, WIDTH, 2 * STATE)
ENERGY = stack(STATE, *6 * [WIDTH]) + [(1, WIDTH * SIZE * SIZE)]
DECODER = block(STATE) + block(WIDTH) + block(WIDTH) + conv(WIDTH, 3)


# --- networks ----------------------------------------------------------------

class Networks:
    def __init__(self, args):
        self.dtype = jnp.bfloat16 if args.bfloat16 else None

    def conv(self, parameters, x, stride=1, narrow=True):
        """Consumes the first two parameters of a list."""
        w, b = parameters.pop(0), parameters.pop(0)
        pad = w.shape[2] // 2
        if narrow and self.dtype:
            x, w, b = (y.astype(self.dtype) for y in (x, w, b))
        y = jax.lax.conv_general_dilated(
            x, w, (stride, stride), 2 * [(pad, pad)],
            dimension_numbers=("NHWC", "OIHW", "NHWC"))
        return y + b

    def stack(self, parameters, x, strides=None):
        left = list(parameters)
        for i in range(len(parameters) // 2):
            x = jax.nn.relu(x) if i > 0 else x
            x = self.conv(left, x, strides[i] if strides else 1)
        return x.astype(jnp.float32) if self.dtype else x

    def energy(self, parameters):
        def value(x):
            left = list(parameters)
            for _ in range(6):
                x = jax.nn.softplus(self.conv(left, x, narrow=False))
            # torus's read-out is of channels first
            x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
            return x @ left[0].T
        return value

    def decode(self, parameters, x):
        left = list(parameters)
        for i in range(3):
            x = x.repeat(2, 1).repeat(2, 2)
            h = jax.nn.leaky_relu(self.conv(left, x), 0.2)
            h = jax.nn.leaky_relu(self.conv(left, h), 0.2)
            x = h + (self.conv(left, x) if i == 0 else x)
        y = jax.nn.sigmoid(self.conv(left, x))
        return y.astype(jnp.float32) if self.dtype else y


def draw(seed, *shape):
    return jax.random.normal(jax.random.PRNGKey(seed), shape)


def channels_last(x):
    return x.transpose(*range(x.ndim - 3), x.ndim - 2, x.ndim - 1, x.ndim - 3)


# --- jobs --------------------------------------------------------------------

def decoder(args, nets):
    def loss(parameters, q, targets):
        return ((nets.decode(parameters, q) - targets) ** 2).mean()
    if args.check:
        peer.check(args, DECODER, loss, channels_last)
        return
    n = args.batch or 496
    targets = jax.random.uniform(jax.random.PRNGKey(2), (n, 32, 32, 3))
    peer.train(args, DECODER, lambda parameters, q: loss(parameters, q, targets),
               (draw(1, n, SIZE, SIZE, STATE),))


def motion(nets, parameters, q, p):
    K, V = parameters[:len(ENERGY)], parameters[len(ENERGY):]
    _, (qs, _) = peer.leapfrog(nets.energy(K), nets.energy(V), q, p, DT, STEPS)
    return jnp.concatenate((q[None], qs))


def hamiltonian(args, nets):
    def loss(parameters, q, p, weights):
        return (motion(nets, parameters, q, p) * weights).sum()
    if args.check:
        peer.check(args, 2 * ENERGY, loss, channels_last)
        return
    shape = (args.batch or 16, SIZE, SIZE, STATE)
    weights = draw(3, STEPS + 1, *shape)
    peer.train(args, 2 * ENERGY, lambda x, q, p: loss(x, q, p, weights),
               (draw(1, *shape), draw(2, *shape)))


def hgn(args, nets):
    shapes = ENCODER + F_PSI + 2 * ENERGY + DECODER
    ends = [len(ENCODER), len(ENCODER + F_PSI), len(shapes) - len(DECODER)]

    def loss(parameters, x, epsilon):
        n = len(x)
        stacked = x.transpose(0, 2, 3, 1, 4).reshape(n, RESOLUTION, RESOLUTION, -1)
        z = nets.stack(parameters[:ends[0]], stacked, STRIDES)
        mean, logvar = z[..., :Z], z[..., Z:]
        z = mean + epsilon * jnp.exp(0.5 * logvar)
        s = nets.stack(parameters[ends[0]:ends[1]], z)
        qs = motion(nets, parameters[ends[1]:ends[2]], s[..., :STATE],
                    s[..., STATE:])
        images = nets.decode(parameters[ends[2]:],
                             qs.reshape(-1, SIZE, SIZE, STATE))
        images = images.reshape(FRAMES, *x.shape[:1], *x.shape[2:])
        kl = 0.5 * (mean ** 2 + jnp.exp(logvar) - logvar - 1).sum() / n
        error = ((images.swapaxes(0, 1) - x) ** 2).mean()
        return error + kl / (3 * RESOLUTION ** 2)
    if args.check:
        peer.check(args, shapes, loss, channels_last)
        return
    n = args.batch or 16
    x = jax.random.uniform(jax.random.PRNGKey(1),
                           (n, FRAMES, RESOLUTION, RESOLUTION, 3))
    peer.train(args, shapes, loss, (x, draw(2, n, SIZE, SIZE, Z)), lr=1.5e-4)


JOBS = {"hgn": hgn, "decoder": decoder, "hamiltonian": hamiltonian}


def main():
    args = peer.begin(peer.parser(__doc__, JOBS, batch=0, steps=3))
    JOBS[args.job](args, Networks(args))


main()
