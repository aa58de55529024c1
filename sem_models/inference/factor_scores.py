"""Factor scores: what one customer's answers say about the latent variables, with or without missing answers.

Both methods are linear in the observed deviations y − μ, with weights that depend only on which answers
there are. Regression scores (Thurstone, 1935) are the conditional means E(η | y); Bartlett's (1937) fit the
latent variables to the answers by generalized least squares and are unbiased given them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sem_models.inference.solved import Solved
from sem_models.model.ram import Array, IntArray
from sem_models.model.table import ParameterTable
from sem_models.observed.patterns import BoolArray

ScoreMethod = Literal["regression", "bartlett"]
SINGULAR = 1e12
"""Condition number of the scores' information from which the answers do not tell latent variables apart."""

ROUNDING = 1e-9
"""Share of a latent variable's variance below which a negative variance of its scores' error is none."""


@dataclass(frozen=True, slots=True)
class Design:
    """What one group's scores are made of; p observed, l latent variables.

    sigma (p, p) and mu (p,) implied moments; latent_mean (l,), latent_cov (l, l); across (l, p) their
    covariances with the observed; layers the latent variables by distance from the answers, each with its
    total effects on the observed (p, h) and the covariance (p, p) that is left when they are held.
    """

    sigma: Array
    mu: Array
    latent_mean: Array
    latent_cov: Array
    across: Array
    layers: tuple[tuple[IntArray, Array, Array], ...]


def designs(solved: Solved) -> tuple[Design, ...]:
    """One design a group.

    Without a mean structure the observed means are the sample's and latent intercepts zero, so that latent
    variables explained by observed ones still have those variables' level.
    """
    ram, at = solved.ram, solved.point.at
    a_mat, s_mat, _ = ram.matrices(solved.point.free)
    p, v = ram.n_observed, len(ram.variables)
    layers = _layers(solved.table, ram.variables[p:])
    out = []
    for g in range(ram.n_groups):
        mu, latent_mean = at.mu[g], at.eta[g, p:]
        if not ram.has_means:
            mu = solved.sample.mean[g]
            latent_mean = np.linalg.solve(np.eye(v - p) - a_mat[g, p:, p:], a_mat[g, p:, :p] @ mu)
        held = tuple((p + h, *_held(a_mat[g], s_mat[g], at.cov_all[g], p + h, p)) for h in layers)
        cov = at.cov_all[g]
        out.append(Design(cov[:p, :p], mu, latent_mean, cov[p:, p:], cov[p:, :p], held))
    return tuple(out)


def _layers(table: ParameterTable, latent: Sequence[str]) -> tuple[IntArray, ...]:
    """Positions of the latent variables with indicators of their own, then of those these measure."""
    place = {name: i for i, name in enumerate(latent)}
    measuring = [
        r for r in table.rows if r.op == "=~" or (r.lhs in table.variables.emergent and r.op == "<~")
    ]
    indicators = {name: {r.rhs for r in measuring if r.lhs == name} for name in latent}
    layers: list[IntArray] = []
    done: set[str] = set()
    ready = [n for n in latent if indicators[n] - set(latent)]
    while ready:
        layers.append(np.array([place[n] for n in ready], dtype=np.intp))
        done |= set(ready)
        ready = [n for n in latent if n not in done and indicators[n] & done]
    return tuple(layers)


def _held(a_mat: Array, s_mat: Array, cov_all: Array, held: IntArray, p: int) -> tuple[Array, Array]:
    """Total effects (p, h) of the variables `held` at given values, and Ω (p, p) in place of Σ.

    Ω gives them their implied covariance, which leaves the generalized least squares weights as they are and
    is invertible where residual variances are zero.
    """
    a_cut, s_cut = a_mat.copy(), s_mat.copy()
    a_cut[held] = 0.0
    s_cut[held] = 0.0
    s_cut[:, held] = 0.0
    total = np.linalg.inv(np.eye(len(a_mat)) - a_cut)[:p]
    effects = total[:, held]
    return np.asarray(effects), np.asarray(
        total @ s_cut @ total.T + effects @ cov_all[np.ix_(held, held)] @ effects.T
    )


def score_rows(
    design: Design, values: Array, method: ScoreMethod, *, errors: bool
) -> tuple[Array, Array | None]:
    """Scores (n, l) of rows (n, p) with NaN where missing, and their standard errors (n, l) if asked.

    Rows are taken together by which answers they have. NaN where a row has no answer, and where a Bartlett
    score is not determined by the answers there are; errors also where a negative variance leaves none.
    """
    seen = ~np.isnan(values)
    scores: Array = np.full((len(values), len(design.latent_mean)), np.nan)
    spread = np.full_like(scores, np.nan) if errors else None
    for rows, answered in _by_pattern(seen):
        if not answered.any():
            continue
        weights, variance = _weights(design, np.flatnonzero(answered), method)
        scores[rows] = design.latent_mean + (values[rows][:, answered] - design.mu[answered]) @ weights.T
        if spread is not None:
            none = variance < -ROUNDING * np.abs(np.diagonal(design.latent_cov))
            spread[rows] = np.where(none, np.nan, np.sqrt(np.maximum(variance, 0.0)))
    return scores, spread


def _by_pattern(seen: BoolArray) -> list[tuple[IntArray, BoolArray]]:
    """Row numbers of each pattern of answers."""
    if seen.all():
        return [(np.arange(len(seen)), np.ones(seen.shape[1], dtype=bool))]
    patterns, member = np.unique(seen, axis=0, return_inverse=True)
    order = np.argsort(member.reshape(-1), kind="stable")
    bounds = np.searchsorted(member.reshape(-1)[order], np.arange(len(patterns) + 1))
    return [(order[bounds[t] : bounds[t + 1]], patterns[t]) for t in range(len(patterns))]


def _weights(design: Design, answered: IntArray, method: ScoreMethod) -> tuple[Array, Array]:
    """Weights (l, o) of the answered deviations, and the variance (l,) of score minus latent variable."""
    if method == "regression":
        across = design.across[:, answered]
        regression = np.linalg.solve(design.sigma[np.ix_(answered, answered)], across.T).T
        return np.asarray(regression), np.asarray(
            np.diagonal(design.latent_cov) - (regression * across).sum(axis=1)
        )
    size = len(design.latent_mean)
    weights: Array = np.full((size, len(answered)), np.nan)
    variance: Array = np.full(size, np.nan)
    for held, effects, omega in design.layers:
        reached = np.flatnonzero(np.abs(effects[answered]).max(axis=0) > 0)
        loadings = effects[np.ix_(answered, reached)]
        weighted = np.linalg.solve(omega[np.ix_(answered, answered)], loadings)
        found = _inverse(loadings.T @ weighted)
        if found is not None:
            own = held[reached] - len(effects)
            weights[own] = found @ weighted.T
            variance[own] = np.diagonal(found - design.latent_cov[np.ix_(own, own)])
    return weights, variance


def _inverse(matrix: Array) -> Array | None:
    """Inverse of a symmetric matrix, None where it is singular in its own scale."""
    scale = np.sqrt(np.diagonal(matrix))
    scaled = matrix / np.outer(scale, scale)
    if not len(matrix) or not np.isfinite(scaled).all() or np.linalg.cond(scaled) > SINGULAR:
        return None
    return np.asarray(np.linalg.inv(scaled) / np.outer(scale, scale))
