"""Covariance of the estimates: inverse information or the sandwich of casewise scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation.information import Information
from sem_models.estimation.least_squares import LeastSquares, MomentPoint
from sem_models.estimation.marginal_likelihood import MarginalLikelihood, MarginalPoint
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.pairwise_likelihood import PairwiseLikelihood
from sem_models.inference.information import parameter_information, parameter_meat
from sem_models.inference.scaled_tests import empirical_gamma, normal_gamma, projection, sandwich
from sem_models.linear_algebra import in_units, positive_inverse
from sem_models.model.ram import Array
from sem_models.observed.sample import Sample

StandardErrors = Literal[
    "standard", "robust.huber.white", "robust.sem", "robust.sem.nt", "first.order", "none",
    "robust.cluster", "robust.cluster.sem", "two.stage", "robust.two.stage",
]  # fmt: skip
REGULAR = 1e8
"""Sum of the inverse eigenvalues of a matrix with unit diagonal up to which it is not singular, for sure."""

FROM_MOMENTS = ("robust.sem", "robust.cluster.sem", "robust.sem.nt", "two.stage", "robust.two.stage")
"""Errors that are a sandwich of the moments' covariance."""


@dataclass(frozen=True, slots=True)
class ParameterCovariance:
    """Covariance of the free rows, free (q, q), NaN where it does not exist, and its parts per row.

    information (k, k) A; meat (k, k) B = Σ s sᵀ / N, or None without casewise scores.
    """

    free: Array
    information: Array
    meat: Array | None
    singular: bool


def parameter_covariance(
    objective: NormalTheory | LeastSquares,
    point: Point | MomentPoint,
    sample: Sample,
    *,
    se: str,
    information: Information,
    scores: bool,
) -> ParameterCovariance:
    """(N A)⁻¹; A⁻¹ B A⁻¹ / N for "robust.huber.white" (Yuan & Bentler, 2000, eq. 10) and
    "robust.cluster"; (N B)⁻¹ for "first.order"; the moments' sandwich for "robust.sem" (Satorra & Bentler,
    1994, eq. 16.10), with the normal-theory Γ for "robust.sem.nt", with that of stage one for "two.stage".

    `scores` asks for B even when the standard errors do not need it. Raises SpecError where B is needed
    and the data are only moments.
    """
    reduction = objective.ram.reduction
    if isinstance(objective, MarginalLikelihood):
        assert isinstance(point, MarginalPoint)
        return _of_answers(objective, point, sample, se)
    curve = parameter_information(objective, point, sample, information)
    meat = None
    of_pairs = isinstance(objective, PairwiseLikelihood)
    if of_pairs and se in ("robust.huber.white", "robust.cluster"):
        se, information = "robust.sem", Information("observed")  # Γ holds the scores' cross-products
    elif scores or se in ("robust.huber.white", "robust.cluster", "first.order"):
        _need_rows(sample)
        assert isinstance(objective, NormalTheory)
        assert isinstance(point, Point)
        meat = parameter_meat(objective, point, sample, information.moments)
    inverse = _inverse(meat if se == "first.order" and meat is not None else curve)
    if inverse is None:
        blank = np.full((objective.ram.n_free,) * 2, np.nan)
        return ParameterCovariance(blank, curve, meat, True)
    middle = inverse
    if se in ("robust.huber.white", "robust.cluster") and meat is not None:
        middle = inverse @ meat @ inverse
    elif se in FROM_MOMENTS:
        at = projection(objective, point, sample, information)
        if information.exact or of_pairs:
            at = replace(at, inverse=np.asarray(np.linalg.pinv(curve, hermitian=True), dtype=np.float64))
        empirical = se != "robust.sem.nt"
        if empirical:
            _need_rows(sample)
        fixed = objective.ram.exogenous
        gamma = empirical_gamma(sample, fixed, at.keep) if empirical else normal_gamma(sample, at.keep)
        middle = sandwich(at, gamma)
    elif se == "none":
        middle = np.full_like(middle, np.nan)
    free = middle if objective.ram.places.unreduced else reduction @ middle @ reduction.T
    return ParameterCovariance(free / sample.n, curve, meat, False)


def _of_answers(
    objective: MarginalLikelihood, point: MarginalPoint, sample: Sample, se: str
) -> ParameterCovariance:
    """The inverse of the observed information, or the sandwich with the scores' cross-products."""
    curve, meat = objective.observed_information(point), objective.meat(point)
    reduction = objective.ram.reduction
    inverse = _inverse(curve)
    if inverse is None:
        return ParameterCovariance(np.full((objective.ram.n_free,) * 2, np.nan), curve, meat, True)
    middle = inverse @ meat @ inverse if se == "robust.huber.white" else inverse
    if se == "none":
        middle = np.full_like(middle, np.nan)
    return ParameterCovariance(reduction @ middle @ reduction.T / sample.n, curve, meat, False)


def _need_rows(sample: Sample) -> None:
    if sample.rows is None:
        raise SpecError(
            "Robust standard errors and tests need the raw data, not a covariance matrix. "
            "Pass data=, or use estimator='ML'."
        )


def _inverse(information: Array) -> Array | None:
    """Inverse in the scale of the diagonal; None where the matrix is singular to working precision."""
    if not len(information):
        return information
    scale = np.sqrt(np.abs(information.diagonal()))
    if (scale == 0).any() or not np.isfinite(scale).all():
        return None
    scaled = in_units(information, scale)
    inverse: Array | None
    try:
        inverse, _ = positive_inverse(scaled)
    except np.linalg.LinAlgError:
        inverse = None
    if inverse is None or inverse.trace() > REGULAR:
        if 1.0 / np.linalg.cond(scaled) < 1e-13:
            return None
        plain = np.asarray(np.linalg.inv(scaled), dtype=np.float64)
        inverse = (plain + plain.T) / 2
    return in_units(inverse, scale)
