"""The likelihood of whole answers to ordered items, any of which may be missing, given normal factors.

Given standard normal factors z the answers are independent, in units of the responses' standard deviations
P(y_j ≤ k | z) = Φ((τ_jk − b_jᵀz) / √(1 − b_jᵀb_j)), and f(y) = ∫ Π_j P(y_j | z) φ(z) dz over the items
answered (Bock & Aitkin, 1981, Psychometrika 46). What is missing at random needs no model of its own. The
integral is a sum over a grid of equal steps, whose error falls faster than any power of the step where the
integrand is smooth and vanishes at the ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import logsumexp, ndtr

from sem_models.model.ordinal import Layout
from sem_models.observed.margins import LEAST, Array, IntArray, phi

REACH = 5.5
"""Standard deviations to which the grid goes; beyond lies 4e-8 of a factor."""
STEPS = {1: 61, 2: 31}
"""Nodes a factor by the number of factors."""


@dataclass(frozen=True, slots=True)
class AnswerPatterns:
    """One group's rows: distinct answers codes (u, p), −1 where missing, how often each was given, count
    (u,), and their sum, size."""

    layout: Layout
    codes: IntArray
    count: Array
    size: float

    @classmethod
    def of(cls, values: Array, layout: Layout) -> AnswerPatterns:
        """values (n, p): categories from 0, NaN where missing; all variables ordered."""
        codes = np.where(np.isnan(values), -1, values).astype(np.intp)
        distinct, count = np.unique(codes, axis=0, return_counts=True)
        return cls(layout, distinct, count.astype(np.float64), float(len(codes)))


@dataclass(frozen=True, slots=True)
class Grid:
    """Nodes (q, m) of independent standard normal factors and the logarithms of their weights (q,)."""

    nodes: Array
    log_weight: Array


def grid(n_factors: int) -> Grid:
    """Equal steps between ±REACH in each factor."""
    line = np.linspace(-REACH, REACH, STEPS[n_factors])
    nodes = np.array(list(product(line, repeat=n_factors)))
    log_weight = -0.5 * (nodes**2).sum(axis=1)
    return Grid(nodes, log_weight - logsumexp(log_weight))


@dataclass(frozen=True, slots=True)
class Answered:
    """value: the log-likelihood; scores (u, t + p m) of each pattern in thresholds and, item by item, b."""

    value: float
    scores: Array


def answered(patterns: AnswerPatterns, tau: Array, b: Array, at: Grid) -> Answered | None:
    """The likelihood at thresholds tau (t,) and loadings b (p, m); None where it does not exist."""
    layout = patterns.layout
    p, m = b.shape
    left = 1.0 - (b * b).sum(axis=1)
    if (left <= 0).any():
        return None
    log_given = np.zeros((len(patterns.codes), len(at.nodes)))
    slopes = []
    for j in range(p):
        own = np.flatnonzero(layout.th_variable == j)
        found = _item(tau[own], b[j], float(left[j]), at.nodes)
        if found is None:
            return None
        chance, slope = found
        seen = patterns.codes[:, j] >= 0
        log_given[seen] += np.log(chance)[patterns.codes[seen, j]]
        slopes.append((own, seen, slope))
    together = log_given + at.log_weight
    log_f = logsumexp(together, axis=1)
    posterior = np.exp(together - log_f[:, None])
    t = len(tau)
    scores = np.zeros((len(patterns.codes), t + p * m))
    for j, (own, seen, slope) in enumerate(slopes):
        place = np.concatenate([own, t + j * m + np.arange(m)])
        for k in range(len(own) + 1):
            rows = np.flatnonzero(seen & (patterns.codes[:, j] == k))
            if len(rows):
                scores[rows[:, None], place] = posterior[rows] @ slope[k]
    return Answered(float(patterns.count @ log_f), scores)


def _item(tau: Array, b: Array, left: float, nodes: Array) -> tuple[Array, Array] | None:
    """P(category) (K, q) at the nodes, and ∂ log P / ∂ (τ, b), (K, q, K − 1 + m)."""
    if (np.diff(tau) <= 0).any():
        return None
    root = np.sqrt(left)
    t = (tau[:, None] - nodes @ b) / root  # (K − 1, q)
    edges = np.concatenate([np.full((1, len(nodes)), -np.inf), t, np.full((1, len(nodes)), np.inf)])
    flip = edges[:-1] > 0  # from the tail that keeps its digits
    chance = np.where(flip, ndtr(-edges[:-1]) - ndtr(-edges[1:]), ndtr(edges[1:]) - ndtr(edges[:-1]))
    chance = np.maximum(chance, LEAST)
    dense = phi(t)
    k = np.arange(len(tau))
    out = np.zeros((len(tau) + 1, len(nodes), len(tau) + len(b)))
    out[k, :, k] = dense / root
    out[k + 1, :, k] = -dense / root
    along = dense[..., None] * (-nodes / root + t[..., None] * (b / left))
    out[:-1, :, len(tau) :] += along
    out[1:, :, len(tau) :] -= along
    return chance, out / chance[..., None]
