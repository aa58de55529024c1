"""Responses at given values of what they depend on: log-densities and derivatives, for all rows and nodes.

An ordered item has P(y = c | u) = Φ((τ_c − u)/√v) − Φ((τ_{c−1} − u)/√v), a continuous response the normal
density with mean u and variance v. Each row's response is a function of four coordinates: the upper and lower
threshold of its category, u and v.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from sem_models.model.ordinal import Layout
from sem_models.model.ram import Array, IntArray
from sem_models.observed.margins import LEAST, phi
from sem_models.observed.patterns import BoolArray

FAR = 1e4
"""Stands for an infinite threshold: far enough for Φ to be 0 or 1, near enough for FAR · φ(FAR) to be 0."""


@dataclass(frozen=True, slots=True)
class Responses:
    """One group's rows: values (n, j) of continuous responses, 0 elsewhere; seen (n, j); upper, lower (n, j)
    the thresholds around each answer, by their numbers among t thresholds, t for +∞ and t + 1 for −∞;
    covariates (n, c); ordered (j,)."""

    values: Array
    seen: BoolArray
    upper: IntArray
    lower: IntArray
    covariates: Array
    ordered: BoolArray
    n_thresholds: int

    def __len__(self) -> int:
        return len(self.values)

    def piece(self, rows: slice) -> Responses:
        """Some of the rows."""
        return Responses(
            self.values[rows], self.seen[rows], self.upper[rows], self.lower[rows], self.covariates[rows],
            self.ordered, self.n_thresholds,
        )  # fmt: skip


def responses_of(values: Array, covariates: Array, layout: Layout) -> Responses:
    """Rows (n, j) of categories from 0 and of numbers, NaN where missing, beside their covariates (n, c)."""
    ordered, t = layout.ordered, len(layout.th_variable)
    seen = ~np.isnan(values)
    filled = np.where(seen, values, 0.0)
    code = np.where(ordered, filled, 0.0).astype(np.intp)
    first = np.searchsorted(layout.th_variable, np.arange(layout.n_variables))
    last = np.array(layout.n_categories) - 1
    upper = np.where(ordered & seen & (code < last), first + code, t)
    lower = np.where(ordered & seen & (code > 0), first + code - 1, t + 1)
    return Responses(np.where(ordered, 0.0, filled), seen, upper, lower, covariates, ordered, t)


@dataclass(frozen=True, slots=True)
class Given:
    """Log-densities and their first derivatives in the coordinates, each (n, k, j), 0 where missing.

    The derivative in the variance is there where it was asked for. high, low are the ends of each answer's
    interval in units of √v, up and down φ there over its probability; all (n, k, j).
    """

    log_density: Array
    by_upper: Array
    by_lower: Array
    by_level: Array
    by_variance: Array | None
    high: Array
    low: Array
    up: Array
    down: Array


def given(rows: Responses, tau: Array, level: Array, variance: Array, *, variances: bool = False) -> Given:
    """At thresholds tau (t,), levels u (n, k, j) and variances v (j,)."""
    edges = np.append(tau, [FAR, -FAR])
    sd = np.sqrt(variance)
    high = (edges[rows.upper][:, None, :] - level) / sd
    low = (edges[rows.lower][:, None, :] - level) / sd
    flip = low > 0  # from the tail that keeps its digits
    chance = ndtr(np.where(flip, -low, high))
    chance -= ndtr(np.where(flip, -high, low))
    np.maximum(chance, LEAST, out=chance)
    up, down = phi(high), phi(low)
    up /= chance
    down /= chance
    log_density, d_level = np.log(chance), (down - up) / sd
    d_variance = (low * down - high * up) / (2.0 * variance) if variances else None
    plain = ~rows.ordered
    if plain.any():
        away = rows.values[:, None, plain] - level[..., plain]
        v = variance[plain]
        log_density[..., plain] = -0.5 * (np.log(2.0 * np.pi * v) + away * away / v)
        d_level[..., plain] = away / v
        if d_variance is not None:
            d_variance[..., plain] = 0.5 * (away * away / v - 1.0) / v
    if not rows.seen.all():  # thresholds are at ±FAR there, where up and down are 0
        gone = ~rows.seen
        for part in (log_density, d_level, d_variance):
            if part is not None:
                np.swapaxes(part, 1, 2)[gone] = 0.0
    return Given(log_density, up / sd, -down / sd, d_level, d_variance, high, low, up, down)


def level_curve(rows: Responses, at: Given, variance: Array) -> Array:
    """∂² log-density / ∂u² (n, k, j); 0 where missing."""
    own = (at.low * at.down - at.high * at.up - (at.up - at.down) ** 2) / variance
    return np.where(rows.seen[:, None, :], np.where(rows.ordered, own, -1.0 / variance), 0.0)
