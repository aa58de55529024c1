"""Least-squares discrepancies ½ Σ_g share eᵀ V e of the moments, with the optimizer's interface.

GLS, ULS and WLS differ only in the weight matrix V (Browne, 1984); e = (vech S − vech Σ, x̄ − μ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation import kernels, moment_space
from sem_models.linear_algebra import factored
from sem_models.model.ram import Array, RamModel
from sem_models.observed import moment_likelihood
from sem_models.observed.fourth_moments import asymptotic_covariance
from sem_models.observed.patterns import complete_patterns, discrepancy
from sem_models.observed.sample import Sample

Kind = Literal["GLS", "ULS", "WLS", "DWLS"]

SINGULAR = 1e-6
"""Cholesky pivot of Γ, in units of its diagonal, up to which its inverse would be rounding error."""


@dataclass(frozen=True, slots=True)
class MomentPoint:
    """One parameter vector: free rows x (q,), implied moments, residuals (g, r) and V e (g, r)."""

    params: Array
    free: Array
    at: kernels.Implied
    residual: Array
    weighted: Array
    value: Array


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """weight (g, r, r) is V; moments (g, r) the sample's (vech S, x̄); share (g,) each group's part of N."""

    ram: RamModel
    moments: Array
    weight: Array
    share: Array

    def at(self, params: Array) -> MomentPoint | None:
        """The point at `params`; None where I − A is singular or the value is not finite."""
        free = self.ram.free_values(params)
        try:
            at = kernels.implied(*self.ram.matrices(free), self.ram.n_observed, self.ram.places.sources)
        except np.linalg.LinAlgError:
            return None
        i, j = np.tril_indices(self.ram.n_observed)
        residual = self.moments - np.concatenate([at.sigma[:, i, j], at.mu], axis=1)
        if not self.ram.has_means:
            residual[:, len(i) :] = 0.0
        weighted = (self.weight @ residual[..., None])[..., 0]
        value = 0.5 * (self.share * (residual * weighted).sum(axis=1)).sum()
        if not np.isfinite(value):
            return None
        return MomentPoint(params, free, at, residual, weighted, np.asarray(value))

    def jacobian(self, point: MomentPoint) -> Array:
        """∂ moments / ∂ slot, (g, r, n)."""
        return moment_space.jacobian(self.ram.slots, point.at)

    def gradient(self, point: MomentPoint) -> Array:
        """∂f/∂params (k,)."""
        jac = self.jacobian(point)
        by_slot = -self.share[:, None] * np.einsum("grn,gr->gn", jac, point.weighted)
        return self.ram.to_parameters(by_slot)

    def information(self, point: MomentPoint) -> Array:
        """Gauss–Newton curvature per row, (k, k)."""
        return self.ram.reduce(self.free_information(point, observed=False))

    def hessian(self, point: MomentPoint) -> Array:
        """Exact second derivative, (k, k)."""
        return self.ram.reduce(self.free_information(point, observed=True))

    def free_information(self, point: MomentPoint, *, observed: bool) -> Array:
        """Curvature of the free rows before equality constraints, (q, q)."""
        slots = self.ram.slots
        by_slot = moment_space.chain(self.share[:, None, None] * self.weight, self.jacobian(point))
        if observed:
            by_slot = by_slot + kernels.bend(slots, point.at, *self._dual(point))
        return self.ram.to_row_pairs(by_slot)

    def _dual(self, point: MomentPoint) -> tuple[Array, Array]:
        """−V e as a symmetric matrix per group, and its mean part: what multiplies the second derivatives."""
        p = self.ram.n_observed
        i, j = np.tril_indices(p)
        scaled = self.share[:, None] * point.weighted
        matrix = np.zeros((len(scaled), p, p))
        half = np.where(i == j, 2.0, 1.0)
        matrix[:, i, j] = matrix[:, j, i] = -scaled[:, : len(i)] * half
        return matrix, scaled[:, len(i) :]


def times(weight: Array, matrix: Array) -> Array:
    """V M for V (..., s, s) or its diagonal (..., s), M (..., s, m)."""
    return weight @ matrix if weight.ndim == matrix.ndim else weight[..., None] * matrix


def least_squares(ram: RamModel, sample: Sample, kind: Kind) -> LeastSquares:
    """The objective of an estimator on a sample with unbiased moments; its χ² is Σ (n_g − 1) eᵀ V e.

    GLS weighs by the normal-theory information at the sample moments, ULS equally, WLS by the inverse of
    the moments' asymptotic covariance. Raises DataError where WLS has no rows, fewer than moments, or moments
    that determine one another.
    """
    n, cov = sample.n_by_group, sample.cov
    p = len(sample.variables)
    i, j = np.tril_indices(p)
    moments = np.concatenate([cov[:, i, j], sample.mean], axis=1)
    share = n / n.sum()
    if kind == "ULS":
        weight = np.broadcast_to(np.eye(moments.shape[1]), (len(n), moments.shape[1], moments.shape[1]))
    elif kind == "GLS":
        complete = complete_patterns(n, sample.mean, cov)
        normal = moment_likelihood.curvature(
            discrepancy(cov, sample.mean, complete), complete, len(n), observed=False
        )
        weight = normal / share[:, None, None]
    else:
        weight = _inverse_gamma(sample, ram)
    return LeastSquares(ram, moments, np.ascontiguousarray(weight), share)


def _inverse_gamma(sample: Sample, ram: RamModel) -> Array:
    """Inverse of Γ by group, zero for the moments of fixed covariates."""
    if sample.rows is None:
        raise DataError("WLS needs the raw data: its weights are fourth moments. Pass data=, or use ML.")
    keep = moment_likelihood.moments_explained(ram.n_observed, ram.exogenous, has_means=ram.has_means)
    used = int(keep.sum())
    blocks = []
    for label, rows in zip(sample.groups, sample.rows, strict=True):
        if len(rows.values) <= used:
            where = f" in group '{label}'" if label else ""
            raise DataError(
                f"WLS needs more rows than moments: {len(rows.values)} rows{where} for {used} moments. "
                "Use MLR or MLM, which stay valid without normality, or fewer items."
            )
        chosen = np.ix_(keep, keep)
        weight = np.zeros((len(keep),) * 2)
        weight[chosen] = inverse_of_gamma(asymptotic_covariance(rows, ram.exogenous)[chosen], label)
        blocks.append(weight)
    return np.stack(blocks)


def inverse_of_gamma(gamma: Array, label: str) -> Array:
    """Γ⁻¹ (r, r) of one group. DataError where moments determine one another."""
    if not factored(gamma).pivot > SINGULAR:
        where = f" in group '{label}'" if label else ""
        raise DataError(
            f"WLS weighs by the inverse of the moments' covariance, which has none{where}: moments determine "
            "one another, as mean and variance do where a variable takes two values. Name such a variable in "
            "ordered=, with WLSMV, which weighs each moment by itself; or use MLR or MLM."
        )
    return np.asarray(np.linalg.inv(gamma), dtype=np.float64)
