"""Curvature and scores of the likelihood in the moments (vech Σ, μ), for many missing patterns at once.

With t patterns the sums over patterns of W⊗W are two matrix products, whatever t is. Coordinates of a
group: σ_ij for i ≥ j in row order, then μ; r = p(p+1)/2 + p.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.patterns import Discrepancy, Patterns, fitted_second, sum_by_group

ONE_PATTERN = 100
"""Rows from which it pays to see whether they share a pattern."""


def curvature(parts: Discrepancy, patterns: Patterns, n_groups: int, *, observed: bool) -> Array:
    """Second derivative of ½ Σ_t share_t value_t in the moments, (g, r, r); expected if not `observed`."""
    out = []
    share = patterns.share
    p = parts.weight.shape[-1]
    at = _pairs(p)
    fitted_all = fitted_second(parts, patterns) if observed else None
    for g in range(n_groups):
        t = np.flatnonzero(patterns.group == g)
        weight, portion = parts.weight[t], share[t]
        flat = weight[:, at.row, at.col]
        scaled = portion[:, None] * flat
        cross = np.zeros((p, len(at.row)))
        if fitted_all is not None:
            fitted = fitted_all[t][:, at.row, at.col]
            tensor = scaled.T @ fitted - (portion[:, None] * (flat - fitted)).T @ flat
            u_vec = (weight @ parts.shift[t][..., None])[..., 0]
            cross = (portion[:, None] * u_vec).T @ flat
        else:
            tensor = scaled.T @ flat
        out.append(_assemble(tensor, cross, scaled.sum(axis=0), at))
    return np.stack(out)


def slope(parts: Discrepancy, patterns: Patterns, n_groups: int) -> Array:
    """∂ ½ Σ_t share_t value_t / ∂(vech Σ, μ), (g, r)."""
    share, weight = patterns.share, parts.weight
    residual = share[:, None, None] * (weight - fitted_second(parts, patterns))
    matrix = sum_by_group(residual, patterns.group, n_groups, -3)
    vector = sum_by_group(
        share[:, None] * (weight @ parts.shift[..., None])[..., 0], patterns.group, n_groups, -2
    )
    i, j = np.tril_indices(weight.shape[-1])
    return np.concatenate([np.where(i == j, 0.5, 1.0) * matrix[:, i, j], -vector], axis=1)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Entries of symmetric matrices: row and col (m,) of the lower triangle, half (m,) ½ on the diagonal,
    number (p, p) of each entry; straight and crossed, the entries (m, m) that two pairs join."""

    row: IntArray
    col: IntArray
    half: Array
    number: IntArray
    straight: tuple[IntArray, IntArray]
    crossed: tuple[IntArray, IntArray]


@lru_cache(maxsize=16)
def _pairs(p: int) -> _Pairs:
    i, j = np.tril_indices(p)
    number = np.empty((p, p), dtype=np.intp)
    number[i, j] = number[j, i] = np.arange(len(i))
    r_i, r_j, c_i, c_j = i[:, None], j[:, None], i[None, :], j[None, :]
    straight, crossed = (number[r_i, c_i], number[r_j, c_j]), (number[r_i, c_j], number[r_j, c_i])
    return _Pairs(i, j, np.where(i == j, 0.5, 1.0), number, straight, crossed)


def _assemble(tensor: Array, cross: Array, mean_weight: Array, at: _Pairs) -> Array:
    sigma = at.half[:, None] * at.half * (tensor[at.straight] + tensor[at.crossed])
    by_variable = cross[:, at.number]
    mixed = at.half[:, None] * (by_variable[at.row, at.col] + by_variable[at.col, at.row])
    return np.block([[sigma, mixed], [mixed.T, mean_weight[at.number]]])


def moment_scores(
    parts: Discrepancy, patterns: Patterns, values: Array, mu: Array, pattern: IntArray
) -> Array:
    """∂ log-likelihood / ∂(vech Σ, μ) of each row of one group, (n_rows, r).

    values (n_rows, p) with NaN where missing; mu (p,); pattern (n_rows,) each row's pattern.
    """
    centered = np.where(np.isnan(values), 0.0, values - mu)
    i, j = np.tril_indices(values.shape[1])
    if len(pattern) > ONE_PATTERN and (pattern == pattern[0]).all():
        weight = parts.weight[pattern[0]]
        z = centered @ weight
    else:
        weight = parts.weight[pattern]
        z = (weight @ centered[..., None])[..., 0]
    sigma = np.where(i == j, 0.5, 1.0) * (z[:, i] * z[:, j] - weight[..., i, j])
    return np.concatenate([sigma, z], axis=1)


def moments_explained(n_variables: int, exogenous: IntArray, *, has_means: bool) -> Array:
    """Which of (vech Σ, μ) the model explains, (r,) True or False."""
    p = n_variables
    fixed = np.isin(np.arange(p), exogenous)
    i, j = np.tril_indices(p)
    return np.concatenate([~(fixed[i] & fixed[j]), ~fixed & has_means])
