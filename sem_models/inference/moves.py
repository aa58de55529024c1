"""How far the estimates move without each row, to first order: one Newton step from the full solution.

Maximum likelihood steps by the row's score; least squares have none and step by the gradient of the
discrepancy of the other rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.estimation.least_squares import LeastSquares, least_squares
from sem_models.estimation.scores import free_scores
from sem_models.model.ram import Array
from sem_models.observed.patterns import complete_patterns
from sem_models.observed.sample import Sample

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

SHOWN_AFTER = 2.0
"""Seconds after which a progress bar appears."""


def one_step_moves(solved: Solved) -> Array:
    """How far the free rows move without each row, to first order, (n, q)."""
    return np.asarray(one_step(solved)[0] @ solved.ram.reduction.T)


def one_step(solved: Solved) -> tuple[Array, Array]:
    """One Newton step of the parameters without each row (n, k), and N times the Hessian (k, k)."""
    objective: Any = solved.objective
    point: Any = solved.point
    curve = solved.sample.n * objective.hessian(point)
    if isinstance(solved.objective, LeastSquares):
        slopes = solved.sample.n * gradients_without_rows(solved)
    else:
        slopes = free_scores(objective, point, solved.sample.rows or ()) @ solved.ram.reduction
    scale = np.sqrt(np.abs(np.diagonal(curve)))
    scale = np.where(scale > 0, scale, 1.0)
    inverse = np.linalg.pinv(curve / np.outer(scale, scale), rcond=1e-12, hermitian=True)
    return -(slopes / scale) @ inverse / scale, curve


def gradients_without_rows(solved: Solved) -> Array:
    """The gradient of a least-squares discrepancy without each row, at the solution of all, (n, k).

    The weight matrix of WLS stays that of all rows; that of GLS follows the moments.
    """
    from tqdm import tqdm

    assert isinstance(solved.objective, LeastSquares)
    kind, params = solved.options.discrepancy, np.asarray(solved.point.params)
    assert kind != "ML"
    assert kind != "PML"
    assert kind != "MML"
    out = []
    rows = solved.sample.rows or ()
    units = [(g, k) for g, block in enumerate(rows) for k in range(len(block.values))]
    for group, row in tqdm(units, desc="Influence of each row", delay=SHOWN_AFTER, leave=False):
        less = _moments_without(solved.sample, group, row)
        ram = solved.ram.with_covariates(less.cov, less.mean)
        if kind == "WLS":
            fresh = least_squares(ram, less, "ULS")
            fresh = replace(fresh, weight=solved.objective.weight)
        else:
            fresh = least_squares(ram, less, kind)
        point = fresh.at(params)
        out.append(np.full(len(params), np.nan) if point is None else fresh.gradient(point))
    return np.array(out)


def _moments_without(sample: Sample, group: int, row: int) -> Sample:
    """The complete sample's unbiased moments less one row of n, from S and x̄ of all."""
    assert sample.rows is not None
    cov, mean, size = sample.cov.copy(), sample.mean.copy(), sample.n_by_group.copy()
    n = size[group] + 1.0
    away = sample.rows[group].values[row] - mean[group]
    cov[group] = ((n - 1.0) * cov[group] - n / (n - 1.0) * np.outer(away, away)) / (n - 2.0)
    mean[group] = mean[group] - away / (n - 1.0)
    size[group] -= 1.0
    return replace(sample, cov=cov, mean=mean, patterns=complete_patterns(size, mean, cov))
