#!/usr/bin/env python3
"""Times a million leapfrog steps of an oscillator next to torus.

    leapfrog_peers.py [STEPS]

H = p^2/2 + q^2/2 in float64 from (1, 0), steps of 0.1, every 1,000th state kept, as in
examples/14_long_times.lua. Prints steps per second of processor time and the process's peak memory of
- numpy: a loop over arrays of shape (1, 1), with the force written out;
- scipy: RK45 objects of SciPy, one step of 0.1 after the other (six evaluations each);
- jax, step: a jitted step, with jax.grad of K and V, called from a loop;
- jax, scan: the same within jax.lax loops, compiled once.
"""
import resource
import sys
import time

import numpy as np

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
DT, EVERY = 0.1, 1000


def report(name, steps, seconds, energies):
    error = np.abs(np.array(energies) - 0.5).max()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name}: {steps / seconds:.0f} steps/s, error of the energy {error:.1e}, "
          f"peak {peak:.0f} MB", flush=True)


def numpy_loop(steps):
    q, p = np.ones((1, 1)), np.zeros((1, 1))
    kept, start = [], time.process_time()
    force = q
    for i in range(steps):
        p = p - 0.5 * DT * force
        q = q + DT * p
        force = q
        p = p - 0.5 * DT * force
        if i % EVERY == EVERY - 1:
            kept.append(float((p * p + q * q).sum() / 2))
    report("numpy", steps, time.process_time() - start, kept)


def scipy_loop(steps):
    from scipy.integrate import RK45

    solver = RK45(lambda t, y: np.array([y[1], -y[0]]), 0, np.array([1.0, 0.0]), 1e300,
                  first_step=DT, max_step=DT, rtol=1e-2, atol=1e-2)
    kept, start = [], time.process_time()
    for i in range(steps):
        solver.step()
        if i % EVERY == EVERY - 1:
            kept.append(float((solver.y**2).sum() / 2))
    report("scipy", steps, time.process_time() - start, kept)


def jax_loops(steps):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    force = jax.grad(lambda q: (q * q).sum() / 2)
    velocity = jax.grad(lambda p: (p * p).sum() / 2)

    def step(state):
        q, p = state
        p = p - 0.5 * DT * force(q)
        q = q + DT * velocity(p)
        return q, p - 0.5 * DT * force(q)

    one, state = jax.jit(step), (jnp.ones((1, 1)), jnp.zeros((1, 1)))
    state = one(state)
    few = max(EVERY, steps // 10)
    kept, start = [], time.process_time()
    for i in range(few):
        state = one(state)
        if i % EVERY == EVERY - 1:
            kept.append(float((state[0] ** 2 + state[1] ** 2).sum() / 2))
    report("jax, step", few, time.process_time() - start, kept)

    def inner(state, _):
        state = jax.lax.fori_loop(0, EVERY, lambda _, s: step(s), state)
        return state, (state[0] ** 2 + state[1] ** 2).sum() / 2

    roll = jax.jit(lambda s: jax.lax.scan(inner, s, None, length=steps // EVERY))
    start_state = (jnp.ones((1, 1)), jnp.zeros((1, 1)))
    roll(start_state)[1].block_until_ready()
    start = time.process_time()
    kept = roll(start_state)[1].block_until_ready()
    report("jax, scan", steps, time.process_time() - start, kept)


if __name__ == "__main__":
    numpy_loop(STEPS)
    scipy_loop(STEPS // 10)
    jax_loops(STEPS)
