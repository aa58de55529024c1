"""Moments by missing pattern, and their normal likelihood at a given Σ and μ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sem_models.model.ram import Array, IntArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Moments of the rows that share a group and a set of observed variables; t patterns.

    group (t,); seen (t, p) which variables are observed; size (..., t) rows; mean (..., t, p) and cov
    (..., t, p, p), divisor n, zero where unseen.
    """

    group: IntArray
    seen: BoolArray
    size: Array
    mean: Array
    cov: Array

    @cached_property
    def share(self) -> Array:
        """n_t / N, (..., t)."""
        return self.size / self.size.sum(axis=-1, keepdims=True)

    @cached_property
    def complete(self) -> bool:
        return bool(self.seen.all())

    def only(self, chosen: IntArray) -> Patterns:
        """The moments of some variables alone; patterns stay as they are."""
        mean, cov = self.mean[..., chosen], self.cov[..., chosen[:, None], chosen]
        return Patterns(self.group, self.seen[:, chosen], self.size, mean, cov)


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Each pattern's part in the likelihood at one Σ, μ.

    weight (..., t, p, p) W = Σ_oo⁻¹ padded with zeros; shift (..., t, p) x̄ − μ padded; second
    (..., t, p, p) S + (x̄ − μ)(x̄ − μ)ᵀ padded; value (..., t) log|Σ_oo| + tr(W second).
    """

    weight: Array
    shift: Array
    second: Array
    value: Array


def sum_by_group(values: Array, group: IntArray, n_groups: int, axis: int) -> Array:
    """Add up patterns within groups along `axis`; patterns are ordered by group, and every group has one."""
    if len(group) == n_groups:
        return values
    return np.asarray(np.add.reduceat(values, np.searchsorted(group, np.arange(n_groups)), axis=axis))


def by_pattern(values: Array, patterns: Patterns, trailing: int) -> Array:
    """Values by group (..., g, *trailing axes) repeated for each pattern (..., t, *trailing axes)."""
    if len(patterns.group) == values.shape[-1 - trailing]:
        return values  # one pattern a group, in order
    return np.take(values, patterns.group, axis=-1 - trailing)


def discrepancy(sigma: Array, mu: Array, patterns: Patterns) -> Discrepancy:
    """−2 log-likelihood per row of each pattern, without the p log 2π. Raises LinAlgError if Σ is not PD."""
    seen = patterns.seen
    sigma_t = by_pattern(sigma, patterns, 2)
    shift = patterns.mean - by_pattern(mu, patterns, 1)
    if not patterns.complete:
        both = seen[:, :, None] & seen[:, None, :]
        sigma_t = np.where(both, sigma_t, 0.0)
        diagonal = np.arange(seen.shape[1])
        sigma_t[..., diagonal, diagonal] += ~seen
        shift = np.where(seen, shift, 0.0)
    chol = np.linalg.cholesky(sigma_t)
    inverse = np.linalg.inv(sigma_t)
    weight = np.asarray(0.5 * (inverse + np.swapaxes(inverse, -1, -2)), dtype=np.float64)
    if not patterns.complete:
        weight = np.where(both, weight, 0.0)
    log_det = 2.0 * np.log(np.diagonal(chol, axis1=-2, axis2=-1)).sum(axis=-1)
    second = patterns.cov + shift[..., :, None] * shift[..., None, :]
    value = log_det + (weight * second).sum(axis=(-1, -2))
    return Discrepancy(weight, shift, second, value)


def complete_patterns(size: Array, mean: Array, cov: Array) -> Patterns:
    """One pattern a group with every variable observed: size (g,), mean (g, p), cov (g, p, p)."""
    g, p = mean.shape
    return Patterns(np.arange(g, dtype=np.intp), np.ones((g, p), dtype=bool), size, mean, cov)
