"""Seconds of x + y of 10 numbers each: add.py torch|numpy|jax."""
import statistics
import sys
import time

COUNT = 2000  # sums in a measurement


def operands(library):
    if library == "torch":
        import torch
        torch.set_num_threads(1)
        return torch.rand(10), torch.rand(10), lambda z: z
    if library == "jax":
        import jax
        keys = jax.random.split(jax.random.PRNGKey(0))
        x, y = (jax.random.uniform(key, (10,)) for key in keys)
        return x, y, jax.block_until_ready
    import numpy as np
    return np.random.rand(10).astype("f4"), np.random.rand(10).astype("f4"), lambda z: z


def main():
    x, y, wait = operands(sys.argv[1])
    times = []
    for _ in range(60):
        start = time.perf_counter()
        for _ in range(COUNT):
            z = x + y
        wait(z)
        times.append((time.perf_counter() - start) / COUNT)
    print(f"step {statistics.median(times):.12f} s")


main()
