"""The two-way tables that a pairwise likelihood sees, and its derivatives in thresholds and correlations.

pl(τ, ρ) = Σ_{i<j} Σ_ab n_ab log π_ab with π the bivariate normal probabilities of the cells (Katsikatsou,
Moustaki, Yang-Wallentin & Jöreskog, 2012, Computational Statistics & Data Analysis 56). With missing answers
a row enters the pairs it answers both of; "available cases" add log P(y_i) where only y_i of a pair is
answered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ordinal import Layout
from sem_models.observed.bivariate_normal import corners, density
from sem_models.observed.margins import LEAST, Array, IntArray, phi, threshold_scores
from sem_models.observed.pair_correlations import cell_slopes, threshold_slopes
from sem_models.observed.rows import Piece, Rows, score_products


@dataclass(frozen=True, slots=True)
class PairTables:
    """One group's rows: counts (r, K, K) of the pairs' answers, singles (p, K) those that enter alone, n the
    rows or the sum of their weights. place (r, 2 (K − 1) + 1) is where a pair's thresholds and its
    correlation stand in the order of the layout (thresholds, correlations), −1 for places not used; own (p,
    K − 1) that of thresholds."""

    layout: Layout
    counts: Array
    singles: Array
    n: float
    place: IntArray
    own: IntArray

    @classmethod
    def of(cls, rows: Rows, layout: Layout, *, available: bool) -> PairTables:
        """rows.values (n, p): categories from 0, NaN where missing; all variables ordered."""
        size, p = max(layout.n_categories), layout.n_variables
        codes = _codes(rows.values)
        weight = np.ones(len(codes)) if rows.weight is None else rows.weight
        hot = np.zeros((len(codes), p, size + 1))
        hot[np.arange(len(codes))[:, None], np.arange(p), codes] = 1.0
        seen = hot[:, :, :size].reshape(len(codes), -1)
        every = ((seen * weight[:, None]).T @ seen).reshape(p, size, p, size)
        singles = np.zeros((p, size))
        if available:
            singles = np.einsum("npk,n->pk", hot[:, :, :size], weight * (codes < 0).sum(axis=1))
        own = np.full((p, size - 1), -1, dtype=np.intp)
        own[layout.th_variable, layout.th_number] = np.arange(len(layout.th_variable))
        last = len(layout.th_variable) + np.arange(len(layout.first))
        place = np.concatenate([own[layout.first], own[layout.second], last[:, None]], axis=1)
        return cls(layout, every[layout.first, :, layout.second, :], singles, float(weight.sum()), place, own)


def _codes(values: Array) -> IntArray:
    return np.where(np.isnan(values), -1, values).astype(np.intp)


@dataclass(frozen=True, slots=True)
class PairPoint:
    """Thresholds, correlations and what follows: limits (p, K + 1), rho (r,), chance (r, K, K), slopes (r,
    K, K, 2 (K − 1) + 1) of the chances in the pair's own parameters, value the log-likelihood."""

    limits: Array
    rho: Array
    chance: Array
    slopes: Array
    value: float


def pair_point(tables: PairTables, statistics: Array) -> PairPoint | None:
    """The likelihood at thresholds and correlations (s,); None where a cell that was seen has no "
    "probability."""
    layout = tables.layout
    tau, rho = statistics[layout.parts[0]], statistics[layout.parts[3]]
    if not (np.abs(rho) < 1.0).all():
        return None
    limits = np.full((layout.n_variables, max(layout.n_categories) + 1), np.inf)
    limits[:, 0] = -np.inf
    limits[layout.th_variable, layout.th_number + 1] = tau
    if (limits[:, 1:] < limits[:, :-1]).any():
        return None
    h, k = limits[layout.first], limits[layout.second]
    chance = np.diff(np.diff(corners(h, k, rho), axis=1), axis=2)
    if (chance[tables.counts > 0] <= 0).any():
        return None
    safe = np.maximum(chance, LEAST)
    value = float((tables.counts * np.log(safe)).sum())
    alone = np.maximum(_alone(limits), LEAST)
    value += float((tables.singles * np.log(alone)).sum())
    return PairPoint(limits, rho, safe, _slopes(h, k, rho), value)


def _alone(limits: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(np.diff(ndtr(limits), axis=1))


def _slopes(h: Array, k: Array, rho: Array) -> Array:
    """∂ chance / ∂ (thresholds of the first, of the second, ρ), (r, K, K, 2 (K − 1) + 1)."""
    r, size = len(rho), h.shape[1] - 1
    m = np.arange(size - 1)
    out = np.zeros((r, size, size, 2 * size - 1))
    first, second = threshold_slopes(h, k, rho), threshold_slopes(k, h, rho)  # (r, K − 1, K)
    out[:, m, :, m] = np.swapaxes(first, 0, 1)
    out[:, m + 1, :, m] = -np.swapaxes(first, 0, 1)
    out[:, :, m, size - 1 + m] = np.swapaxes(second, 1, 2)
    out[:, :, m + 1, size - 1 + m] = -np.swapaxes(second, 1, 2)
    out[..., -1] = cell_slopes(h[:, :, None], k[:, None, :], rho[:, None, None])[0]
    return out


def score(tables: PairTables, at: PairPoint) -> Array:
    """∂ pl / ∂ statistics, (s,)."""
    ratio = tables.counts / at.chance
    local = np.einsum("rab,rabl->rl", ratio, at.slopes)
    out = np.zeros(tables.layout.size)
    used = tables.place >= 0
    np.add.at(out, tables.place[used], local[used])
    if tables.singles.any():
        of_item = np.einsum("pk,pkm->pm", tables.singles, _alone_scores(at))
        np.add.at(out, tables.own[tables.own >= 0], of_item[tables.own >= 0])
    return out


def _alone_scores(at: PairPoint) -> Array:
    """∂ log P(category) / ∂ thresholds of single items, (p, K, K − 1)."""
    with np.errstate(all="ignore"):
        table = threshold_scores(at.limits[:, 1:-1])[:, :-1]
    return np.asarray(np.nan_to_num(table, nan=0.0, posinf=0.0, neginf=0.0))


def curvature(tables: PairTables, at: PairPoint, *, observed: bool) -> Array:
    """−∂² pl / ∂ statistics² (s, s), or its expected value given the margins of the pairs' tables."""
    total = tables.counts.sum(axis=(1, 2))[:, None, None]
    heavy = tables.counts / at.chance**2 if observed else total / at.chance
    flat = at.slopes.reshape(len(at.rho), -1, at.slopes.shape[-1])
    local = np.swapaxes(flat, 1, 2) @ (heavy.reshape(len(at.rho), -1, 1) * flat)
    if observed:
        local = local - _second(tables, at)
    out = np.zeros((tables.layout.size,) * 2)
    i, j = np.broadcast_arrays(tables.place[:, :, None], tables.place[:, None, :])
    used = (i >= 0) & (j >= 0)
    np.add.at(out, (i[used], j[used]), local[used])
    if tables.singles.any():
        _add_alone(out, tables, at, observed=observed)
    return out


def _second(tables: PairTables, at: PairPoint) -> Array:
    """Σ n/π ∂²π of each pair in its own parameters, (r, L, L)."""
    layout = tables.layout
    h, k = at.limits[layout.first], at.limits[layout.second]
    ratio = tables.counts / at.chance
    size = ratio.shape[1]
    m = np.arange(size - 1)
    out = np.zeros((len(ratio), 2 * size - 1, 2 * size - 1))
    inside = np.isfinite(h)[:, :, None] & np.isfinite(k)[:, None, :]
    a, b = (np.where(np.isfinite(v), v, 0.0) for v in (h, k))
    rho = at.rho[:, None, None]
    dense = np.where(inside, density(a[:, :, None], b[:, None, :], rho), 0.0)  # (r, K + 1, K + 1)
    for begin, own, other, weights, spread in (
        (0, h, k, ratio, dense), (size - 1, k, h, np.swapaxes(ratio, 1, 2), np.swapaxes(dense, 1, 2)),
    ):  # fmt: skip
        level = np.where(np.isfinite(own[:, 1:-1]), own[:, 1:-1], 0.0)[:, :, None]
        first = threshold_slopes(own, other, at.rho)
        bend = -level * first - rho * np.diff(spread[:, 1:-1], axis=2)
        out[:, begin + m, begin + m] = ((weights[:, :-1] - weights[:, 1:]) * bend).sum(axis=2)
    pulled = np.diff(np.diff(ratio, axis=1), axis=2)  # at the inner corners, (r, K − 1, K − 1)
    inner = dense[:, 1:-1, 1:-1]
    cross = pulled * inner
    out[:, : size - 1, size - 1 : -1] = cross
    out[:, size - 1 : -1, : size - 1] = np.swapaxes(cross, 1, 2)
    left = 1.0 - rho**2
    x, y = a[:, 1:-1, None], b[:, None, 1:-1]
    along_first = (cross * (rho * y - x) / left).sum(axis=2)
    along_second = (cross * (rho * x - y) / left).sum(axis=1)
    out[:, -1, : size - 1] = out[:, : size - 1, -1] = along_first
    out[:, -1, size - 1 : -1] = out[:, size - 1 : -1, -1] = along_second
    twice = cell_slopes(h[:, :, None], k[:, None, :], rho)[1]
    out[:, -1, -1] = (ratio * twice).sum(axis=(1, 2))
    return out


def _add_alone(out: Array, tables: PairTables, at: PairPoint, *, observed: bool) -> None:
    """The part of answers that enter alone."""
    scores = _alone_scores(at)
    chance = _alone(at.limits)
    counts = tables.singles if observed else tables.singles.sum(axis=1, keepdims=True) * chance
    local = np.einsum("pk,pka,pkb->pab", counts, scores, scores, optimize=True)
    if observed:
        tau = at.limits[:, 1:-1]
        finite = np.isfinite(tau)
        ratio = tables.singles / np.maximum(chance, LEAST)
        level = np.where(finite, tau, 0.0)
        bend = np.where(finite, -level * phi(level), 0.0) * (ratio[:, :-1] - ratio[:, 1:])
        m = np.arange(local.shape[1])
        local[:, m, m] -= bend
    i, j = np.broadcast_arrays(tables.own[:, :, None], tables.own[:, None, :])
    used = (i >= 0) & (j >= 0)
    np.add.at(out, (i[used], j[used]), local[used])


def cross_products(tables: PairTables, at: PairPoint, rows: Rows, *, available: bool) -> Array:
    """Σ s sᵀ (s, s) of the rows' scores, weighted, added up within clusters."""
    return score_products(
        rows, lambda piece: _row_scores(tables, at, rows, piece, available), tables.layout.size
    )


def _row_scores(tables: PairTables, at: PairPoint, rows: Rows, piece: Piece, available: bool) -> Array:
    codes = _codes(rows.values[piece])
    layout = tables.layout
    table = at.slopes / at.chance[..., None]
    out = np.zeros((len(codes), layout.size))
    for r, (i, j) in enumerate(zip(layout.first.tolist(), layout.second.tolist(), strict=True)):
        both = np.flatnonzero((codes[:, i] >= 0) & (codes[:, j] >= 0))
        used = tables.place[r] >= 0
        out[both[:, None], tables.place[r][used]] += table[r, codes[both, i], codes[both, j]][:, used]
    if available:
        scores, missing = _alone_scores(at), (codes < 0).sum(axis=1)
        for i in range(layout.n_variables):
            seen = np.flatnonzero((codes[:, i] >= 0) & (missing > 0))
            used = tables.own[i] >= 0
            out[seen[:, None], tables.own[i][used]] += (
                missing[seen, None] * scores[i, codes[seen, i]][:, used]
            )
    return out


def saturated(tables: PairTables, start: Array) -> tuple[Array, float]:
    """Thresholds and correlations (s,) without a model, and pl there, by scoring from the two-stage "
    "estimates."""
    return maximum(tables, start, np.arange(tables.layout.size))


def independent(tables: PairTables, start: Array) -> tuple[Array, float]:
    """The same with all correlations zero."""
    th, _, _, cov = tables.layout.parts
    begin = start.copy()
    begin[cov] = 0.0
    return maximum(tables, begin, np.arange(th.stop))


def maximum(tables: PairTables, start: Array, free: IntArray) -> tuple[Array, float]:
    """The maximum along the statistics `free`, from a start where the likelihood exists."""
    x = start.copy()
    at = pair_point(tables, x)
    assert at is not None
    for _ in range(50):
        gradient = score(tables, at)[free]
        bread = curvature(tables, at, observed=False)[np.ix_(free, free)]
        step = np.linalg.solve(bread, gradient)
        if float(gradient @ step) < 1e-12:
            break
        size = 1.0
        for _ in range(30):
            moved = x.copy()
            moved[free] += size * step
            found = pair_point(tables, moved)
            if found is not None and found.value >= at.value - 1e-10 * abs(at.value):
                x, at = moved, found
                break
            size *= 0.5
        else:
            break
    return x, at.value
