"""Standard errors of the residual moments, and residuals in units of them.

The residual moments e = s − σ(θ̂) have the covariance Q (Γ / N) Qᵀ with Q = I − J (Jᵀ V J)⁻¹ Jᵀ V: what the
sample varies by, less what the estimates follow. J slopes of the moments, V their information at the implied
moments (expected, observed or the scores' products, as for the standard errors), Γ from the saturated model,
normal-theory or without normality as the standard errors are. Ogasawara (2001), Psychometrika, 66, 421–436;
Maydeu-Olivares (2017), Psychometrika, 82, 533–558. All groups are stacked, so that a group's residuals also
vary with the estimates it shares with others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sem_models.estimation import moment_space
from sem_models.estimation.objective import NormalTheory
from sem_models.inference.covariance import FROM_MOMENTS
from sem_models.inference.scaled_tests import empirical_gamma
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.moment_likelihood import moments_explained
from sem_models.observed.patterns import Discrepancy, Patterns, complete_patterns, discrepancy
from sem_models.observed.rows import Piece, score_products
from sem_models.observed.sample import Sample

NOTHING = 1e-7
"""Share of a moment's own standard error below which its residual cannot vary: it is fitted exactly."""


@dataclass(frozen=True, slots=True)
class ResidualErrors:
    """By group, of the raw residual moments (vech, means) (g, r): of the sample alone and of the residual."""

    sample: Array
    residual: Array


def residual_errors(solved: Solved) -> ResidualErrors:
    """Standard errors; 0 for moments the model fits exactly and for those of fixed covariates."""
    ram, sample = solved.ram, solved.sample
    keep = moments_explained(ram.n_observed, ram.exogenous, has_means=ram.has_means)
    gamma = _gamma(solved, keep)
    weight = _weight(solved, keep)
    by_slot = moment_space.jacobian(ram.slots, solved.point.at)
    slopes = []
    for g, index in enumerate(ram.slots.free):
        used = index >= 0
        slopes.append(by_slot[g][keep][:, used] @ ram.reduction[index[used]])
    bread = sum((j.T @ w @ j for j, w in zip(slopes, weight, strict=True)), np.zeros((ram.n_params,) * 2))
    inverse = np.linalg.pinv(bread, hermitian=True)
    pulls = [inverse @ j.T @ w for j, w in zip(slopes, weight, strict=True)]
    shared = sum(p @ c @ p.T for p, c in zip(pulls, gamma, strict=True))
    errors = np.zeros((2, ram.n_groups, len(keep)))
    for g, (j, pull, spread) in enumerate(zip(slopes, pulls, gamma, strict=True)):
        own = np.diagonal(spread)
        left = own - 2.0 * ((j @ pull) * spread).sum(axis=1) + ((j @ shared) * j).sum(axis=1)
        errors[0, g, keep] = np.sqrt(own / sample.n_total)
        errors[1, g, keep] = np.sqrt(np.where(left > NOTHING**2 * own, left, 0.0) / sample.n_total)
    return ResidualErrors(errors[0], errors[1])


def _weight(solved: Solved, keep: Array) -> list[Array]:
    """Share times V by group."""
    objective: Any = solved.objective
    point: Any = solved.point
    if not isinstance(objective, NormalTheory):
        full = solved.sample.share[:, None, None] * objective.weight
    elif _by_scores(solved):
        full = np.stack(_score_products(solved, point.parts))
    else:
        observed = solved.options.information == "observed"
        groups = solved.ram.n_groups
        full = moment_likelihood.curvature(point.parts, objective.patterns, groups, observed=observed)
    return [w[np.ix_(keep, keep)] for w in full]


def _by_scores(solved: Solved) -> bool:
    """Whether the information of the standard errors is made of the rows' scores (MLF)."""
    return solved.options.se == "first.order" and solved.sample.rows is not None


def _score_products(solved: Solved, parts: Discrepancy) -> list[Array]:
    """Products of the saturated scores at some moments, per row of all, by group."""
    sample = solved.sample
    assert sample.rows is not None
    p = parts.weight.shape[-1]
    return [
        score_products(rows, _scores(sample, parts, g), p * (p + 1) // 2 + p) / sample.n_total
        for g, rows in enumerate(sample.rows)
    ]


def _gamma(solved: Solved, keep: Array) -> list[Array]:
    """Γ / share by group."""
    sample, se = solved.sample, solved.options.se
    free = solved.options.discrepancy == "WLS" or se in ("robust.huber.white", "robust.cluster")
    free |= se in FROM_MOMENTS and se != "robust.sem.nt"
    if sample.gamma is not None or (free and sample.complete and sample.rows is not None):
        return list(empirical_gamma(sample, solved.ram.exogenous, keep))
    patterns: Patterns = sample.patterns
    if sample.unbiased or not isinstance(solved.objective, NormalTheory):
        patterns = complete_patterns(sample.rows_by_group, sample.mean, sample.cov)
    parts = discrepancy(sample.cov, sample.mean, patterns)
    groups = solved.ram.n_groups
    chosen = np.ix_(keep, keep)
    if _by_scores(solved):
        return [np.asarray(np.linalg.inv(products[chosen])) for products in _score_products(solved, parts)]
    curve = moment_likelihood.curvature(parts, patterns, groups, observed=True)
    out = []
    for g in range(groups):
        spread = inv = np.linalg.inv(curve[g][chosen])  # given the covariates, not beside them
        if free and sample.rows is not None:
            spread = inv @ _score_products(solved, parts)[g][chosen] @ inv
        out.append(np.asarray(spread))
    return out


def _scores(sample: Sample, parts: Discrepancy, g: int) -> Callable[[Piece], Array]:
    """Saturated scores (n, r) of any slice of one group's rows."""
    assert sample.rows is not None
    rows, mean = sample.rows[g], sample.mean[g]
    return lambda piece: moment_likelihood.moment_scores(
        parts, sample.patterns, rows.values[piece], mean, rows.pattern[piece]
    )


def in_units(residual: Array, error: Array) -> Array:
    """residual / error; 0 where the residual cannot vary and is zero, NaN where only the error is."""
    safe = np.where(error > 0, error, 1.0)
    return np.where(error > 0, residual / safe, np.where(np.abs(residual) < 1e-6, 0.0, np.nan))
