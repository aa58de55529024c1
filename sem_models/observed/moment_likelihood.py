"""Curvature and scores of the likelihood in the moments (vech Σ, μ), for many missing patterns at once.

With t patterns the sums over patterns of W⊗W are two matrix products, whatever t is. Coordinates of a
group: σ_ij for i ≥ j in row order, then μ; r = p(p+1)/2 + p.
"""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.patterns import Discrepancy, Patterns, sum_by_group

ONE_PATTERN = 100
"""Rows from which it pays to see whether they share a pattern."""


def curvature(parts: Discrepancy, patterns: Patterns, n_groups: int, *, observed: bool) -> Array:
    """Second derivative of ½ Σ_t share_t value_t in the moments, (g, r, r); expected if not `observed`."""
    out = []
    share = patterns.share
    for g in range(n_groups):
        t = np.flatnonzero(patterns.group == g)
        weight, portion = parts.weight[t], share[t]
        n_t, p = weight.shape[0], weight.shape[1]
        flat = weight.reshape(n_t, p * p)
        scaled = portion[:, None] * flat
        mean_weight = scaled.sum(axis=0).reshape(p, p)
        cross = np.zeros((p, p, p))
        if observed:
            fitted = weight @ parts.second[t] @ weight
            residual = (weight - fitted).reshape(n_t, p * p)
            tensor = scaled.T @ fitted.reshape(n_t, p * p) - (portion[:, None] * residual).T @ flat
            u_vec = (weight @ parts.shift[t][..., None])[..., 0]
            cross = ((portion[:, None] * u_vec).T @ flat).reshape(p, p, p)
        else:
            tensor = scaled.T @ flat
        out.append(_assemble(tensor.reshape(p, p, p, p), cross, mean_weight))
    return np.stack(out)


def slope(parts: Discrepancy, patterns: Patterns, n_groups: int) -> Array:
    """∂ ½ Σ_t share_t value_t / ∂(vech Σ, μ), (g, r)."""
    share, weight = patterns.share, parts.weight
    residual = share[:, None, None] * (weight - weight @ parts.second @ weight)
    matrix = sum_by_group(residual, patterns.group, n_groups, -3)
    vector = sum_by_group(
        share[:, None] * (weight @ parts.shift[..., None])[..., 0], patterns.group, n_groups, -2
    )
    i, j = np.tril_indices(weight.shape[-1])
    return np.concatenate([np.where(i == j, 0.5, 1.0) * matrix[:, i, j], -vector], axis=1)


def _assemble(tensor: Array, cross: Array, mean_weight: Array) -> Array:
    p = len(mean_weight)
    i, j = np.tril_indices(p)
    half = np.where(i == j, 0.5, 1.0)
    r_i, r_j, c_i, c_j = i[:, None], j[:, None], i[None, :], j[None, :]
    sigma = half[:, None] * half * (tensor[r_i, c_i, r_j, c_j] + tensor[r_i, c_j, r_j, c_i])
    mixed = half[:, None] * (cross[i, j, :] + cross[j, i, :])
    return np.block([[sigma, mixed], [mixed.T, mean_weight]])


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
