"""Saturated moments of many replicates of incomplete rows at once, by the search of `refit`.

In the coordinates in which the information of all rows is the identity a handful of gradients are enough,
where the EM algorithm takes dozens of steps of the same cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.estimation.batched_gradient import inverse
from sem_models.estimation.batches import Batch, IncompleteBatch, Replicated, Seen, saturated
from sem_models.estimation.refit import search
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.patterns import Patterns, discrepancy

SETTLED = 1e-7
"""Change of χ² in an EM step at which moments count as found, where the search has strayed."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Moments cov (g, p, p) and mean (g, p) that replicates begin from, and root (k, k), the coordinates."""

    cov: Array
    mean: Array
    root: Array

    @classmethod
    def at(cls, cov: Array, mean: Array, patterns: Patterns) -> Beginning:
        """By the observed information of rows with these patterns, the expected where it is indefinite."""
        g, r = len(cov), cov.shape[-1] * (cov.shape[-1] + 3) // 2
        parts = discrepancy(cov, mean, patterns)
        root = np.zeros((g * r, g * r))
        for observed in (True, False):
            try:
                curve = moment_likelihood.curvature(parts, patterns, g, observed=observed)
                factors = np.linalg.inv(np.linalg.cholesky(curve))
                break
            except np.linalg.LinAlgError:
                if not observed:
                    raise
        for k, factor in enumerate(factors):
            root[k * r : (k + 1) * r, k * r : (k + 1) * r] = factor.T
        return cls(cov, mean, root)


class _Gradient:
    """∂ ½ Σ share (log|Σ| + tr Σ⁻¹T) / ∂ (vech Σ, μ), groups one after the other."""

    def __init__(self, n_groups: int, p: int) -> None:
        self.n_groups, self.p = n_groups, p
        self.i, self.j = np.tril_indices(p)

    def moments(self, params: Array) -> tuple[Array, Array]:
        by_group = params.reshape(len(params), self.n_groups, -1)
        m = len(self.i)
        cov = np.empty((*by_group.shape[:2], self.p, self.p))
        cov[..., self.i, self.j] = cov[..., self.j, self.i] = by_group[..., :m]
        return cov, by_group[..., m:]

    def params(self, cov: Array, mean: Array) -> Array:
        return np.concatenate([cov[:, self.i, self.j], mean], axis=1).ravel()

    def __call__(
        self, params: Array, batch: Replicated, near: Array | None = None
    ) -> tuple[Array, Array, Seen]:
        cov, mean = self.moments(params)
        weight = inverse(cov, near)
        seen = batch.about(mean, weight)
        assert seen.shift is not None
        v_mat = weight - weight @ seen.second @ weight
        slope = np.where(self.i == self.j, 0.5, 1.0) * v_mat[..., self.i, self.j]
        out = np.concatenate([slope, -(weight @ seen.shift[..., None])[..., 0]], axis=-1)
        return (out * batch.share[..., None]).reshape(len(params), -1), weight, seen


def refit_saturated(batch: IncompleteBatch, begin: Beginning, n_rows: float) -> tuple[Batch, Array]:
    """The moments that maximize each replicate's likelihood, and Σ share (log|Σ| + tr Σ⁻¹T) there, (b,).

    Both are NaN where there are none.
    """
    gradient = _Gradient(*begin.mean.shape)
    found = search(gradient, gradient.params(begin.cov, begin.mean), begin.root, batch, n_rows)
    (cov, mean), value = gradient.moments(found.params), found.value.copy()
    strayed = np.flatnonzero(~np.isfinite(value))
    if len(strayed):
        again, value[strayed] = saturated(
            batch.at(strayed), begin.cov, begin.mean, tolerance=SETTLED / n_rows
        )
        cov[strayed], mean[strayed] = again.cov, again.mean
    return Batch(cov, mean, batch.share), value
