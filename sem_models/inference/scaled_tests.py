"""Corrections for non-normal data from the moments' asymptotic covariance Γ.

With J = ∂(vech Σ, μ)/∂params and V the weight matrix of the discrepancy, both stacked over groups,
A = Jᵀ V J and U = V − V J A⁻¹ Jᵀ V. Sandwich errors, and the tests of Satorra & Bentler (1994, mean-scaled
and mean-and-variance-adjusted) and Asparouhov & Muthén (2010, scaled and shifted), need only
tr(U Γ), tr((U Γ)²) and A⁻¹ Jᵀ V Γ V J A⁻¹.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from sem_models.estimation import moment_space
from sem_models.estimation.information import Information
from sem_models.estimation.least_squares import LeastSquares, MomentPoint, times
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.model.ram import Array, IntArray, RamModel
from sem_models.observed import moment_likelihood
from sem_models.observed.fourth_moments import asymptotic_covariance
from sem_models.observed.moment_likelihood import moments_explained
from sem_models.observed.patterns import complete_patterns, discrepancy
from sem_models.observed.sample import Sample

EXPECTED = Information("expected")
ScaledKind = Literal["satorra.bentler", "scaled.shifted", "mean.var.adjusted"]


@dataclass(frozen=True, slots=True)
class Projection:
    """By group: slopes J (r', k) and weight V (r', r'), or its diagonal (r',), of the moments explained;
    inverse is A⁻¹ (k, k)."""

    slopes: tuple[Array, ...]
    weight: tuple[Array, ...]
    inverse: Array
    keep: Array


@dataclass(frozen=True, slots=True)
class Scaled:
    """A corrected statistic: statistic / scaling + shift on df degrees of freedom, df possibly fractional."""

    kind: str
    statistic: float
    df: float
    scaling: float
    shift: float
    trace: float
    trace_squared: float


def projection(
    objective: NormalTheory | LeastSquares, point: Point | MomentPoint, sample: Sample,
    information: Information = EXPECTED,
) -> Projection:  # fmt: skip
    """J, V and A⁻¹ at a solution; V of maximum likelihood is the moments' information of the kind asked.

    Groups weigh n_g / N here, as in lavaan, also where the discrepancy weighs them (n_g − 1) / (N − G).
    """
    ram = objective.ram
    keep = kept_moments(sample, ram)
    if isinstance(objective, LeastSquares):
        kept = tuple(
            s * (w[keep] if w.ndim == 1 else w[np.ix_(keep, keep)])
            for s, w in zip(sample.share, objective.weight, strict=True)
        )
    else:
        kept = normal_weight(objective, point, sample, keep, information)
    slopes = _slopes(objective, point, keep)
    bread = sum((j.T @ times(w, j) for j, w in zip(slopes, kept, strict=True)), np.zeros((ram.n_params,) * 2))
    return Projection(slopes, kept, _inverse(bread), keep)


def _inverse(bread: Array) -> Array:
    """The inverse where it clearly exists, else the pseudoinverse."""
    scale = np.sqrt(np.maximum(np.diagonal(bread), 1e-300))
    try:
        pivots = np.diagonal(np.linalg.cholesky(bread / np.outer(scale, scale)))
    except np.linalg.LinAlgError:
        pivots = np.zeros(1)
    if len(pivots) and pivots.min() > 1e-3:
        return np.asarray(np.linalg.inv(bread / np.outer(scale, scale)) / np.outer(scale, scale))
    return np.asarray(np.linalg.pinv(bread, hermitian=True))


def kept_moments(sample: Sample, ram: RamModel) -> Array:
    """Which moments the model explains, (r,) of bool; all statistics of ordered items."""
    if sample.ordinal is not None:
        return np.ones(sample.ordinal.layout.size, dtype=bool)
    return moments_explained(len(sample.variables), ram.exogenous, has_means=ram.has_means)


def normal_weight(
    objective: NormalTheory, point: Point | MomentPoint, sample: Sample, keep: Array,
    information: Information,
) -> tuple[Array, ...]:  # fmt: skip
    """Share times the normal-theory information of the moments at the model-implied ones, by group."""
    mu = point.at.mu if objective.ram.has_means else sample.mean
    sigma = point.at.sigma
    if sample.gamma is not None or information.moments == "unstructured":  # two stages: so in lavaan too
        sigma, mu = sample.cov, sample.mean
    parts = discrepancy(sigma, mu, objective.patterns)
    observed = information.kind == "observed"
    weight = moment_likelihood.curvature(parts, objective.patterns, objective.ram.n_groups, observed=observed)
    return tuple(w[np.ix_(keep, keep)] for w in weight)


def _slopes(
    objective: NormalTheory | LeastSquares, point: Point | MomentPoint, keep: Array
) -> tuple[Array, ...]:
    ram = objective.ram
    if isinstance(objective, LeastSquares):
        assert isinstance(point, MomentPoint)
        by_slot = objective.jacobian(point)
    else:
        by_slot = moment_space.jacobian(ram.slots, point.at)
    out = []
    for g, index in enumerate(ram.slots.free):
        used = index >= 0
        out.append(by_slot[g][keep][:, used] @ ram.reduction[index[used]])
    return tuple(out)


def empirical_gamma(sample: Sample, exogenous: IntArray, keep: Array) -> tuple[Array, ...]:
    """Γ / share by group, from fourth moments or an earlier stage; fixed covariates do not vary."""
    if sample.ordinal is not None:
        return tuple(np.asarray(g / s) for g, s in zip(sample.ordinal.gamma, sample.share, strict=True))
    if sample.gamma is not None:
        return tuple(np.asarray(g[np.ix_(keep, keep)]) for g in sample.gamma)
    assert sample.rows is not None
    return tuple(
        asymptotic_covariance(rows, exogenous)[np.ix_(keep, keep)] / s
        for rows, s in zip(sample.rows, sample.share, strict=True)
    )


def normal_gamma(sample: Sample, keep: Array) -> tuple[Array, ...]:
    """Γ / share by group if the data were normal with the sample's moments (divisor n − 1)."""
    n = sample.n_by_group
    cov = sample.cov if sample.unbiased else sample.cov * (n / (n - 1.0))[:, None, None]
    complete = complete_patterns(n, sample.mean, cov)
    weight = moment_likelihood.curvature(
        discrepancy(cov, sample.mean, complete), complete, len(n), observed=False
    )
    return tuple(np.linalg.inv(w)[np.ix_(keep, keep)] for w in weight)


def sandwich(at: Projection, gamma: tuple[Array, ...]) -> Array:
    """N times the covariance of the parameters, A⁻¹ Jᵀ V Γ V J A⁻¹, (k, k)."""
    return np.asarray(at.inverse @ score_meat_of(at, gamma) @ at.inverse)


def score_meat_of(at: Projection, gamma: tuple[Array, ...]) -> Array:
    """Jᵀ V Γ V J, the covariance of the score per row, (k, k)."""
    total = np.zeros_like(at.inverse)
    for slopes, weight, spread in zip(at.slopes, at.weight, gamma, strict=True):
        right = times(weight, slopes)
        total += right.T @ spread @ right
    return total


def traces(at: Projection, gamma: tuple[Array, ...]) -> tuple[float, float]:
    """tr(U Γ) and tr((U Γ)²)."""
    first = second = 0.0
    k = len(at.inverse)
    once, twice = np.zeros((k, k)), np.zeros((k, k))
    for slopes, weight, spread in zip(at.slopes, at.weight, gamma, strict=True):
        product = times(weight, spread)
        first += float(np.trace(product))
        second += float((product * product.T).sum())
        right = times(weight, slopes)
        along = spread @ right
        once += right.T @ along
        twice += along.T @ times(weight, along)
    inside = at.inverse @ once
    first -= float(np.trace(inside))
    second += float((inside * inside.T).sum()) - 2.0 * float(np.trace(at.inverse @ twice))
    return first, second


def scaled_test(kind: str, statistic: float, df: int, trace: float, trace_squared: float) -> Scaled:
    """The corrected statistic from the two traces; kind is one of ScaledKind.

    Satorra–Bentler: c = tr(UΓ)/df. Mean and variance adjusted: df* = tr(UΓ)²/tr((UΓ)²), c = tr(UΓ)/df*.
    Scaled and shifted: c = √(tr((UΓ)²)/df), shift df − √(df tr(UΓ)²/tr((UΓ)²)).
    """
    if kind == "satorra.bentler":
        scaling, shift, degrees = trace / df, 0.0, float(df)
    elif kind == "mean.var.adjusted":
        degrees = trace**2 / trace_squared
        scaling, shift = trace / degrees, 0.0
    else:
        scaling, degrees = sqrt(trace_squared / df), float(df)
        shift = df - sqrt(df * trace**2 / trace_squared)
    return Scaled(kind, statistic / scaling + shift, degrees, scaling, shift, trace, trace_squared)
