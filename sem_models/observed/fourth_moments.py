"""Asymptotic covariance of sample means and covariances without assuming normality."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.rows import Rows, pieces, score_products
from sem_models.observed.withheld import WithheldRows


def asymptotic_covariance(rows: Rows | WithheldRows, exogenous: IntArray) -> Array:
    """Γ (r, r), divisor n: the covariance of √n (s, x̄). Browne (1984), eq. 3.4, with the means beside it.

    From each complete row's deviation of (vech (x − x̄)(x − x̄)ᵀ, x) from its mean; coordinates as
    everywhere: σ_ij for i ≥ j in row order, then μ. Fixed covariates do not vary from sample to sample: what
    they predict is taken off each product and each value. Sampling weights enter squared, and rows of a
    cluster are added up first.
    """
    if isinstance(rows, WithheldRows):
        return rows.asymptotic_covariance(exogenous)
    values, weight = rows.values, rows.weight
    n, p = values.shape
    i, j = np.tril_indices(p)
    mean = values.mean(axis=0) if weight is None else weight @ values / weight.sum()
    total = float(n if weight is None else weight.sum())
    slopes, cov = np.zeros((len(exogenous), p)), np.zeros((p, p))
    for piece in pieces(n):
        centered = values[piece] - mean
        cov += (centered if weight is None else centered * weight[piece, None]).T @ centered
    cov /= total
    if len(exogenous):
        slopes = np.linalg.solve(cov[np.ix_(exogenous, exogenous)], cov[exogenous])
        cov = cov - cov[:, exogenous] @ slopes

    def deviations(piece: slice) -> Array:
        centered = values[piece] - mean
        fitted = centered[:, exogenous] @ slopes
        products = centered[:, i] * centered[:, j] - fitted[:, i] * fitted[:, j] - cov[i, j]
        return np.concatenate([products, centered - fitted], axis=1)

    return score_products(rows, deviations, len(i) + p) / total
