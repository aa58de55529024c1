"""Reliability of sum scores of ordered items: categorical omega, on the metric of the answers.

Green, S. B., & Yang, Y. (2009). Reliability of summed item scores using structural equation modeling.
Psychometrika, 74, 155–167, eq. 21: the covariance of two parallel sum scores over the variance of one.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from sem_models.inference.ordinal_fit import parts_of
from sem_models.inference.solved import Solved
from sem_models.measurement.ordinal_scores import Scale, scale_of, score_covariances, score_variances
from sem_models.measurement.reliability import alpha_of, beware
from sem_models.model.ram import Array

COVARIATES = "the model conditions on covariates: fit the measurement model alone"


def ordinal_reliability(solved: Solved) -> pd.DataFrame:
    """As `reliability`, for constructs with ordered items; a row a construct and group.

    Answers count as 1, 2, … in the order of their categories. omega: the model's covariance of two parallel
    sum scores over the variance of one by the sample's correlations; cr: over that by the implied
    correlations; alpha: of the covariances that follow from the sample's correlations, which for items of
    two categories are those of the answers; ave: the mean share of the latent responses' variance that the
    construct explains. NaN where the model conditions on covariates.
    """
    objective, point = parts_of(solved)
    moments, part, ram = solved.sample.ordinal, solved.ram.ordinal, solved.ram
    assert moments is not None
    assert part is not None
    layout = moments.layout
    constructs = _constructs(solved)
    place = {ram.variables[i]: k for k, i in enumerate(part.y)}
    a_mat, _, _ = ram.matrices(point.free)
    rows = []
    for g, group in enumerate(solved.table.groups):
        implied = objective.moments[g] - point.residual[g]
        scale = scale_of(layout, implied)
        seen, of_model = (
            _correlations(solved, s, scale_of(layout, s)) for s in (objective.moments[g], implied)
        )
        for construct, names in constructs.items():
            at = np.array([place[name] for name in names])
            f = ram.variables.index(construct)
            loading = a_mat[g, part.y[at], f]
            psi = float(point.at.cov_all[g, f, f])
            standardized = loading * point.scale[g, at] * math.sqrt(max(psi, 0.0)) / scale.sd[at]
            row = {"group": group, "construct": construct, "n_items": len(names)}
            note = beware(constructs, construct, loading, psi)
            own = Scale(scale.tau[at], scale.sd[at])
            pick = np.ix_(at, at)
            if layout.n_covariates:
                figures, note = dict.fromkeys(FIGURES, math.nan), "; ".join(filter(None, [note, COVARIATES]))
            else:
                figures = _figures(own, standardized, seen[pick], of_model[pick])
            rows.append({**row, **figures, "note": note})
    return pd.DataFrame(rows)


FIGURES = ("alpha", "omega", "cr", "ave")


def _figures(scale: Scale, loading: Array, seen: Array, implied: Array) -> dict[str, float]:
    """alpha, omega, cr and ave of one construct: standardized loadings (k,), correlations (k, k)."""
    variances = score_variances(scale)
    observed = _answers(scale, seen, variances)
    weight = scale.sd**2
    ave = float((loading**2 * weight).sum() / weight.sum())
    if len(loading) == 1:
        return dict.fromkeys(FIGURES, math.nan)
    if (np.abs(loading) >= 1.0).any():  # an improper solution: no response correlates by more than one
        return {"alpha": alpha_of(observed), "omega": math.nan, "cr": math.nan, "ave": ave}
    common = float(score_covariances(scale, np.outer(loading, loading)).sum())
    return {
        "alpha": alpha_of(observed),
        "omega": common / float(observed.sum()),
        "cr": common / float(_answers(scale, implied, variances).sum()),
        "ave": ave,
    }


def _answers(scale: Scale, rho: Array, variances: Array) -> Array:
    """Covariances of the answers as numbers."""
    off = rho.copy()
    np.fill_diagonal(off, 0.0)
    out = score_covariances(scale, off)
    np.fill_diagonal(out, variances)
    return out


def _correlations(solved: Solved, statistics: Array, scale: Scale) -> Array:
    moments = solved.sample.ordinal
    assert moments is not None
    layout = moments.layout
    rho = np.eye(layout.n_variables)
    unit = scale.sd[layout.first] * scale.sd[layout.second]
    rho[layout.first, layout.second] = statistics[layout.parts[3]] / unit
    rho[layout.second, layout.first] = rho[layout.first, layout.second]
    return rho


def _constructs(solved: Solved) -> dict[str, tuple[str, ...]]:
    """Constructs and the items they are measured by, latents of latents left out."""
    rows = [row for row in solved.table.rows if row.op == "=~"]
    latent = {row.lhs for row in rows}
    out: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.rhs not in latent:
            out.setdefault(row.lhs, {})[row.rhs] = None
    return {construct: tuple(items) for construct, items in out.items()}
