"""Asymptotic covariance of sample means and covariances without assuming normality."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.rows import Piece, Rows, pieces, score_products
from sem_models.observed.withheld import WithheldRows


def asymptotic_covariance(rows: Rows | WithheldRows, exogenous: IntArray) -> Array:
    """Γ (r, r), divisor n: the covariance of √n (s, x̄). Browne (1984), eq. 3.4, with the means beside it.

    From each row's deviation of (vech (x − x̄)(x − x̄)ᵀ, x) from its mean; coordinates as everywhere: σ_ij for
    i ≥ j in row order, then μ. Fixed covariates do not vary from sample to sample: what they predict is
    taken off each product and each value. Sampling weights enter squared, and rows of a cluster are added
    up first. Of incomplete rows (pairwise moments) what is missing counts as no deviation, as in lavaan.
    """
    if isinstance(rows, WithheldRows):
        return rows.asymptotic_covariance(exogenous)
    values, weight = rows.values, rows.weight
    n, p = values.shape
    i, j = np.tril_indices(p)
    some_missing = bool(np.isnan(values.sum()))
    if some_missing:
        mean = np.nanmean(values, axis=0)
    else:
        mean = values.mean(axis=0) if weight is None else weight @ values / weight.sum()
    total = float(n if weight is None else weight.sum())
    cov = np.zeros((p, p))
    for piece in pieces(n):
        centered = np.nan_to_num(values[piece] - mean)
        cov += (centered if weight is None else centered * weight[piece, None]).T @ centered
    slopes = np.linalg.solve(cov[np.ix_(exogenous, exogenous)], cov[exogenous])

    def products(piece: Piece) -> Array:
        centered = values[piece] - mean
        if not len(exogenous):
            return np.concatenate([centered[:, i] * centered[:, j], centered], axis=1)
        fitted = centered[:, exogenous] @ slopes
        kept = centered[:, i] * centered[:, j] - fitted[:, i] * fitted[:, j]
        return np.concatenate([kept, centered - fitted], axis=1)

    level = np.zeros(len(i) + p)
    if some_missing:
        count = np.zeros(len(level))
        for piece in pieces(n):
            found = products(piece)
            level += np.nansum(found, axis=0)
            count += (~np.isnan(found)).sum(axis=0)
        level /= count
    else:
        level[: len(i)] = ((cov - cov[:, exogenous] @ slopes) / total)[i, j]

    def deviations(piece: Piece) -> Array:
        found = products(piece) - level
        return np.nan_to_num(found) if some_missing else found

    return score_products(rows, deviations, len(i) + p) / total
