"""Modification indices: what each fixed or absent parameter would do if it were free, without a refit.

Sörbom, D. (1989). Psychometrika, 54, 371–384; the expected parameter change after Saris, Satorra & Sörbom
(1987), Sociological Methodology 17, its power after Saris, Satorra & van der Veld (2009), Structural
Equation Modeling 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, chdtri
from scipy.stats import ncx2

from sem_models.errors import ConvergenceError
from sem_models.inference.candidates import Candidate
from sem_models.inference.extended import Curvature, Entry, curvature_at
from sem_models.inference.solved import Solved
from sem_models.model.ram import DIRECTED, MEAN, SCALING, THRESHOLD, Array
from sem_models.observed.patterns import BoolArray

COLLINEAR = 1e-6
"""Share of a candidate's information that the free parameters leave; below it there is nothing to free.
lavaan draws this line at 6e-6 in the units of the data; a share does not change with the units."""


@dataclass(frozen=True, slots=True)
class Index:
    """By candidate (c,): χ² drop on one degree of freedom and expected change; NaN where not identified."""

    statistic: Array
    change: Array


def modification_indices(solved: Solved, entries: Sequence[Entry]) -> Index:
    """MI = N s² / V and the expected change s / V, V = I₂₂ − I₂₁ I₁₁⁻¹ I₁₂ the information left of each.

    One information matrix serves all candidates. Raises ConvergenceError where that of the free parameters
    is singular.
    """
    curvature = curvature_at(solved, entries, rows=solved.ram.n_free)
    return index_of(curvature, solved.ram.reduction, solved.sample.n_total)


def index_of(curvature: Curvature, reduction: Array, n: float) -> Index:
    """The indices of the last entries; reduction (q, k) is that of the fitted model."""
    q = len(reduction)
    own = curvature.own[q:]
    across = reduction.T @ curvature.information[:, q:]
    inside = reduction.T @ curvature.information[:, :q] @ reduction
    scale = np.sqrt(np.diagonal(inside))
    try:
        if not (scale > 0).all():
            raise np.linalg.LinAlgError("a parameter without information")
        factor = np.linalg.cholesky(inside / np.outer(scale, scale)) if len(inside) else inside
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "The information matrix of the fitted model is singular, so modification indices do not exist. "
            "See fit.status for the parameters that are not identified."
        ) from None
    taken = np.linalg.solve(factor, across / scale[:, None])
    left = own - (taken**2).sum(axis=0)
    usable = left > COLLINEAR * own
    score = np.where(usable, curvature.score[q:], np.nan)
    left = np.where(usable, left, np.nan)
    return Index(n * score**2 / left, score / left)


def standard_units(solved: Solved, candidates: Sequence[Candidate]) -> dict[str, Array]:
    """What a change of one unit is in standardized units, by metric: sepc_lv, sepc_all, sepc_nox (c,) each.

    Covariances in residual standard deviations (of the absolute variance), variances in total ones; NaN where
    the variance is zero.
    """
    ram, point = solved.ram, solved.point
    total = np.diagonal(point.at.cov_all, axis1=-2, axis2=-1)
    residual = np.abs(np.diagonal(ram.matrices(point.free)[1], axis1=-2, axis2=-1))
    observed = np.arange(len(ram.variables)) < ram.n_observed
    fixed = np.isin(np.arange(len(ram.variables)), ram.exogenous)
    everything = np.ones_like(observed)
    out = {}
    for name, scaled in (("sepc_lv", ~observed), ("sepc_all", everything), ("sepc_nox", ~fixed)):
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.array([_unit(c.entry, total, residual, scaled) for c in candidates])
        out[name] = np.where(np.isfinite(unit), unit, np.nan)
    return out


def _unit(entry: Entry, total: Array, residual: Array, scaled: BoolArray) -> np.float64:
    g, i, j, one = entry.group, entry.row, entry.col, np.float64(1.0)

    def sd(k: int, variance: Array) -> np.float64:
        return np.sqrt(variance[g, k]) if scaled[k] else one

    if entry.kind == DIRECTED:
        return sd(j, total) / sd(i, total)
    if entry.kind in (MEAN, THRESHOLD):
        return one / sd(i, total)
    if entry.kind == SCALING:
        return one
    if i == j:
        return one / sd(i, total) ** 2
    return one / (sd(i, residual) * sd(j, residual))


def power(index: Index, delta: float, alpha: float) -> tuple[Array, Array]:
    """Noncentrality for a true change of `delta`, (MI / EPC²) δ², and the power to find it at `alpha`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        noncentrality = index.statistic / index.change**2 * delta**2
    return noncentrality, np.asarray(ncx2.sf(chdtri(1, alpha), 1, noncentrality))


def decision(index: Index, found: Array, delta: float, alpha: float, high_power: float) -> list[str]:
    """Verdicts after Saris, Satorra & van der Veld (2009, Table 1) in lavaan's marks.

    "**(m)**" significant at low power: misspecified; "*epc:m*" significant at high power with a change of at
    least `delta`: misspecified; "epc:nm" the same with a smaller change: not misspecified; "(nm)" not
    significant at high power: not misspecified; "(i)" neither: inconclusive.
    """
    out = []
    for statistic, change, chance in zip(index.statistic, index.change, found, strict=True):
        significant, high = chdtrc(1, max(statistic, 0.0)) < alpha, chance > high_power
        if significant and high:
            out.append("*epc:m*" if abs(change) > delta else "epc:nm")
        else:
            out.append("**(m)**" if significant else "(nm)" if high else "(i)")
    return out
