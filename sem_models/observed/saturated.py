"""Saturated (unrestricted) moments: the sample's own when complete, EM estimates when not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sem_models.errors import DataError
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.patterns import Patterns, discrepancy, fitted_second, sum_by_group

MAX_STEPS = 2_000
ROUGH = 1e-3
"""Change of an EM step, in standard deviations, from which Newton's method takes over."""
TOLERANCE = 1e-11
"""Change of a step at which the moments count as found, in standard deviations."""


SOUND = 0.01
"""Smallest eigenvalue of the correlations on the way up to which moments are kept for want of a maximum."""


class NoMaximum(DataError):
    """The likelihood rises without bound, or too slowly; cov and mean are the last sound ones on the way."""

    def __init__(self, cov: Array, mean: Array) -> None:
        super().__init__(
            "The means and covariances of the incomplete data could not be estimated: there are too few "
            "answers for so many items, or some pairs of items are hardly ever answered together. Leave out "
            "the items with the most missing answers, or merge groups."
        )
        self.cov, self.mean = cov, mean


def settled_moments(patterns: Patterns, n_groups: int) -> tuple[Array, Array, bool]:
    """Σ̃, μ̃ and True; where there is no maximum, rough values that serve as a beginning, and False."""
    try:
        return *saturated_moments(patterns, n_groups), True
    except NoMaximum as rough:
        return rough.cov, rough.mean, False


def saturated_moments(
    patterns: Patterns, n_groups: int, near: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Σ̃ (g, p, p) and μ̃ (g, p) that maximize the normal likelihood of the observed values.

    EM for the multivariate normal with missing values (Little & Rubin, 2002, section 11.2), accelerated by
    squared extrapolation (Varadhan & Roland, 2008, SQUAREM, scheme S3), until Newton's method can finish.
    Works in standard deviations of the observed values. `near` are moments not far from them, from which
    Newton's method is tried at once. Raises NoMaximum where it does not settle.
    """
    if patterns.complete:
        return patterns.cov.copy(), patterns.mean.copy()
    mean, variance = available_moments(patterns, n_groups)
    center, spread = mean[patterns.group], np.sqrt(variance)[patterns.group]
    unit = np.sqrt(variance)
    scaled = replace(
        patterns,
        mean=np.where(patterns.seen, (patterns.mean - center) / spread, 0.0),
        cov=patterns.cov / (spread[:, :, None] * spread[:, None, :]),
    )
    product = unit[:, :, None] * unit[:, None, :]
    found = None
    if near is not None:
        begin = np.concatenate([(near[1] - mean) / unit, _pack(near[0] / product)], axis=1)
        found = _newton(begin, scaled, n_groups)
    try:
        found_cov, found_mean = found or _standardized_moments(scaled, n_groups)
    except NoMaximum as rough:
        raise NoMaximum(rough.cov * product, mean + unit * rough.mean) from None
    return found_cov * product, mean + unit * found_mean


def _standardized_moments(patterns: Patterns, n_groups: int) -> tuple[Array, Array]:
    p = patterns.seen.shape[1]
    share = patterns.size / sum_by_group(patterns.size, patterns.group, n_groups, -1)[patterns.group]
    state = np.concatenate(
        [np.zeros((n_groups, p)), _pack(np.broadcast_to(np.eye(p), (n_groups, p, p)))], axis=1
    )
    tolerance, sound = ROUGH, state
    for _ in range(MAX_STEPS):
        try:
            first = _em_step(state, patterns, share, n_groups)
            second = _em_step(first, patterns, share, n_groups)
        except np.linalg.LinAlgError:
            break  # the likelihood rises without bound towards a singular Σ
        if _smallest(_unpack(second[:, p:], p)) > SOUND:
            sound = second
        step, curve = first - state, second - 2 * first + state
        if np.abs(second - first).max() < tolerance:
            finished = _newton(second, patterns, n_groups)
            if finished is not None:
                return finished
            if tolerance == TOLERANCE:
                return _unpack(second[:, p:], p), second[:, :p]
            tolerance = TOLERANCE
        length = -np.sqrt((step**2).sum() / max((curve**2).sum(), 1e-300))
        state = _extrapolate(state, step, curve, min(length, -1.0), second, p)
    raise NoMaximum(_unpack(sound[:, p:], p), sound[:, :p])


def _smallest(cov: Array) -> float:
    """Smallest eigenvalue of the correlations of any group."""
    sd = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    return float(np.linalg.eigvalsh(cov / (sd[:, :, None] * sd[:, None, :]))[:, 0].min())


def _newton(state: Array, patterns: Patterns, n_groups: int) -> tuple[Array, Array] | None:
    """Newton's method on the moments; None where the likelihood is not concave at a point on the way."""
    p = patterns.seen.shape[1]
    i, j = np.tril_indices(p)
    cov, mean = _unpack(state[:, p:], p), state[:, :p]
    for _ in range(12):
        try:
            parts = discrepancy(cov, mean, patterns)
            curvature = moment_likelihood.curvature(parts, patterns, n_groups, observed=True)
            slope = moment_likelihood.slope(parts, patterns, n_groups)
            np.linalg.cholesky(curvature)
        except np.linalg.LinAlgError:
            return None
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        cov, mean = cov.copy(), mean - step[:, len(i) :]
        cov[:, i, j] -= step[:, : len(i)]
        cov[:, j, i] = cov[:, i, j]
        if np.abs(step).max() < TOLERANCE:
            return cov, mean
    return None


def available_moments(patterns: Patterns, n_groups: int) -> tuple[Array, Array]:
    """Mean and variance of each variable from the rows that have it, (g, p) each."""
    mean = _weighted_by_variable(patterns, patterns.mean, n_groups)
    centered = patterns.mean - np.where(patterns.seen, mean[patterns.group], 0.0)
    squares = np.diagonal(patterns.cov, axis1=-2, axis2=-1) + centered**2
    return mean, _weighted_by_variable(patterns, squares, n_groups)


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
    # the expected moments less Σ and μ are Σ V Σ and Σ u, V and u summed over patterns
    off = parts.weight - fitted_second(parts, patterns)
    v_mat = sum_by_group(share[:, None, None] * off, patterns.group, n_groups, -3)
    pull = (parts.weight @ parts.shift[..., None])[..., 0]
    u_vec = sum_by_group(share[:, None] * pull, patterns.group, n_groups, -2)
    shift = (cov @ u_vec[..., None])[..., 0]
    new_cov = cov - cov @ v_mat @ cov - shift[..., :, None] * shift[..., None, :]
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
