"""Quasi-maximum likelihood for latent products (Klein & Muthén, 2007): the log-likelihood of all rows.

ℓ = Σ log N(oᵢ; μ, Σ) + Σ [log N(tᵢ; e(cᵢ), v(cᵢ)) − log N(tᵢ; 0, V)], where Σ and μ are what the arrows alone
imply, tᵢ the scaling variables and cᵢ the contrasts free of the quadratic outcomes: the first sum is the
engine's own likelihood, the second is zero where no product has an effect. docs/latent-interactions.md has
the derivation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, pi

import numpy as np

from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.scores import free_scores
from sem_models.model.ram import Array, RamModel
from sem_models.moderation.latent.quadratic_plan import quadratic_plan
from sem_models.moderation.latent.quasi_curvature import added_curvature, added_scores
from sem_models.moderation.latent.quasi_data import SortedRows, sorted_rows
from sem_models.moderation.latent.quasi_moments import (
    Arrows,
    Layout,
    QuasiMoments,
    Within,
    layout,
    pull_back,
    quasi_moments,
)
from sem_models.moderation.latent.quasi_rows import RowInputs, row_terms
from sem_models.observed.sample import Sample


@dataclass(frozen=True, eq=False)
class QuasiLikelihood:
    """The quasi-log-likelihood of a sample under `ram`, whose products are variables without variance."""

    ram: RamModel
    sample: Sample
    normal: NormalTheory
    at: Layout
    rows: SortedRows

    def value_and_gradient(self, params: Array) -> tuple[float, Array] | None:
        """ℓ and ∂ℓ/∂params (k,); None where a covariance matrix is not positive definite."""
        point = self.normal.at(params)
        if point is None:
            return None
        here, moments, within = self._moments(point)
        inputs = self._inputs(moments)
        found = row_terms(inputs, self.at.plan)
        if found is None:
            return None
        n = self.sample.n
        patterns = self.normal.patterns
        constant = log(2.0 * pi) * float((patterns.share * patterns.seen.sum(axis=1)).sum())
        value = float(found.value.sum()) - n * (float(point.value) + 0.5 * constant)
        adjoint = summed(found.slopes, self.rows)
        gradient = pull_back(adjoint, moments, within, here, self.at)
        return value, gradient - n * self.normal.gradient(point)

    def case_scores(self, params: Array) -> Array:
        """∂ℓᵢ/∂params (N, k), in the order of `Sample.rows`."""
        point = self._point(params)
        assert self.sample.rows is not None
        scores = free_scores(self.normal, point, self.sample.rows) @ self.ram.reduction
        found = row_terms(self._inputs(self._moments(point)[1]), self.at.plan)
        assert found is not None
        scores[self.rows.order] += added_scores(found.slopes, params, self.at, self.rows)
        return np.asarray(scores)

    def information(self, params: Array) -> Array:
        """Observed information −∂²ℓ/∂params² (k, k)."""
        point = self._point(params)
        inputs = self._inputs(self._moments(point)[1])
        found = row_terms(inputs, self.at.plan)
        assert found is not None
        added = added_curvature(inputs, summed(found.slopes, self.rows), params, self.at, self.rows)
        return np.asarray(self.sample.n * self.normal.hessian(point) - added)

    def error_bound(self, params: Array) -> float:
        """The quasi-likelihood is in closed form."""
        return 0.0

    def _point(self, params: Array) -> Point:
        point = self.normal.at(params)
        assert point is not None, "the likelihood is only differentiated where it exists"
        return point

    def _moments(self, point: Point) -> tuple[Arrows, QuasiMoments, Within]:
        here = Arrows(self.ram.matrices(point.free)[0], point.at.total, point.at.cov_all, point.at.eta)
        moments, within = quasi_moments(here, point.parts.weight, self.at)
        return here, moments, within

    def _inputs(self, moments: QuasiMoments) -> RowInputs:
        rows = self.rows
        return RowInputs(
            rows.affine(moments.p_mat, moments.b_a), rows.affine(moments.u_mat, moments.b_t),
            *(rows.spread(part) for part in (moments.gamma, moments.k_mat, moments.phi, moments.v_mat)),
        )  # fmt: skip


def summed(slopes: RowInputs, rows: SortedRows) -> QuasiMoments:
    """Derivatives by the moments of each pattern from derivatives by row."""
    gamma, k_mat, phi, v_mat = (
        rows.add_up(part) for part in (slopes.gamma, slopes.k_mat, slopes.phi, slopes.v_mat)
    )
    a, t = slopes.a, slopes.t
    return QuasiMoments(
        rows.add_products(a), rows.add_up(a), rows.add_products(t), rows.add_up(t), gamma, k_mat, phi, v_mat
    )


def quasi_likelihood(
    ram: RamModel, sample: Sample, products: Mapping[str, tuple[str, ...]]
) -> QuasiLikelihood:
    """The quasi-likelihood of a sample. `products` names the products' factors; SpecError if it cannot be."""
    patterns = sample.patterns
    plan = quadratic_plan(ram, products, patterns.seen)
    normal = NormalTheory(ram, patterns, sample.mean)
    return QuasiLikelihood(
        ram, sample, normal, layout(ram, plan, patterns.group, patterns.seen), sorted_rows(sample)
    )
