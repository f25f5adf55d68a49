"""Writes points of SciPy's Sobol sequence, which a spec compares torus with.

    python3 spec/support/sobol_scipy.py [data/reference/sobol.npy]

Row k holds point 2^k (from 0), which needs direction k, of 64 dimensions, for k
from 0 to 29. Needs SciPy; the spec needs only the file.
"""
import sys

import numpy as np
from scipy.stats import qmc

rows = []
for k in range(30):
    engine = qmc.Sobol(64, scramble=False)
    rows.append(engine.fast_forward(2 ** k).random(1)[0])
np.save(sys.argv[1] if len(sys.argv) > 1 else 'data/reference/sobol.npy',
        np.array(rows))
