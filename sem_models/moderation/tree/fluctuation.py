"""Do parameters change along a covariate? Tests on the cumulated scores of one fit.

Zeileis, A., & Hornik, K. (2007). Generalized M-fluctuation tests for parameter instability. Statistica
Neerlandica, 61, 488–508; Merkle, E. C., & Zeileis, A. (2013), Psychometrika, 78, 59–82, for factor models;
Merkle, Fan, & Zeileis (2014), Psychometrika, 79, 569–584, for ordered covariates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import chdtrc, gammaln

from sem_models.model.ram import Array, IntArray

Scale = Literal["continuous", "ordered", "categorical"]

DRAWS = 20_000
"""Draws of the limiting process for an ordered covariate; the Monte Carlo error of p = .05 is .0015."""


@dataclass(frozen=True, slots=True)
class Fluctuation:
    """One covariate's test: statistic, its p value, and LM (c,) at each cut between its ordered values."""

    statistic: float
    pvalue: float
    by_cut: Array


def efficient_scores(scores: Array, focus: IntArray) -> Array:
    """Scores (n, k) of the parameters in focus without what the others' explain, decorrelated: variance 1.

    With I the cross-products, s_f − I_fo I_oo⁻¹ s_o: instability of the other parameters does not enter to
    first order.
    """
    n = len(scores)
    rest = np.setdiff1d(np.arange(scores.shape[1]), focus)
    centered = scores - scores.mean(axis=0)
    out = centered[:, focus]
    if len(rest):
        out = out - centered[:, rest] @ np.linalg.lstsq(centered[:, rest], out, rcond=None)[0]
    root = np.linalg.cholesky(out.T @ out / n)
    return np.asarray(np.linalg.solve(root, out.T).T)


def fluctuation(scores: Array, codes: IntArray, scale: Scale, smallest: int) -> Fluctuation | None:
    """Test decorrelated scores (n, k) along a covariate's codes (n,), 0 … c for its sorted distinct values.

    smallest is the least number of rows on a side of a cut. "continuous": sup LM, with the tail of Estrella
    (2003); "ordered": the largest LM over the cuts, with a simulated limit; "categorical": LM, χ². None where
    no cut leaves enough rows on both sides.
    """
    n, k = scores.shape
    count = np.bincount(codes)
    sums = np.zeros((len(count), k))
    np.add.at(sums, codes, scores)
    below = np.cumsum(count)[:-1]
    share = below / n
    walk = np.cumsum(sums, axis=0)[:-1] / np.sqrt(n)
    with np.errstate(all="ignore"):
        by_cut = (walk**2).sum(axis=1) / (share * (1.0 - share))
    allowed = (below >= smallest) & (n - below >= smallest)
    if scale == "categorical":
        kept = count > 0
        statistic = float((sums[kept] ** 2 / count[kept, None]).sum())
        if int(kept.sum()) < 2:
            return None
        return Fluctuation(statistic, float(chdtrc(k * (int(kept.sum()) - 1), statistic)), by_cut)
    if not allowed.any():
        return None
    by_cut = np.where(allowed, by_cut, -np.inf)
    statistic = float(by_cut.max())
    if scale == "continuous":
        inside = share[allowed]
        p = tail_of_sup(statistic, k, float(inside.min()), float(inside.max()))
    else:
        p = tail_over_cuts(statistic, k, tuple(np.round(share[allowed], 4)))
    return Fluctuation(statistic, p, by_cut)


def tail_of_sup(c: float, k: int, low: float, high: float) -> float:
    """P(sup over [low, high] of |B(t)|²/(t(1 − t)) > c), B a Brownian bridge in k dimensions.

    Estrella, A. (2003). Critical values and p values of Bessel process distributions. Econometric Theory, 19,
    1128–1143: c^{k/2} e^{−c/2} / (2^{k/2} Γ(k/2)) [(1 − k/c) log λ + 2/c], with λ = high (1 − low) /
    (low (1 − high)); an expansion of the tail, at most 1, and never below the χ² of a single cut.
    """
    single = float(chdtrc(k, c))
    if c <= k or not high > low:
        return 1.0 if c <= k and high > low else single
    spread = np.log(high * (1.0 - low) / (low * (1.0 - high)))
    density = np.exp(0.5 * k * np.log(c / 2.0) - c / 2.0 - gammaln(k / 2.0))
    return float(min(1.0, max(single, density * ((1.0 - k / c) * spread + 2.0 / c))))


def tail_over_cuts(c: float, k: int, shares: tuple[float, ...]) -> float:
    """P(max over the cuts of |B(t)|²/(t(1 − t)) > c), by simulation with a fixed seed."""
    if len(shares) == 1:
        return float(chdtrc(k, c))
    return float((np.count_nonzero(_maxima(k, shares) >= c) + 1) / (DRAWS + 1))


@lru_cache(maxsize=64)
def _maxima(k: int, shares: tuple[float, ...]) -> Array:
    """Draws of the largest LM over the cuts."""
    t = np.array(shares)
    cov = np.minimum(t[:, None], t) - np.outer(t, t)
    root = np.linalg.cholesky(
        cov / np.sqrt(np.outer(np.diagonal(cov), np.diagonal(cov))) + 1e-10 * np.eye(len(t))
    )
    rng = np.random.default_rng(20_031)
    out = np.zeros((DRAWS, len(t)))
    for _ in range(k):
        out += (rng.standard_normal((DRAWS, len(t))) @ root.T) ** 2
    return np.asarray(out.max(axis=1))
