#!/usr/bin/env python3
"""Draws with NumPyro's NUTS from the targets of compare_hmc.lua, and times it.

    hmc_numpyro.py TARGET CHAINS DRAWS WARMUP SEED OUT.npy [METHOD]

TARGET is normal, banana, funnel or reparametrised; METHOD NumPyro's chain_method,
"vectorized" or "sequential". Writes the draws, (draws, chains, d) in float64, and prints
the processor time in seconds of warm-up and draws together, without compilation, and
the number of divergences. Needs NumPyro.
"""
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import MCMC, NUTS

jax.config.update("jax_enable_x64", True)

DEVIATIONS = jnp.arange(1, 101) / 100


def normal(q):
    return ((q / DEVIATIONS) ** 2).sum() / 2


def banana(q):
    x, y = q
    return x**2 / 8 + (y - x**2 / 2) ** 2 / 2


def funnel(q):
    v, x = q[0], q[1:]
    return v**2 / 18 + (x**2).sum() * jnp.exp(-v) / 2 + x.size * v / 2


def reparametrised(q):
    return (q**2).sum() / 2


TARGETS = {"normal": (normal, 100), "banana": (banana, 2), "funnel": (funnel, 10),
           "reparametrised": (reparametrised, 10)}


def main():
    name, (chains, draws, warmup, seed) = sys.argv[1], map(int, sys.argv[2:6])
    energy, d = TARGETS[name]
    mcmc = MCMC(NUTS(potential_fn=energy), num_warmup=warmup, num_samples=draws,
                num_chains=chains, progress_bar=False,
                chain_method=sys.argv[7] if len(sys.argv) > 7 else "vectorized")
    start = np.random.default_rng(seed).standard_normal((chains, d))
    extra = ("diverging",)
    mcmc.run(jax.random.PRNGKey(0), init_params=start, extra_fields=extra)
    began = time.process_time()
    mcmc.run(jax.random.PRNGKey(seed), init_params=start, extra_fields=extra)
    found = np.asarray(mcmc.get_samples(group_by_chain=True))
    seconds = time.process_time() - began
    divergences = int(np.asarray(mcmc.get_extra_fields()["diverging"]).sum())
    np.save(sys.argv[6], np.ascontiguousarray(found.transpose(1, 0, 2)))
    print(seconds, divergences)


main()
