"""Moments and residuals of models of ordered items as labelled tables.

By group: "cov" of the latent responses with unit variance and of continuous variables, given the covariates;
"mean" of continuous variables, zero for ordered ones, whose level is in the "thresholds"; "slopes" on the
covariates where there are any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import SpecError
from sem_models.inference.ordinal_fit import parts_of
from sem_models.inference.residual_errors import in_units
from sem_models.inference.scaled_tests import empirical_gamma, projection
from sem_models.inference.solved import Solved
from sem_models.model.ordinal import Layout
from sem_models.model.ram import Array

Tables = dict[str, dict[str, Any]]


def implied_tables(solved: Solved) -> Tables:
    """Model-implied statistics."""
    objective, point = parts_of(solved)
    return _labelled(solved, objective.moments - point.residual, diagonal=1.0)


def sample_tables(solved: Solved) -> Tables:
    """The sample's statistics."""
    return _labelled(solved, parts_of(solved)[0].moments, diagonal=1.0)


def ordinal_residuals(solved: Solved, kind: str) -> Tables:
    """Observed minus implied: raw, as correlations, or in standard errors.

    "normalized" divides by the errors of the sample's statistics, "standardized" by those of the residuals.
    """
    objective, point = parts_of(solved)
    moments = solved.sample.ordinal
    assert moments is not None
    if kind == "casewise":
        raise SpecError("The engine has no casewise residuals of ordered items yet. See factor_scores().")
    residual = point.residual
    if kind in ("normalized", "standardized"):
        residual = in_units(residual, _errors(solved, own=kind == "normalized"))
    elif kind != "raw":
        bentler = kind == "cor_bentler"
        implied = objective.moments - residual
        residual = residual.copy()
        cov = moments.layout.parts[3]
        for g in range(len(residual)):
            before = _correlations(moments.layout, objective.moments[g], objective.moments[g])
            by = objective.moments[g] if bentler else implied[g]
            residual[g, cov] = before - _correlations(moments.layout, implied[g], by)
            var = moments.layout.parts[2]
            residual[g, var] = residual[g, var] / objective.moments[g, var] if bentler else 0.0
    return _labelled(solved, residual, diagonal=0.0)


def _correlations(layout: Layout, statistics: Array, by: Array) -> Array:
    """Covariances in units of the standard deviations that the statistics `by` hold."""
    sd = np.ones(layout.n_variables)
    sd[layout.variances] = np.sqrt(by[layout.parts[2]])
    return np.asarray(statistics[layout.parts[3]] / (sd[layout.first] * sd[layout.second]))


def _errors(solved: Solved, *, own: bool) -> Array:
    """Standard errors (g, s) of the statistics, or of the residuals: what the estimates follow is left
    out."""
    at = projection(solved.objective, solved.point, solved.sample)
    spreads = empirical_gamma(solved.sample, solved.ram.exogenous, at.keep)
    variance = np.stack([np.diagonal(spread) for spread in spreads])
    if not own:
        pulls = [
            at.inverse @ (w[:, None] * j if w.ndim == 1 else w @ j).T
            for j, w in zip(at.slopes, at.weight, strict=True)
        ]
        shared = sum(pull @ spread @ pull.T for pull, spread in zip(pulls, spreads, strict=True))
        left = [
            np.diagonal(spread) - 2.0 * ((j @ pull) * spread).sum(axis=1) + ((j @ shared) * j).sum(axis=1)
            for j, pull, spread in zip(at.slopes, pulls, spreads, strict=True)
        ]
        variance = np.where(np.stack(left) > 1e-12 * variance, np.stack(left), 0.0)
    return np.sqrt(variance / solved.sample.n_total)


def _labelled(solved: Solved, statistics: Array, *, diagonal: float) -> Tables:
    """Statistics (g, s) as tables by group; `diagonal` stands for the variances of latent responses."""
    part, moments = solved.ram.ordinal, solved.sample.ordinal
    assert part is not None
    assert moments is not None
    layout = moments.layout
    names = [solved.ram.variables[i] for i in part.y]
    covariates = [solved.ram.variables[i] for i in part.x]
    th, slopes, var, cov = layout.parts
    of_item = layout.ordered[layout.th_variable]
    labels = [
        f"{names[j]}|t{k + 1}"
        for j, k in zip(layout.th_variable.tolist(), layout.th_number.tolist(), strict=True)
    ]
    out: Tables = {}
    for label, row in zip(solved.sample.groups, statistics, strict=True):
        matrix = np.diag(np.where(layout.ordered, diagonal, 0.0))
        matrix[layout.first, layout.second] = matrix[layout.second, layout.first] = row[cov]
        matrix[layout.variances, layout.variances] = row[var]
        mean = np.zeros(len(names))
        mean[layout.th_variable[~of_item]] = -row[th][~of_item]
        table: dict[str, Any] = {
            "cov": pd.DataFrame(matrix, index=names, columns=names),
            "mean": pd.Series(mean, index=names),
            "thresholds": pd.Series(
                row[th][of_item], index=[name for name, own in zip(labels, of_item, strict=True) if own]
            ),
        }
        if covariates:
            by_variable = row[slopes].reshape(len(covariates), len(names)).T
            table["slopes"] = pd.DataFrame(by_variable, index=names, columns=covariates)
        out[label] = table
    return out
