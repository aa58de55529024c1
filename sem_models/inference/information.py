"""Information and cross-products of the scores in the parameters, in every form that options ask for.

With J = ∂(vech Σ, μ)/∂params and A the information of the moments, expected or observed, at the model-implied
or at the saturated moments, "h1" information is Jᵀ A J; the Hessian adds the second derivatives of Σ and μ.
Unstructured cross-products are Jᵀ B J with B those of the saturated model's scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation import moment_space
from sem_models.estimation.information import Information
from sem_models.estimation.least_squares import LeastSquares, MomentPoint
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.scores import score_meat
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.patterns import discrepancy
from sem_models.observed.sample import Sample
from sem_models.observed.saturated_scores import saturated_meat


def parameter_information(
    objective: NormalTheory | LeastSquares, point: Point | MomentPoint, sample: Sample, of: Information
) -> Array:
    """The information of the parameters per row, (k, k)."""
    at_point: Any = point  # each objective takes its own kind of point
    if of.exact:
        return objective.hessian(at_point)
    usual = of.kind == "expected" and of.moments == "structured"
    if usual or isinstance(objective, LeastSquares):  # whose information of the moments is its weight
        return objective.information(at_point)
    assert isinstance(point, Point)
    curve = moment_information(objective, point, sample, of)
    by_slot = moment_space.chain(curve, moment_space.jacobian(objective.ram.slots, point.at))
    return objective.ram.reduce(objective.ram.to_row_pairs(by_slot))


def moment_information(objective: NormalTheory, point: Point, sample: Sample, of: Information) -> Array:
    """The information A of the moments (vech Σ, μ) times the group's share, (g, r, r).

    Expected information of complete rows is that of `objective.patterns`; both kinds agree where the moments
    are the data's own.
    """
    if of.moments == "unstructured":
        _need_saturated(sample)
        parts = discrepancy(sample.cov, sample.mean, objective.patterns)
    else:
        parts = point.parts
    groups = len(sample.groups)
    return moment_likelihood.curvature(parts, objective.patterns, groups, observed=of.kind == "observed")


def parameter_meat(objective: NormalTheory, point: Point, sample: Sample, moments: str) -> Array:
    """Cross-products of the rows' (or clusters') scores per row, (k, k), at either moments."""
    if moments == "structured":
        return score_meat(objective, point, sample.rows or ())
    _need_saturated(sample)
    jac = moment_space.jacobian(objective.ram.slots, point.at)
    by_slot = moment_space.chain(saturated_meat(sample), jac)
    return objective.ram.reduce(objective.ram.to_row_pairs(by_slot))


def saturated_gamma(sample: Sample, keep: Array) -> tuple[Array, ...]:
    """Γ / share of the saturated moments by group: the sandwich of observed information and scores."""
    parts = discrepancy(sample.cov, sample.mean, sample.patterns)
    curve = moment_likelihood.curvature(parts, sample.patterns, len(sample.groups), observed=True)
    chosen = np.ix_(keep, keep)
    out = []
    for information, meat in zip(curve, saturated_meat(sample), strict=True):
        inverse = np.linalg.inv(information[chosen])
        out.append(np.asarray(inverse @ meat[chosen] @ inverse))
    return tuple(out)


def _need_saturated(sample: Sample) -> None:
    if not sample.saturated:
        raise DataError(
            "h1_information='unstructured' takes the saturated moments, which do not exist for these "
            "incomplete data. Use 'structured'."
        )
