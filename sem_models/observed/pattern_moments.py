"""Rows that share a group and a set of observed variables, and their weighted moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.patterns import BoolArray, Patterns
from sem_models.observed.rows import pieces

AT_ONCE = 5_000_000
"""Products of deviations computed in one array; beyond, patterns are taken one by one."""


def group_patterns(
    blocks: Sequence[Array], weights: Sequence[Array | None]
) -> tuple[Patterns, list[IntArray]]:
    """Moments by group and set of observed variables; returns them and each row's pattern by group.

    blocks (n_g, p) with NaN where missing; weights (n_g,) or None for each group.
    """
    group: list[int] = []
    seen_list, size, means, covs, membership = [], [], [], [], []
    for g, (values, weight) in enumerate(zip(blocks, weights, strict=True)):
        unique, inverse = _sets(values)
        start = len(group)
        if len(unique) == 1:
            one, mean, cov = _moments(values if unique[0].all() else values[:, unique[0]], weight, unique[0])
            totals, mean, cov = np.array([one]), mean[None], cov[None]
        elif values.size * values.shape[1] <= AT_ONCE:
            totals, mean, cov = _together(values, weight, unique, inverse)
        else:
            totals, mean, cov = _one_by_one(values, weight, unique, inverse)
        membership.append(inverse + start if start else inverse)
        group += [g] * len(unique)
        seen_list.append(unique)
        size.append(totals)
        means.append(mean)
        covs.append(cov)
    patterns = Patterns(
        np.array(group, dtype=np.intp), np.concatenate(seen_list), np.concatenate(size),
        np.concatenate(means), np.concatenate(covs),
    )  # fmt: skip
    return patterns, membership


def _sets(values: Array) -> tuple[BoolArray, IntArray]:
    """The distinct sets of observed variables (t, p), and each row's (n,)."""
    n, p = values.shape
    if not np.isnan(values.sum()):
        return np.ones((1, p), dtype=bool), np.zeros(n, dtype=np.intp)
    codes = np.concatenate([np.packbits(~np.isnan(values[piece]), axis=1) for piece in pieces(n)])
    width = -(-codes.shape[1] // 8) * 8
    padded = np.zeros((n, width), dtype=np.uint8)
    padded[:, : codes.shape[1]] = codes
    words = padded.view(">u8")  # big-endian: sorted as the sets themselves would be
    if words.shape[1] == 1:
        unique, inverse = np.unique(words[:, 0], return_inverse=True)
        unique = unique[:, None]
    else:
        unique, inverse = np.unique(words, axis=0, return_inverse=True)
    bits = np.unpackbits(np.ascontiguousarray(unique).view(np.uint8), axis=1)[:, :p]
    return bits.astype(bool), inverse.reshape(-1).astype(np.intp)


def _moments(values: Array, weight: Array | None, seen: BoolArray) -> tuple[float, Array, Array]:
    """Total weight, mean (p,) and covariance (p, p) of rows (n, observed), zero where unseen."""
    total = float(len(values) if weight is None else weight.sum())
    divisor = total if total > 0 else 1.0
    mean = (values.sum(axis=0) if weight is None else weight @ values) / divisor
    cov = np.zeros((len(mean), len(mean)))
    for piece in pieces(len(values)):
        centered = values[piece] - mean
        other = centered if weight is None else centered * weight[piece, None]
        cov += other.T @ centered
    cov /= divisor
    if seen.all():
        return total, mean, cov
    full_mean, full_cov = np.zeros(len(seen)), np.zeros((len(seen), len(seen)))
    full_mean[seen] = mean
    full_cov[np.ix_(seen, seen)] = cov
    return total, full_mean, full_cov


def _together(
    values: Array, weight: Array | None, unique: BoolArray, inverse: IntArray
) -> tuple[Array, Array, Array]:
    """All patterns of a small group at once."""
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(unique)))
    rows = values[order]
    seen = unique[inverse[order]]
    filled = np.where(seen, rows, 0.0)
    if weight is None:
        totals = np.diff(np.append(starts, len(values))).astype(float)
        scaled, divisor = filled, totals
    else:
        totals = np.add.reduceat(weight[order], starts)
        scaled, divisor = filled * weight[order][:, None], np.where(totals > 0, totals, 1.0)
    mean = np.add.reduceat(scaled, starts, axis=0) / divisor[:, None]
    centered = np.where(seen, filled - mean[inverse[order]], 0.0)
    other = centered if weight is None else centered * weight[order][:, None]
    outer = other[:, :, None] * centered[:, None, :]
    return totals, mean, np.add.reduceat(outer, starts, axis=0) / divisor[:, None, None]


def _one_by_one(
    values: Array, weight: Array | None, unique: BoolArray, inverse: IntArray
) -> tuple[Array, Array, Array]:
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(1, len(unique)))
    parts = []
    for rows, seen in zip(np.split(order, starts), unique, strict=True):
        parts.append(_gathered(values, rows, None if weight is None else weight[rows], seen))
    totals, means, covs = zip(*parts, strict=True)
    return np.array(totals), np.stack(means), np.stack(covs)


def _gathered(
    values: Array, rows: IntArray, weight: Array | None, seen: BoolArray
) -> tuple[float, Array, Array]:
    """As `_moments`, of the rows listed, without copying them all."""
    total = float(len(rows) if weight is None else weight.sum())
    divisor = total if total > 0 else 1.0
    p = len(seen)
    sums, cov = np.zeros(p), np.zeros((p, p))
    for piece in pieces(len(rows)):
        part = np.where(seen, values[rows[piece]], 0.0)
        sums += part.sum(axis=0) if weight is None else weight[piece] @ part
    mean = sums / divisor
    for piece in pieces(len(rows)):
        centered = np.where(seen, values[rows[piece]] - mean, 0.0)
        other = centered if weight is None else centered * weight[piece, None]
        cov += other.T @ centered
    return total, mean, cov / divisor
