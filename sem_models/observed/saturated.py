"""Saturated (unrestricted) moments: the sample's own when complete, EM estimates when not."""

from __future__ import annotations

import numpy as np

from sem_models.errors import DataError
from sem_models.model.ram import Array
from sem_models.observed.patterns import Patterns, discrepancy, sum_by_group

MAX_STEPS = 2_000
TOLERANCE = 1e-11


def saturated_moments(patterns: Patterns, n_groups: int) -> tuple[Array, Array]:
    """Σ̃ (g, p, p) and μ̃ (g, p) that maximize the normal likelihood of the observed values.

    EM for the multivariate normal with missing values (Little & Rubin, 2002, section 11.2), accelerated
    by squared extrapolation (Varadhan & Roland, 2008, SQUAREM, scheme S3). Raises DataError where it
    does not settle.
    """
    if patterns.complete:
        return patterns.cov.copy(), patterns.mean.copy()
    share = patterns.size / sum_by_group(patterns.size, patterns.group, n_groups, -1)[patterns.group]
    mean = _weighted_by_variable(patterns, patterns.mean, n_groups)
    centered = patterns.mean - np.where(patterns.seen, mean[patterns.group], 0.0)
    variance = _weighted_by_variable(
        patterns, np.diagonal(patterns.cov, axis1=-2, axis2=-1) + centered**2, n_groups
    )
    p = patterns.seen.shape[1]
    state = np.concatenate([mean, _pack(variance[..., None] * np.eye(p))], axis=1)
    for _ in range(MAX_STEPS):
        first = _em_step(state, patterns, share, n_groups)
        second = _em_step(first, patterns, share, n_groups)
        step, curve = first - state, second - 2 * first + state
        scale = 1.0 + np.abs(second)
        if (np.abs(second - first) / scale).max() < TOLERANCE:
            mean, cov = second[:, :p], _unpack(second[:, p:], p)
            return cov, mean
        length = -np.sqrt((step**2).sum() / max((curve**2).sum(), 1e-300))
        state = _extrapolate(state, step, curve, min(length, -1.0), second, p)
    raise DataError(
        "The means and covariances of the incomplete data could not be estimated: some pairs of "
        "items are hardly ever "
        "answered together. Leave out the item with the most missing answers, or use missing='listwise'."
    )


def _extrapolate(state: Array, step: Array, curve: Array, length: float, fallback: Array, p: int) -> Array:
    candidate = state - 2 * length * step + length**2 * curve
    try:
        np.linalg.cholesky(_unpack(candidate[:, p:], p))
    except np.linalg.LinAlgError:
        return fallback
    return candidate


def _weighted_by_variable(patterns: Patterns, values: Array, n_groups: int) -> Array:
    weight = patterns.seen * patterns.size[:, None]
    total = sum_by_group(weight * np.where(patterns.seen, values, 0.0), patterns.group, n_groups, -2)
    return total / sum_by_group(weight, patterns.group, n_groups, -2)


def _em_step(state: Array, patterns: Patterns, share: Array, n_groups: int) -> Array:
    p = patterns.seen.shape[1]
    mean, cov = state[:, :p], _unpack(state[:, p:], p)
    parts = discrepancy(cov, mean, patterns)
    regression = cov[patterns.group] @ parts.weight
    expected = (regression @ parts.shift[..., None])[..., 0]
    spread = cov[patterns.group] - regression @ cov[patterns.group]
    spread += regression @ parts.second @ np.swapaxes(regression, -1, -2)
    shift = sum_by_group(share[:, None] * expected, patterns.group, n_groups, -2)
    new_cov = sum_by_group(share[:, None, None] * spread, patterns.group, n_groups, -3)
    new_cov -= shift[..., :, None] * shift[..., None, :]
    return np.concatenate([mean + shift, _pack(new_cov)], axis=1)


def _pack(cov: Array) -> Array:
    i, j = np.tril_indices(cov.shape[-1])
    return cov[..., i, j]


def _unpack(packed: Array, p: int) -> Array:
    i, j = np.tril_indices(p)
    cov = np.zeros((*packed.shape[:-1], p, p))
    cov[..., i, j] = packed
    cov[..., j, i] = packed
    return cov
