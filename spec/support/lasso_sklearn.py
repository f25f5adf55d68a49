"""Writes the stored figures of scikit-learn that the specs compare torus with.

    python3 spec/support/lasso_sklearn.py data/reference/lasso.safetensors

Needs scikit-learn 1.3 or later and numpy; the specs need neither, only the
file. Everything is computed in float64, solved far beyond scikit-learn's
default tolerance.
"""
import json
import pathlib
import struct
import sys

import numpy as np
import sklearn
from sklearn.linear_model import Lasso
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

ALPHAS = [1e-3, 1e-2, 1e-1]


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


def symplecticity(jacobians):
    """The mean of (A A* / c - I)^2, matrix by matrix."""
    products = []
    for j in jacobians:
        n = j.shape[1] // 2
        e = np.zeros((2 * n, 2 * n))
        e[:n, n:], e[n:, :n] = -np.eye(n), np.eye(n)
        products.append((j @ e @ j.T) @ (j @ e.T @ j.T))
    c = np.mean([np.max(np.abs(a)) for a in products])
    eye = np.eye(jacobians.shape[1])
    return np.mean([np.mean((a / c - eye) ** 2) for a in products])


def main(path):
    rng = np.random.default_rng(11)
    x = rng.standard_normal((61, 3)) * [1, 2, 0.5] + [0, 1, -1]
    y = np.stack([x[:, 0] + 0.4 * x[:, 1] * x[:, 2],
                  np.sin(x[:, 1]) - x[:, 2] ** 2], axis=1)
    y += 0.05 * rng.standard_normal(y.shape)
    sx, sy = StandardScaler().fit_transform(x), StandardScaler().fit_transform(y)
    arrays = {'x': x, 'y': y, 'standard_x': sx, 'alphas': ALPHAS,
              'features_4': PolynomialFeatures(4, include_bias=False)
              .fit_transform(x)}
    features = PolynomialFeatures(2, include_bias=False).fit_transform(sx)
    exact = {'max_iter': 1000000, 'tol': 1e-14}
    coefficients, intercepts, scores = [], [], []
    for alpha in ALPHAS:
        fit = Lasso(alpha=alpha, **exact).fit(features, sy)
        coefficients.append(fit.coef_.T)
        intercepts.append(fit.intercept_)
        scores.append(fit.score(features, sy))
    search = GridSearchCV(Lasso(**exact), {'alpha': ALPHAS}, cv=2,
                          scoring='explained_variance').fit(features, sy)
    jacobians = rng.standard_normal((6, 4, 6))
    arrays.update(
        coefficients=coefficients, intercepts=intercepts, r2=scores,
        cv_scores=search.cv_results_['mean_test_score'],
        best=[search.best_params_['alpha']], jacobians=jacobians,
        sym=[symplecticity(jacobians)])
    save(path, arrays, {'scikit-learn': sklearn.__version__,
                        'numpy': np.__version__})
    print(path, {k: np.shape(v) for k, v in arrays.items()})


main(pathlib.Path(sys.argv[1]))
