"""Moments by missing pattern, and their normal likelihood at a given Σ and μ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sem_models.linear_algebra import positive_inverse
from sem_models.model.ram import Array, IntArray
from sem_models.observed.elimination import inverted

BoolArray = NDArray[np.bool_]

DETERMINED = 1e4
"""Variance inflation above which the inverse of all variables is not used for parts of them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Patterns (t',) by number that lack m variables each, and which (t', m)."""

    which: IntArray
    missing: IntArray


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

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """The patterns that lack variables, by how many."""
        lacking = (~self.seen).sum(axis=1)
        out = []
        for m in np.unique(lacking[lacking > 0]):
            which = np.flatnonzero(lacking == m)
            missing = np.nonzero(~self.seen[which])[1].reshape(len(which), m)
            out.append(Gap(which, missing))
        return tuple(out)

    @cached_property
    def several(self) -> IntArray:
        """The patterns of more than one row: the others have no covariance."""
        return np.flatnonzero(self.cov.any(axis=(-1, -2)))

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
    shift = patterns.mean - by_pattern(mu, patterns, 1)
    if not patterns.complete:
        shift = np.where(patterns.seen, shift, 0.0)
    found = None if patterns.complete or sigma.ndim > 3 else _from_whole(sigma, patterns)
    weight, log_det = _one_by_one(sigma, patterns) if found is None else found
    second = patterns.cov + shift[..., :, None] * shift[..., None, :]
    value = log_det + (weight * second).sum(axis=(-1, -2))
    return Discrepancy(weight, shift, second, value)


def _one_by_one(sigma: Array, patterns: Patterns) -> tuple[Array, Array]:
    """Padded Σ_oo⁻¹ (..., t, p, p) and log|Σ_oo| of each pattern by itself."""
    seen = patterns.seen
    sigma_t = by_pattern(sigma, patterns, 2)
    if not patterns.complete:
        both = seen[:, :, None] & seen[:, None, :]
        sigma_t = np.where(both, sigma_t, 0.0)
        diagonal = np.arange(seen.shape[1])
        sigma_t[..., diagonal, diagonal] += ~seen
    weight, log_det = positive_inverse(sigma_t)
    if not patterns.complete:
        weight = np.where(both, weight, 0.0)
    return weight, log_det


def _from_whole(sigma: Array, patterns: Patterns) -> tuple[Array, Array] | None:
    """The same from K = Σ⁻¹ of all: Σ_oo⁻¹ = K_oo − K_om K_mm⁻¹ K_mo, log|Σ_oo| = log|Σ| + log|K_mm|.

    None where Σ is not positive definite, as its parts may be, or where a variable is all but determined by
    the others, which would cost digits.
    """
    try:
        whole, log_det_of_all = positive_inverse(sigma)
    except np.linalg.LinAlgError:
        return None
    inflation = np.diagonal(whole, axis1=-2, axis2=-1) * np.diagonal(sigma, axis1=-2, axis2=-1)
    if inflation.max() > DETERMINED:
        return None
    weight = whole[patterns.group]
    log_det = log_det_of_all[patterns.group]
    for gap in patterns.gaps:
        t, missing = gap.which[:, None], gap.missing
        columns = weight[t, :, missing]  # (t', m, p)
        among = weight[t[:, :, None], missing[:, :, None], missing[:, None, :]]
        inverse, of_gap = inverted(np.moveaxis(among, 0, -1)[None].copy())
        log_det[gap.which] += of_gap[0]
        part = weight[gap.which] - np.swapaxes(columns, 1, 2) @ np.moveaxis(inverse[0], -1, 0) @ columns
        rows = np.arange(len(missing))[:, None]
        part[rows, missing] = 0.0
        part[rows, :, missing] = 0.0
        weight[gap.which] = part
    return weight, log_det


def fitted_second(parts: Discrepancy, patterns: Patterns) -> Array:
    """W second W of each pattern, (..., t, p, p)."""
    weight = parts.weight
    if patterns.complete or weight.ndim > 3:
        return np.asarray(weight @ parts.second @ weight)
    along = (weight @ parts.shift[..., None])[..., 0]
    out = along[:, :, None] * along[:, None, :]
    t = patterns.several
    out[t] += weight[t] @ patterns.cov[t] @ weight[t]
    return out


def complete_patterns(size: Array, mean: Array, cov: Array) -> Patterns:
    """One pattern a group with every variable observed: size (g,), mean (g, p), cov (g, p, p)."""
    g, p = mean.shape
    return Patterns(np.arange(g, dtype=np.intp), np.ones((g, p), dtype=bool), size, mean, cov)
