"""Browne's residual-based tests: the residuals of the moments, less what the parameters can still explain.

Browne, M. W. (1984). British Journal of Mathematical and Statistical Psychology, 37, eq. 2.20a and 2.20b:
N eᵀ [W − W J (Jᵀ W J)⁻¹ Jᵀ W] e, with W the inverse of the moments' asymptotic covariance.
"""

from __future__ import annotations

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation.least_squares import LeastSquares, MomentPoint
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.inference.scaled_tests import empirical_gamma, normal_gamma, normal_weight, projection
from sem_models.model.ram import Array
from sem_models.observed.sample import Sample


def residual_test(
    kind: str, objective: NormalTheory | LeastSquares, point: Point | MomentPoint, sample: Sample
) -> float:
    """The statistic of `kind` browne.residual.nt, .nt.model or .adf."""
    ram = objective.ram
    at = projection(objective, point, sample)
    mu = point.at.mu if ram.has_means else sample.mean
    i, j = np.tril_indices(ram.n_observed)
    bread: Array = np.zeros((ram.n_params,) * 2)
    along, total = np.zeros(ram.n_params), 0.0
    for g, weight in enumerate(_weights(kind, objective, point, sample, at.keep)):
        residual = np.concatenate([(sample.cov[g] - point.at.sigma[g])[i, j], sample.mean[g] - mu[g]])[
            at.keep
        ]
        weighted = weight @ residual
        bread += at.slopes[g].T @ weight @ at.slopes[g]
        along += at.slopes[g].T @ weighted
        total += float(residual @ weighted)
    return sample.n * (total - float(along @ np.linalg.lstsq(bread, along, rcond=None)[0]))


def _weights(
    kind: str, objective: NormalTheory | LeastSquares, point: Point | MomentPoint, sample: Sample, keep: Array
) -> tuple[Array, ...]:
    if kind == "browne.residual.adf":
        if sample.rows is None:
            raise DataError("test='browne.residual.adf' needs the raw data: its weights are fourth moments.")
        gamma = empirical_gamma(sample, objective.ram.exogenous, keep)
        return tuple(np.asarray(np.linalg.inv(g), dtype=np.float64) for g in gamma)
    if kind == "browne.residual.nt.model":
        return normal_weight(objective, point, sample, keep)
    return tuple(np.asarray(np.linalg.inv(g), dtype=np.float64) for g in normal_gamma(sample, keep))
