#!/usr/bin/python3
"""Times SciPy's RK45 for compare_rk45.lua.

    scipy_rk45.py SYSTEM STATES.npy OUT.npy [ATOL]

STATES: (n, 2 d) float64. Writes the solutions (n, 31, 2 d) at rtol 1e-10 and
prints the seconds per trajectory. ATOL: SciPy's default (1e-6) when absent.
"""
import sys
import time

import numpy as np
from scipy.integrate import solve_ivp

from make_trajectories import DT, STEPS, SYSTEMS


def main():
    name, states, out = sys.argv[1:4]
    options = {"atol": float(sys.argv[4])} if len(sys.argv) > 4 else {}
    field, y0 = SYSTEMS[name][0], np.load(states)
    times = DT * np.arange(STEPS + 1)
    start = time.perf_counter()
    rows = [
        solve_ivp(
            field, (0, times[-1]), y, t_eval=times, rtol=1e-10, **options
        ).y.T
        for y in y0
    ]
    print((time.perf_counter() - start) / len(y0))
    np.save(out, np.stack(rows))


if __name__ == "__main__":
    main()
