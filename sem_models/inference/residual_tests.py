"""Browne's residual-based tests: the residuals of the moments, less what the parameters can still explain.

Browne, M. W. (1984). British Journal of Mathematical and Statistical Psychology, 37, eq. 2.20a and 2.20b:
N eᵀ [W − W J (Jᵀ W J)⁻¹ Jᵀ W] e, with W the inverse of the moments' asymptotic covariance.
"""

from __future__ import annotations

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation import kernels, moment_space
from sem_models.estimation.least_squares import LeastSquares, MomentPoint
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.inference.scaled_tests import empirical_gamma
from sem_models.linear_algebra import factored, inverse
from sem_models.model.ram import Array, RamModel
from sem_models.observed.moment_likelihood import moments_explained
from sem_models.observed.patterns import Discrepancy, complete_patterns
from sem_models.observed.sample import Sample


def residual_test(
    kind: str, objective: NormalTheory | LeastSquares, point: Point | MomentPoint, sample: Sample,
    information: Array | None = None,
) -> float:  # fmt: skip
    """The statistic of `kind` browne.residual.nt, .nt.model or .adf.

    information (k, k) is the expected one at this point, per row, if it is at hand.
    """
    ram = objective.ram
    reduction = ram.reduction if ram.unheld is None else ram.unheld
    if kind == "browne.residual.adf":
        bread, along, total = _distribution_free(ram, reduction, point, sample)
    else:
        at_point = information if kind == "browne.residual.nt.model" and ram.unheld is None else None
        bread, along, total = _normal_theory(kind, ram, reduction, point, sample, at_point)
    return sample.n * (total - float(along @ _solved(bread, along)))


def _solved(bread: Array, along: Array) -> Array:
    """Least-norm solution where the parameters are not all determined."""
    found = factored(bread)
    if len(along) and found.pivot > 1e-6:
        return found.solve(along)
    return np.asarray(np.linalg.lstsq(bread, along, rcond=None)[0])


def implied_inverse(point: Point | MomentPoint) -> Array:
    """Σ⁻¹ (g, p, p) at a point; the likelihood of complete data knows it already."""
    if isinstance(point, Point) and point.parts.weight.shape == point.at.sigma.shape:
        return point.parts.weight
    return inverse(point.at.sigma)


def _normal_theory(
    kind: str,
    ram: RamModel,
    reduction: Array,
    point: Point | MomentPoint,
    sample: Sample,
    information: Array | None,
) -> tuple[Array, Array, float]:
    """JᵀWJ, JᵀWe and eᵀWe with the normal-theory W at the implied or the sample's covariances: gathers."""
    at, n = point.at, sample.n_by_group
    if kind == "browne.residual.nt":
        weight = inverse(sample.cov if sample.unbiased else sample.cov * (n / (n - 1.0))[:, None, None])
    else:
        weight = implied_inverse(point)
    mu = at.mu if ram.has_means else sample.mean
    residual, shift = sample.cov - at.sigma, sample.mean - mu
    share = n / n.sum()
    bread = information
    if bread is None:
        patterns = complete_patterns(n, sample.mean, sample.cov)
        parts = Discrepancy(weight, shift, residual, np.zeros(len(n)))
        by_row = ram.to_row_pairs(kernels.expected_information(ram.slots, at, parts, patterns))
        bread = reduction.T @ by_row @ reduction
    weighted = weight @ residual @ weight
    pull = (weight @ shift[..., None])[..., 0]
    slopes = kernels.slopes_along(ram.slots, at, share[:, None, None] * weighted, share[:, None] * pull)
    along = ram.to_parameters(slopes) if ram.unheld is None else ram.to_rows(slopes) @ reduction
    squares = 0.5 * (weighted * residual).sum(axis=(-1, -2)) + (shift * pull).sum(axis=-1)
    return bread, along, float(share @ squares)


def _distribution_free(
    ram: RamModel, reduction: Array, point: Point | MomentPoint, sample: Sample
) -> tuple[Array, Array, float]:
    """The same with W the inverse of the moments' fourth-order covariance."""
    if sample.rows is None:
        raise DataError("test='browne.residual.adf' needs the raw data: its weights are fourth moments.")
    keep = moments_explained(ram.n_observed, ram.exogenous, has_means=ram.has_means)
    mu = point.at.mu if ram.has_means else sample.mean
    i, j = np.tril_indices(ram.n_observed)
    by_slot = moment_space.jacobian(ram.slots, point.at)
    k = reduction.shape[1]
    bread, along, total = np.zeros((k, k)), np.zeros(k), 0.0
    for g, gamma in enumerate(empirical_gamma(sample, ram.exogenous, keep)):
        weight = np.linalg.inv(gamma)
        residual = np.concatenate([(sample.cov[g] - point.at.sigma[g])[i, j], sample.mean[g] - mu[g]])[keep]
        used = ram.slots.free[g] >= 0
        slopes = by_slot[g][keep][:, used] @ reduction[ram.slots.free[g][used]]
        weighted = weight @ residual
        bread += slopes.T @ weight @ slopes
        along += slopes.T @ weighted
        total += float(residual @ weighted)
    return bread, along, total
