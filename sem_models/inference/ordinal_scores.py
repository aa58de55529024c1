"""Factor scores from ordered items: the most likely values of the latent variables given a row's answers.

"regression" is the mode of the posterior (empirical Bayes modal, EBM): Σ log P(answer | η) − ½ (η − α)ᵀ Ψ⁻¹
(η − α); "bartlett" the maximum of the first term alone. Answers are taken as independent given η, so that
residual covariances of items do not enter (as in lavaan).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sem_models.inference.factor_scores import ScoreMethod
from sem_models.inference.ordinal_fit import parts_of
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array, IntArray
from sem_models.observed.margins import LEAST, edges, interval, phi

RUNAWAY = 50.0
"""Standard deviations of a latent variable beyond which a score is not determined (all answers extreme)."""


@dataclass(frozen=True, slots=True)
class ItemDesign:
    """One group; p variables seen, l latent ones, c covariates.

    loading (p, l), intercept (p,), direct (p, c) effects of the covariates on the responses with the latent
    variables held; residual (p,) variances; bounds by variable, thresholds with infinite ends, or empty for a
    continuous one; prior mean (l,) with slopes (l, c), and covariance (l, l).
    """

    loading: Array
    intercept: Array
    direct: Array
    residual: Array
    bounds: tuple[Array, ...]
    prior_mean: Array
    prior_slopes: Array
    prior_cov: Array


def item_designs(solved: Solved) -> tuple[ItemDesign, ...]:
    """One design a group."""
    _, point = parts_of(solved)
    ram, part = solved.ram, solved.ram.ordinal
    assert part is not None
    p, v = ram.n_observed, len(ram.variables)
    latent = np.arange(p, v)
    a_mat, s_mat, m_vec = ram.matrices(point.free)
    s_mat, m_vec = s_mat.copy(), m_vec.copy()
    s_mat[:, part.x[:, None], part.x] = 0.0
    m_vec[:, part.x] = 0.0
    out = []
    for g in range(ram.n_groups):
        a_cut, s_cut, m_cut = a_mat[g].copy(), s_mat[g].copy(), m_vec[g].copy()
        a_cut[latent] = 0.0
        m_cut[latent] = 0.0
        s_cut[latent] = s_cut[:, latent] = 0.0
        total = np.linalg.inv(np.eye(v) - a_cut)[part.y]
        residual = np.diagonal(total @ s_cut @ total.T)
        layout = part.layout
        bounds = tuple(
            edges(point.tau[g, layout.th_variable == j]) if size > 1 else np.zeros(0)
            for j, size in enumerate(layout.n_categories)
        )
        out.append(
            ItemDesign(
                total[:, latent],
                total @ m_cut,
                total[:, part.x],
                residual,
                bounds,
                point.given.eta[g, latent],
                point.given.total[g][np.ix_(latent, part.x)],
                point.given.cov_all[g][np.ix_(latent, latent)],
            )
        )
    return tuple(out)


def score_items(design: ItemDesign, values: Array, x: Array, method: ScoreMethod) -> tuple[Array, Array]:
    """Scores (n, l) of rows (n, p), categories from 0 and NaN where missing, and their standard errors.

    Newton's method on all rows at once, a step halved where it does not gain. NaN where the answers do not
    determine a score.
    """
    prior: Array = np.zeros_like(design.prior_cov)
    if method == "regression":
        prior = np.asarray(np.linalg.inv(design.prior_cov), dtype=np.float64)
    center = design.prior_mean + x @ design.prior_slopes.T
    level = design.intercept + x @ design.direct.T
    eta = center.copy()
    answered = ~np.isnan(values)
    value, gradient, curve = _terms(design, values, answered, level, eta, center, prior)
    active = np.arange(len(values))
    spread = np.sqrt(np.diagonal(design.prior_cov))
    lost = np.zeros(len(values), dtype=bool)
    for _ in range(200):
        if not len(active):
            break
        ridge = 1e-12 * np.eye(len(spread)) / spread**2
        step = np.linalg.solve(curve[active] + ridge, gradient[active][..., None])[..., 0]
        far = np.abs(step / spread).max(axis=1)
        step = step * np.minimum(1.0, 3.0 / np.maximum(far, 1e-300))[:, None]
        trial = eta[active] + step
        for _ in range(25):
            found = _terms(
                design, values[active], answered[active], level[active], trial, center[active], prior
            )
            worse = found[0] < value[active] - 1e-10 * (1.0 + np.abs(value[active]))
            if not worse.any():
                break
            step[worse] *= 0.5
            trial = eta[active] + step
        eta[active], value[active], gradient[active], curve[active] = trial, *found
        gone = (np.abs((eta[active] - center[active]) / spread) > RUNAWAY).any(axis=1)
        lost[active[gone]] = True
        moving = (np.abs(step / spread).max(axis=1) > 1e-10) & ~gone
        active = active[moving]
    lost[active] = True
    lost |= ~answered.any(axis=1)
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.diagonal(_inverses(curve), axis1=-2, axis2=-1))
    eta[lost], error[lost] = np.nan, np.nan
    return eta, np.asarray(error)


def _inverses(curve: Array) -> Array:
    safe = np.linalg.cond(curve) < 1e14
    out = np.full_like(curve, np.nan)
    out[safe] = np.linalg.inv(curve[safe])
    return out


def _terms(
    design: ItemDesign, values: Array, answered: Array, level: Array, eta: Array, center: Array, prior: Array
) -> tuple[Array, Array, Array]:
    """Log posterior (n,), its gradient (n, l) and negative Hessian (n, l, l)."""
    off = eta - center
    pulled = off @ prior
    value = -0.5 * (off * pulled).sum(axis=1)
    gradient = -pulled
    curve = np.broadcast_to(prior, (len(eta), *prior.shape)).copy()
    mean = level + eta @ design.loading.T
    for j, bounds in enumerate(design.bounds):
        loading, sd = design.loading[j], np.sqrt(design.residual[j])
        seen = answered[:, j]
        if not len(bounds):
            z = np.where(seen, values[:, j] - mean[:, j], 0.0) / sd
            value, slope, bend = value - 0.5 * z * z, z / sd, np.where(seen, 1.0 / sd**2, 0.0)
        else:
            codes = np.where(seen, values[:, j], 0.0).astype(np.intp)
            lower, upper = ((bounds[codes + k] - mean[:, j]) / sd for k in (0, 1))
            chance = np.maximum(interval(lower, upper), LEAST)
            low, high = phi(lower) / chance, phi(upper) / chance
            slope = np.where(seen, (low - high) / sd, 0.0)
            inside = (
                np.where(np.isfinite(lower), lower, 0.0) * low
                - np.where(np.isfinite(upper), upper, 0.0) * high
            )
            bend = np.where(seen, slope**2 - inside / sd**2, 0.0)
            value = value + np.where(seen, np.log(chance), 0.0)
        gradient = gradient + slope[:, None] * loading
        curve += bend[:, None, None] * np.outer(loading, loading)
    return value, gradient, curve


def score_blocks(
    solved: Solved, blocks: Sequence[tuple[Array, IntArray]], method: ScoreMethod
) -> list[tuple[Array, Array]]:
    """Scores and errors of the rows (n, variables) of each group."""
    part = solved.ram.ordinal
    assert part is not None
    return [
        score_items(design, values[:, part.y], values[:, part.x], method)
        for design, (values, _) in zip(item_designs(solved), blocks, strict=True)
    ]
