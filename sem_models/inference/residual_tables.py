"""Residual moments and casewise residuals as labelled tables."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.factor_scores import designs, score_rows
from sem_models.inference.ordinal_tables import ordinal_residuals
from sem_models.inference.residual_errors import in_units, residual_errors
from sem_models.inference.residuals import bentler, bollen, raw
from sem_models.inference.row_tables import by_row, fitted_rows
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array

ResidualType = Literal["raw", "cor", "cor_bollen", "cor_bentler", "normalized", "standardized", "casewise"]
KINDS = {"raw": raw, "cor": bollen, "cor_bollen": bollen, "cor_bentler": bentler}
TYPES = (*KINDS, "normalized", "standardized", "casewise")


def residual_tables(solved: Solved, kind: str) -> Any:
    """{group: {"cov": frame, "mean": series, …}}, or one frame of rows for "casewise"."""
    kind = kind.replace(".", "_")
    if kind not in TYPES:
        raise SpecError(f"residuals(type='{kind}') is unknown. {did_you_mean(kind, TYPES, noun='types')}")
    if solved.sample.ordinal is not None:
        return ordinal_residuals(solved, kind)
    if kind == "casewise":
        return casewise(solved)
    sample, at = solved.sample, solved.point.at
    mu = at.mu if solved.ram.has_means else sample.mean
    transform = KINDS.get(kind, raw)
    found = [transform(sample.cov[g], sample.mean[g], at.sigma[g], mu[g]) for g in range(len(sample.groups))]
    if kind in KINDS or not sample.saturated:
        tables = [{"cov": r.cov, "mean": r.mean} for r in found]
    else:
        tables = _in_errors(solved, kind, [(r.cov, r.mean) for r in found])
    if not sample.saturated:
        tables = [{key: np.full_like(v, np.nan) for key, v in table.items()} for table in tables]
    names = list(sample.variables)
    return {
        label: {
            key: pd.DataFrame(v, index=names, columns=names) if v.ndim == 2 else pd.Series(v, index=names)
            for key, v in table.items()
        }
        for label, table in zip(sample.groups, tables, strict=True)
    }


def _in_errors(solved: Solved, kind: str, found: list[tuple[Array, Array]]) -> list[dict[str, Array]]:
    errors = residual_errors(solved)
    p = solved.ram.n_observed
    i, j = np.tril_indices(p)
    out = []
    for g, (cov, mean) in enumerate(found):
        line = (errors.sample if kind == "normalized" else errors.residual)[g]
        spread = np.zeros((p, p))
        spread[i, j] = spread[j, i] = line[: len(i)]
        table = {"cov": in_units(cov, spread), "mean": in_units(mean, line[len(i) :])}
        if kind == "standardized":
            table |= {"cov_se": spread, "mean_se": line[len(i) :]}
        out.append(table)
    return out


def casewise(solved: Solved) -> pd.DataFrame:
    """y − ŷ of each row, ŷ from the regression scores of the latent variables and the row's other answers.

    Fixed covariates are left out; NaN where an answer, or one that predicts it, is missing. Bollen &
    Arminger (1991), Sociological Methodology, 21, 235–262.
    """
    blocks, index = fitted_rows(solved, "Casewise residuals")
    ram, p = solved.ram, solved.ram.n_observed
    a_mat = ram.matrices(solved.point.free)[0]
    shown = np.setdiff1d(np.arange(p), ram.exogenous)
    parts = []
    for g, ((values, position), design) in enumerate(zip(blocks, designs(solved), strict=True)):
        scores = score_rows(design, values, "regression", errors=False)[0] - design.latent_mean
        centered = values - design.mu
        predicted = scores @ a_mat[g, :p, p:].T
        for row, source in zip(*np.nonzero(a_mat[g, :p, :p]), strict=True):
            predicted[:, row] += a_mat[g, row, source] * centered[:, source]
        names = [ram.variables[k] for k in shown]
        parts.append(((centered - predicted)[:, shown], position, names))
    return by_row(solved, parts, index)
