"""Residuals of moments and the root mean square measures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from sem_models.linear_algebra import in_units
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
    sd = np.sqrt(s_cov.diagonal())
    return MomentResiduals(in_units(s_cov - sigma, sd), (s_mean - mu) / sd)


def bollen(s_cov: Array, s_mean: Array, sigma: Array, mu: Array) -> MomentResiduals:
    """Observed minus implied correlations, each in its own standard deviations (Bollen, 1989, p. 258).

    Mean residuals are in units of the observed standard deviations.
    """
    sd = np.sqrt(s_cov.diagonal())
    correlations = in_units(s_cov, sd) - in_units(sigma, np.sqrt(sigma.diagonal()))
    return MomentResiduals(correlations, (s_mean - mu) / sd)


def mplus(
    s_cov: Array, s_mean: Array, sigma: Array, mu: Array, *, correlations: MomentResiduals | None = None
) -> MomentResiduals:
    """Residual correlations, relative residual variances, and differences of standardized means.

    Asparouhov & Muthén (2018), SRMR in Mplus, eq. 2. `correlations` are Bollen's residuals, if at hand.
    """
    sd, implied_sd = np.sqrt(s_cov.diagonal()), np.sqrt(sigma.diagonal())
    cor = (correlations or bollen(s_cov, s_mean, sigma, mu)).cov.copy()
    cor.reshape(-1)[:: len(sd) + 1] = 1.0 - (implied_sd / sd) ** 2
    return MomentResiduals(cor, s_mean / sd - mu / implied_sd)


def root_mean_squares(
    residuals: MomentResiduals, *, means: bool, diagonal: bool = True
) -> tuple[float, float]:
    """√ of the mean squared residual over the lower triangle and the means, if asked, and without these."""
    p, variances = len(residuals.mean), residuals.cov.diagonal()
    of_diagonal = float(variances @ variances)
    squares = float(np.vdot(residuals.cov, residuals.cov)) + (of_diagonal if diagonal else -of_diagonal)
    total = 0.5 * max(squares, 0.0)
    count = p * (p + 1) // 2 if diagonal else p * (p - 1) // 2
    only = sqrt(total / count) if count else 0.0
    if not means:
        return only, only
    return sqrt((total + float(residuals.mean @ residuals.mean)) / (count + p)), only
