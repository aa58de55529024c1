"""Asymptotic covariance of sample means and covariances without assuming normality."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.sample import Rows
from sem_models.observed.withheld import WithheldRows


def moment_contributions(rows: Rows, exogenous: IntArray) -> Array:
    """Each complete row's deviation of (vech (x − x̄)(x − x̄)ᵀ, x) from its mean, (n, r).

    Coordinates as everywhere: σ_ij for i ≥ j in row order, then μ. Fixed covariates do not vary from sample
    to sample: what they predict is taken off each product and each value.
    """
    centered = rows.values - rows.values.mean(axis=0)
    i, j = np.tril_indices(centered.shape[1])
    products = centered[:, i] * centered[:, j]
    if len(exogenous):
        covariates = centered[:, exogenous]
        fitted = covariates @ np.linalg.lstsq(covariates, centered, rcond=None)[0]
        products, centered = products - fitted[:, i] * fitted[:, j], centered - fitted
    return np.concatenate([products - products.mean(axis=0), centered], axis=1)


def asymptotic_covariance(rows: Rows | WithheldRows, exogenous: IntArray) -> Array:
    """Γ (r, r), divisor n: the covariance of √n (s, x̄). Browne (1984), eq. 3.4, with the means beside it."""
    if isinstance(rows, WithheldRows):
        return rows.asymptotic_covariance(exogenous)
    contributions = moment_contributions(rows, exogenous)
    return np.asarray(contributions.T @ contributions / len(contributions))
