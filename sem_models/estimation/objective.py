"""The normal-theory maximum likelihood objective, for complete and incomplete data alike.

f(params) = ½ Σ_t (n_t / N) [log|Σ_t| + tr(Σ_t⁻¹ T_t)], so that −2 log-likelihood = 2 N f + N p log 2π.
It knows nothing of the optimizer that calls it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sem_models.estimation import kernels, moment_space
from sem_models.model.ram import Array, RamModel
from sem_models.observed import moment_likelihood
from sem_models.observed.patterns import Discrepancy, Patterns, discrepancy


@dataclass(frozen=True)
class Point:
    """Everything known of one parameter vector: free rows x (..., q), implied moments, pattern parts."""

    params: Array
    free: Array
    at: kernels.Implied
    parts: Discrepancy
    value: Array

    @cached_property
    def projected(self) -> kernels.Projected:
        """What the derivatives have in common, of complete data: one pattern a group."""
        return kernels.project(self.at.z_cols, self.parts)


@dataclass(frozen=True, slots=True)
class NormalTheory:
    """Objective of a RAM model on pattern moments; without a mean structure the means are the sample's."""

    ram: RamModel
    patterns: Patterns
    sample_mean: Array

    def at(self, params: Array) -> Point | None:
        """The point at `params`, or None where Σ is not positive definite (or I − A is singular)."""
        free = self.ram.free_values(params)
        try:
            moments = kernels.implied(*self.ram.matrices(free), self.ram.n_observed, self.ram.places.sources)
            mu = moments.mu if self.ram.has_means else self.sample_mean
            parts = discrepancy(moments.sigma, mu, self.patterns)
        except np.linalg.LinAlgError:
            return None
        value = 0.5 * (self.patterns.share * parts.value).sum(axis=-1)
        if not np.isfinite(value).all():
            return None
        return Point(params, free, moments, parts, value)

    def gradient(self, point: Point) -> Array:
        """∂f/∂params (..., k)."""
        projected = point.projected if self._one_pattern_each else None
        by_slot = kernels.gradient(self.ram.slots, point.at, point.parts, self.patterns, projected)
        return self.ram.to_parameters(by_slot)

    def information(self, point: Point) -> Array:
        """Expected information per row, (..., k, k)."""
        return self.ram.reduce(self.free_information(point, observed=False))

    def hessian(self, point: Point) -> Array:
        """Observed information per row, (..., k, k)."""
        return self.ram.reduce(self.free_information(point, observed=True))

    def free_information(self, point: Point, *, observed: bool) -> Array:
        """Information of the free rows before equality constraints, (..., q, q).

        One pattern per group is a matter of gathers; many patterns go through the moments, where their sum
        costs two matrix products.
        """
        slots, at, parts = self.ram.slots, point.at, point.parts
        if self._one_pattern_each:
            kernel = kernels.hessian if observed else kernels.expected_information
            return self.ram.to_row_pairs(kernel(slots, at, parts, self.patterns, point.projected))
        curve = moment_likelihood.curvature(parts, self.patterns, self.ram.n_groups, observed=observed)
        by_slot = moment_space.chain(curve, moment_space.jacobian(slots, at))
        if observed:
            by_slot = by_slot + kernels.second_order(slots, at, parts, self.patterns)
        return self.ram.to_row_pairs(by_slot)

    @property
    def _one_pattern_each(self) -> bool:
        return len(self.patterns.group) == self.ram.n_groups
