"""Intervals from replicates of a statistic: percentile, bias-corrected and accelerated, basic, normal.

Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap, chapters 13 and 14; Davison, A. C., &
Hinkley, D. V. (1997). Bootstrap Methods and their Application, eq. 5.8 for quantiles between replicates.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from sem_models.model.ram import Array

IntervalKind = Literal["percentile", "bca", "bc", "basic", "normal"]
KINDS: tuple[str, ...] = ("percentile", "bca", "bc", "basic", "normal")


DEFINED = 0.9
"""Share of replicates in which a figure must exist (a standardized one needs positive variances) for the
others to tell its distribution."""


def center_and_spread(replicates: Array) -> tuple[Array, Array]:
    """Means and standard deviations (d,) of replicates (b, d) where they exist, divisor their number.

    NaN where fewer than nine of ten exist.
    """
    there = np.isfinite(replicates)
    if there.all():
        return replicates.mean(axis=0), replicates.std(axis=0)
    n = np.where(there.mean(axis=0) >= DEFINED, there.sum(axis=0), np.nan)
    mean = np.where(there, replicates, 0.0).sum(axis=0) / n
    away = np.where(there, replicates - mean, 0.0)
    return mean, np.sqrt((away * away).sum(axis=0) / n)


def intervals(
    kind: IntervalKind, estimate: Array, replicates: Array, level: float, acceleration: Array | None = None
) -> tuple[Array, Array]:
    """Lower and upper limits (d,) from estimates (d,) and replicates (b, d), of which some may not exist."""
    tails = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    if kind == "normal":
        center, spread = center_and_spread(replicates)
        middle = 2.0 * estimate - center  # less the bias
        half = float(ndtri(tails[1])) * spread
        return middle - half, middle + half
    low, high = np.empty(len(estimate)), np.empty(len(estimate))
    for d, drawn in enumerate(np.sort(replicates, axis=0).T):
        at, values = tails, drawn[np.isfinite(drawn)]
        if len(values) < DEFINED * len(drawn):
            low[d] = high[d] = np.nan
            continue
        if kind in ("bca", "bc"):
            a = float(acceleration[d]) if kind == "bca" and acceleration is not None else 0.0
            at = _adjusted(tails, estimate[d], values, a)
        low[d], high[d] = (between(values, float(alpha)) for alpha in at)
    return (2.0 * estimate - high, 2.0 * estimate - low) if kind == "basic" else (low, high)


def _adjusted(tails: Array, estimate: float, values: Array, acceleration: float) -> Array:
    """Φ(z₀ + (z₀ + z)/(1 − a(z₀ + z))). Efron & Tibshirani (1993), eq. 14.10."""
    tied = (values < estimate).mean() + 0.5 * (values == estimate).mean()
    bias = float(ndtri(min(max(tied, 0.5 / len(values)), 1.0 - 0.5 / len(values))))
    z = bias + ndtri(tails)
    return np.asarray(ndtr(bias + z / (1.0 - acceleration * z)))


def between(ordered: Array, alpha: float) -> float:
    """The α quantile of b ordered replicates at (b + 1)α, interpolated on the normal scale."""
    b = len(ordered)
    rank = (b + 1) * alpha
    k = int(rank)
    if k < 1 or not np.isfinite(alpha):
        return float(ordered[0]) if np.isfinite(alpha) else float("nan")
    if k >= b:
        return float(ordered[-1])
    if rank == k:
        return float(ordered[k - 1])
    left, right = ndtri(k / (b + 1)), ndtri((k + 1) / (b + 1))
    weight = (ndtri(alpha) - left) / (right - left)
    return float(ordered[k - 1] + weight * (ordered[k] - ordered[k - 1]))


def jackknife_acceleration(without: Array) -> Array:
    """a = Σ(θ̄ − θᵢ)³ / 6[Σ(θ̄ − θᵢ)²]^1.5 from leave-one-out values (n, d). Efron & Tibshirani, eq. 14.15."""
    away = without.mean(axis=0) - without
    squares = (away**2).sum(axis=0)
    return np.asarray((away**3).sum(axis=0) / (6.0 * np.where(squares > 0, squares, 1.0) ** 1.5))
