"""Residuals of moments and the root mean square measures made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array


@dataclass(frozen=True, slots=True)
class MomentResiduals:
    """Residual covariances (p, p) and means (p,) of one group in one metric."""

    cov: Array
    mean: Array


def raw(s_cov: Array, s_mean: Array, sigma: Array, mu: Array) -> MomentResiduals:
    """Observed minus implied."""
    return MomentResiduals(s_cov - sigma, s_mean - mu)


def bentler(s_cov: Array, s_mean: Array, sigma: Array, mu: Array) -> MomentResiduals:
    """Raw residuals in units of the observed standard deviations (Bentler, 1995)."""
    sd = np.sqrt(np.diagonal(s_cov))
    return MomentResiduals((s_cov - sigma) / np.outer(sd, sd), (s_mean - mu) / sd)


def bollen(s_cov: Array, s_mean: Array, sigma: Array, mu: Array) -> MomentResiduals:
    """Observed minus implied correlations, each in its own standard deviations (Bollen, 1989, p. 258)."""
    sd, implied_sd = np.sqrt(np.diagonal(s_cov)), np.sqrt(np.diagonal(sigma))
    cor = s_cov / np.outer(sd, sd) - sigma / np.outer(implied_sd, implied_sd)
    return MomentResiduals(cor, s_mean / sd - mu / implied_sd)


def mplus(s_cov: Array, s_mean: Array, sigma: Array, mu: Array) -> MomentResiduals:
    """Bollen's residuals with relative residual variances on the diagonal (Asparouhov & Muthén, 2018)."""
    residual = bollen(s_cov, s_mean, sigma, mu)
    variances = np.diagonal(s_cov)
    cor = residual.cov.copy()
    np.fill_diagonal(cor, (variances - np.diagonal(sigma)) / variances)
    return MomentResiduals(cor, residual.mean)


def root_mean_square(residuals: MomentResiduals, *, means: bool, diagonal: bool = True) -> float:
    """√ of the mean squared residual over the lower triangle, and over the means if asked."""
    p = len(residuals.mean)
    lower = residuals.cov[np.tril_indices(p, 0 if diagonal else -1)]
    total, count = float(lower @ lower), len(lower)
    if means:
        total, count = total + float(residuals.mean @ residuals.mean), count + p
    return float(np.sqrt(total / count)) if count else 0.0
