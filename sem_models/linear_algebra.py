"""Inverses of stacks of small matrices; a few of them go straight to LAPACK.

NumPy's own functions treat a stack in one call, but prepare it for longer than LAPACK works on a matrix of
some twenty rows. One fit is a stack of one, a bootstrap one of hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgesv, dpotrf, dpotrs, dtrtri

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

    Raises numpy.linalg.LinAlgError where one is not positive definite; where one holds NaN so do the results.
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


def diagonal_units(symmetric: Array) -> Array:
    """Units (m,) in which the diagonal of a matrix is ±1, or stays 0."""
    units = np.sqrt(np.abs(symmetric.diagonal()))
    return units if units.all() else np.where(units > 0, units, 1.0)


@dataclass(frozen=True, slots=True)
class Factored:
    """A symmetric matrix (m, m) with its Cholesky factor in `units` of its diagonal.

    pivot is the smallest of the factor: 0 where the matrix is not positive definite, infinite without rows,
    NaN where there are some in it.
    """

    matrix: Array
    units: Array
    chol: Array
    pivot: float

    def solve(self, right: Array) -> Array:
        """M⁻¹ b of a positive definite matrix, b (m,)."""
        return np.asarray(dpotrs(self.chol, right / self.units)[0] / self.units)

    def inverse_root(self) -> Array:
        """R (m, m) with R Rᵀ = M⁻¹ of a positive definite matrix."""
        return np.asarray(dtrtri(self.chol)[0] / self.units[:, None])


def factored(symmetric: Array, *, ridge: float = 0.0) -> Factored:
    """The Cholesky factor of a matrix, of M + ridge · diag M if asked for."""
    units = diagonal_units(symmetric)
    if not len(units):
        return Factored(symmetric, units, symmetric, np.inf)
    scaled = in_units(symmetric, units)
    chol, failed = dpotrf(scaled + ridge * np.eye(len(units)) if ridge else scaled)
    return Factored(symmetric, units, chol, 0.0 if failed else float(chol.diagonal().min()))


def is_positive(symmetric: Array) -> bool:
    """Whether a matrix (m, m), m ≥ 1, is positive definite; one with NaN, which LAPACK lets pass, is not."""
    chol, failed = dpotrf(symmetric, clean=0)
    return not failed and bool(chol.diagonal().min() > 0)
