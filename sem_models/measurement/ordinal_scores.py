"""Covariances of answers as numbers that follow from thresholds and correlations of latent responses.

An answer in category c counts as c = 1, 2, …; X = 1 + Σ_c 1(u > τ_c), so that with normal responses
Cov(X_i, X_j) = Σ_cd Φ₂(τ_ic, τ_jd; ρ_ij) − Φ(τ_ic) Φ(τ_jd), and with a continuous variable of standard
deviation σ_j it is ρ_ij σ_j Σ_c φ(τ_ic). Green & Yang (2009), Psychometrika 74.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from sem_models.model.ordinal import Layout
from sem_models.observed.bivariate_normal import distribution
from sem_models.observed.margins import Array, phi


@dataclass(frozen=True, slots=True)
class Scale:
    """The items' responses in units of their standard deviations.

    tau (p, K) thresholds, filled up with ∞ (all ∞ for a continuous variable); sd (p,), 1 for ordered items.
    """

    tau: Array
    sd: Array

    @property
    def continuous(self) -> np.ndarray:
        return np.asarray(~np.isfinite(self.tau).any(axis=1))


def scale_of(layout: Layout, statistics: Array) -> Scale:
    """Thresholds and standard deviations from one group's statistics (s,) in the order of the layout."""
    of_item = layout.ordered[layout.th_variable]
    tau = np.full((layout.n_variables, max(layout.n_categories)), np.inf)
    tau[layout.th_variable[of_item], layout.th_number[of_item]] = statistics[layout.parts[0]][of_item]
    sd = np.ones(layout.n_variables)
    sd[layout.variances] = np.sqrt(statistics[layout.parts[2]])
    return Scale(tau, sd)


def score_variances(scale: Scale) -> Array:
    """Variance (p,) of each item's number, σ² of a continuous variable."""
    above = ndtr(-scale.tau)
    count = np.arange(1.0, scale.tau.shape[1] + 1.0)
    # X − 1 is the number of thresholds passed: E (X − 1)² = Σ_c (2c − 1) P(u > τ_c)
    variance = above @ (2.0 * count - 1.0) - above.sum(axis=1) ** 2
    return np.asarray(np.where(scale.continuous, scale.sd**2, variance))


def score_covariances(scale: Scale, rho: Array) -> Array:
    """Covariances (p, p) of the items' numbers when their responses correlate by rho (p, p).

    The diagonal is that of two parallel answers whose responses correlate by rho_ii.
    """
    p = len(scale.sd)
    i, j = np.tril_indices(p)
    tau, r = scale.tau, np.asarray(rho[i, j], dtype=np.float64)
    joint = distribution(tau[i][:, :, None], tau[j][:, None, :], r[:, None, None])
    apart = ndtr(tau)
    value = (joint - apart[i][:, :, None] * apart[j][:, None, :]).sum(axis=(1, 2))
    # a continuous variable follows its own response, an ordered one on average by Σ φ(τ)
    follow = np.where(scale.continuous, scale.sd, phi(np.where(np.isfinite(tau), tau, np.inf)).sum(axis=1))
    linear = scale.continuous[i] | scale.continuous[j]
    value = np.where(linear, r * follow[i] * follow[j], value)
    out = np.zeros((p, p))
    out[i, j] = out[j, i] = value
    return out
