"""Writes the stored figures of ArviZ that the specs compare torus with.

    python3 spec/support/convergence_arviz.py data/reference/convergence.safetensors

Needs ArviZ and numpy; the specs need neither, only the file. Seven numbers in four
chains of 201 draws: independent ones, autoregressive ones of 0.9 and -0.5, heavy
tails (Cauchy), chains of different means and of different widths, and draws of which
many are repeated, as rejected proposals are.
"""
import json
import pathlib
import struct
import sys

import arviz
import numpy as np

DRAWS, CHAINS = 201, 4


def save(path, arrays, metadata):
    """8 bytes of header length, a JSON header, then the raw float64 data."""
    header, data, at = {'__metadata__': metadata}, [], 0
    for name, array in sorted(arrays.items()):
        raw = np.ascontiguousarray(array, dtype=np.float64)
        header[name] = {'dtype': 'F64', 'shape': list(raw.shape),
                        'data_offsets': [at, at + raw.nbytes]}
        data.append(raw.tobytes())
        at += raw.nbytes
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(data))


def autoregressive(rng, rho):
    x = np.empty((DRAWS, CHAINS))
    x[0] = rng.standard_normal(CHAINS)
    for i in range(1, DRAWS):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(CHAINS)
    return x


def main():
    rng = np.random.default_rng(5)
    shape = (DRAWS, CHAINS)
    repeated = rng.standard_normal(shape)
    for i in range(1, DRAWS):
        repeated[i] = np.where(rng.random(CHAINS) < 0.4, repeated[i - 1], repeated[i])
    columns = [
        rng.standard_normal(shape), autoregressive(rng, 0.9), autoregressive(rng, -0.5),
        rng.standard_cauchy(shape), rng.standard_normal(shape) + np.arange(CHAINS) * 0.3,
        rng.standard_normal(shape) * np.array([1, 1, 1, 3]), repeated,
    ]
    draws = np.stack(columns, 2)

    def of(function, **options):
        return np.array([float(function(c.T, **options)) for c in columns])

    save(pathlib.Path(sys.argv[1]), {
        'draws': draws,
        'rhat': of(arviz.rhat, method='rank'),
        'bulk': of(arviz.ess, method='bulk'),
        'tail': of(arviz.ess, method='tail'),
        'mean': of(arviz.ess, method='mean'),
    }, {'source': 'ArviZ ' + arviz.__version__ + ', spec/support/convergence_arviz.py'})


main()
