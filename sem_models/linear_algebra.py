"""Inverses of stacks of small matrices; a few of them go straight to LAPACK.

NumPy's own functions treat a stack in one call, but prepare it for longer than LAPACK works on a matrix of
some twenty rows. One fit is a stack of one, a bootstrap one of hundreds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgesv, dpotrf, dtrtri

Array = NDArray[np.float64]

FEW = 4
"""Matrices of a stack up to which one call of LAPACK each is the faster way."""


def inverse(matrices: Array) -> Array:
    """Inverses (..., m, m). Raises numpy.linalg.LinAlgError where one is singular."""
    m = matrices.shape[-1]
    if not m:
        return matrices
    if matrices.size > FEW * m * m:
        return np.asarray(np.linalg.inv(matrices))
    identity = np.eye(m)
    out = np.empty(matrices.shape)
    for matrix, place in zip(matrices.reshape(-1, m, m), out.reshape(-1, m, m), strict=True):
        _, _, place[...], failed = dgesv(matrix, identity)
        if failed:
            raise np.linalg.LinAlgError("Singular matrix")
    return out


def positive_inverse(matrices: Array) -> tuple[Array, Array]:
    """Inverses (..., m, m) and log-determinants (...) of symmetric positive definite matrices.

    Raises numpy.linalg.LinAlgError where one is not positive definite.
    """
    m = matrices.shape[-1]
    if not m or matrices.size > FEW * m * m:
        chol = np.linalg.cholesky(matrices)
        inverse = np.linalg.inv(matrices)
        symmetric = np.asarray(0.5 * (inverse + np.swapaxes(inverse, -1, -2)))
        return symmetric, 2.0 * np.log(np.diagonal(chol, axis1=-2, axis2=-1)).sum(axis=-1)
    out, log_det = np.empty(matrices.shape), []
    for matrix, place in zip(matrices.reshape(-1, m, m), out.reshape(-1, m, m), strict=True):
        chol, failed = dpotrf(matrix, lower=1)
        if failed:
            raise np.linalg.LinAlgError("Matrix is not positive definite")
        root = dtrtri(chol, lower=1)[0]
        np.matmul(root.T, root, out=place)
        log_det.append(2.0 * np.log(chol.diagonal()).sum())
    return out, np.array(log_det).reshape(matrices.shape[:-2])


def in_units(symmetric: Array, units: Array) -> Array:
    """A matrix (m, m) of variables measured in these units (m,)."""
    return symmetric / (units[:, None] * units)


def is_positive(symmetric: Array) -> bool:
    """Whether a matrix (m, m) is positive definite."""
    return not dpotrf(symmetric, clean=0)[1]
