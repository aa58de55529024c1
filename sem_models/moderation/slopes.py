"""Simple-slope lines of an outcome on its predictors, one line a group, in the items' scale points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError
from sem_models.inference.result import Fit
from sem_models.model.ram import Array

POINTS = 41
LEVEL = 0.95


def slope_lines(fit: Fit, outcome: str, predictors: Sequence[str], *, spread: float = 2.0) -> pd.DataFrame:
    """Predicted outcome over each predictor, the outcome's other predictors held at their pooled means.

    A latent variable is shown in the metric of its marker item: marker intercept plus latent value. x runs
    over the pooled mean ± `spread` within-group standard deviations. Meant for a fit with equal loadings
    and intercepts; without them the lines' heights are not comparable between groups. Columns group,
    predictor, x, y, lower, upper (pointwise 95 % band by the delta method; pooled means taken as given).
    """
    solved, table = fit.solved, fit.solved.table
    if not solved.ram.has_means:
        raise SpecError(
            "Simple-slope lines need intercepts: fit with meanstructure=True (or with groups, or "
            "missing='fiml')."
        )
    half = float(ndtri((1 + LEVEL) / 2))
    names = solved.ram.variables
    share = solved.sample.share
    mean_of = {n: float(share @ solved.point.at.eta[:, i]) for i, n in enumerate(names)}
    variance = np.diagonal(solved.point.at.cov_all, axis1=-2, axis2=-1)
    sd_of = {n: float(np.sqrt(share @ variance[:, i])) for i, n in enumerate(names)}
    frames = []
    for predictor in predictors:
        x = mean_of[predictor] + sd_of[predictor] * np.linspace(-spread, spread, POINTS)
        for g, label in enumerate(fit.groups):
            row_of = {row.key: i for i, row in enumerate(table.rows) if row.block == g + 1}
            weights = np.zeros((POINTS, len(table.rows)))
            found = False
            for (lhs, op, rhs), i in row_of.items():
                if lhs == outcome and op == "~":
                    weights[:, i] = x if rhs == predictor else mean_of[rhs]
                    found = found or rhs == predictor
            if not found:
                raise SpecError(f"The model has no path {outcome} ~ {predictor}.")
            weights[:, row_of[(outcome, "~1", "")]] = 1.0
            origin_y, origin_x = _origin(fit, outcome, g), _origin(fit, predictor, g)
            if origin_y is not None:
                weights[:, origin_y] += 1.0
            y = weights @ solved.rows.value
            error = solved.errors_of(np.asarray(weights @ solved.rows.jacobian, dtype=float))
            shift = solved.rows.value[origin_x] if origin_x is not None else 0.0
            frames.append(_frame(label, predictor, x + shift, y, half * error))
    return pd.concat(frames, ignore_index=True)


def _origin(fit: Fit, name: str, g: int) -> int | None:
    """Row of the intercept of a latent variable's marker, which places it in scale points."""
    rows = fit.solved.table.rows
    marker = next(
        (r.rhs for r in rows if r.op == "=~" and r.lhs == name and r.block == g + 1 and r.fixed == 1.0), None
    )
    if marker is None:
        return None
    return next((i for i, r in enumerate(rows) if r.key == (marker, "~1", "") and r.block == g + 1), None)


def _frame(label: str, predictor: str, x: Array, y: Array, half: Array) -> pd.DataFrame:
    return pd.DataFrame(
        {"group": label, "predictor": predictor, "x": x, "y": y, "lower": y - half, "upper": y + half}
    )
