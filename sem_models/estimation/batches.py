"""What many refits at once see of their data: moments where rows are complete, else an expectation step.

The normal likelihood of incomplete rows has the gradient of complete rows whose missing values and their
squares are replaced by expectations at the current Σ and μ (Fisher's identity; Little & Rubin, 2002,
section 11.2). With K = Σ⁻¹ and m the variables a row lacks, those need only the inverse of K_mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.elimination import inverted


@dataclass(frozen=True, slots=True)
class Seen:
    """The data about Σ and μ: second (b, g, p, p) moments about μ, shift (b, g, p) x̄ − μ or None without
    means, and lacking (b, g), what is to be added to log|Σ| + tr Σ⁻¹ second for rows that lack values."""

    second: Array
    shift: Array | None
    lacking: Array | None = None


B = TypeVar("B", bound="Replicated")


class Replicated(Protocol):
    """The data of b replicates. cov (b, g, p, p) and mean (b, g, p) hold at least the fixed covariates'
    moments, share (b, g) each group's part of the rows."""

    @property
    def cov(self) -> Array: ...
    @property
    def mean(self) -> Array: ...
    @property
    def share(self) -> Array: ...
    def at(self: B, chosen: IntArray) -> B: ...
    def about(self, mu: Array | None, weight: Array) -> Seen:
        """The data about μ (b, g, p) given Σ⁻¹ (b, g, p, p)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Moments of b replicates: cov (b, g, p, p), mean (b, g, p), share (b, g) of each group in the rows."""

    cov: Array
    mean: Array
    share: Array

    def at(self, chosen: IntArray) -> Batch:
        return Batch(self.cov[chosen], self.mean[chosen], self.share[chosen])

    def about(self, mu: Array | None, weight: Array) -> Seen:
        if mu is None:
            return Seen(self.cov, None)
        shift = self.mean - mu
        return Seen(self.cov + shift[..., :, None] * shift[..., None, :], shift)


@dataclass(frozen=True, slots=True)
class Holes:
    """Patterns of a group that lack m variables each: patterns (t,) by number, missing (t, m) which, rows
    (r,) that have them, of (r,) the place of each row's pattern among the t."""

    patterns: IntArray
    missing: IntArray
    rows: IntArray
    of: IntArray


@dataclass(frozen=True, slots=True)
class IncompleteRows:
    """The rows of one group: values (n, p) or (b, n, p) with zero where missing, seen (n, p) 1 or 0, order
    (n,) the rows by pattern, first (t,) where in it each pattern begins, and the holes by how many variables
    are missing."""

    values: Array
    seen: Array
    order: IntArray
    first: IntArray
    holes: tuple[Holes, ...]


def incomplete_rows(values: Array) -> IncompleteRows:
    """The layout of rows (n, p) with NaN where missing."""
    here = ~np.isnan(values)
    sets, pattern = np.unique(here, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1).astype(np.intp)
    lacking = (~sets).sum(axis=1)
    holes = []
    for m in np.unique(lacking[lacking > 0]):
        patterns = np.flatnonzero(lacking == m)
        missing = np.nonzero(~sets[patterns])[1].reshape(len(patterns), m)
        place = np.full(len(sets), -1)
        place[patterns] = np.arange(len(patterns))
        rows = np.flatnonzero(place[pattern] >= 0)
        holes.append(Holes(patterns, missing, rows, place[pattern[rows]]))
    order = np.argsort(pattern, kind="stable")
    first = np.searchsorted(pattern[order], np.arange(len(sets)))
    return IncompleteRows(np.where(here, values, 0.0), here.astype(float), order, first, tuple(holes))


@dataclass(frozen=True, slots=True)
class IncompleteBatch:
    """b replicates of rows with missing values: by group, the rows and weights (b, n) that add up to 1.

    cov and mean are zero but for the fixed covariates' moments.
    """

    rows: tuple[IncompleteRows, ...]
    weights: tuple[Array, ...]
    share: Array
    cov: Array
    mean: Array

    def at(self, chosen: IntArray) -> IncompleteBatch:
        rows = [r if r.values.ndim == 2 else replace(r, values=r.values[chosen]) for r in self.rows]
        return IncompleteBatch(
            tuple(rows), tuple(w[chosen] for w in self.weights), self.share[chosen], self.cov[chosen],
            self.mean[chosen],
        )  # fmt: skip

    def about(self, mu: Array | None, weight: Array) -> Seen:
        assert mu is not None
        second, shift, lacking = np.empty(weight.shape), np.empty(mu.shape), np.empty(mu.shape[:-1])
        for g, (rows, weights) in enumerate(zip(self.rows, self.weights, strict=True)):
            second[:, g], shift[:, g], lacking[:, g] = _expected(rows, weights, mu[:, g], weight[:, g])
        return Seen(second, shift, lacking)


def _expected(rows: IncompleteRows, weights: Array, mu: Array, k_mat: Array) -> tuple[Array, Array, Array]:
    """Expected second (b, p, p) and first (b, p) moments about μ, and Σ w (log|K_mm| − m), (b,)."""
    b, p = mu.shape
    n = len(rows.order)
    away = (rows.values - mu[:, None, :]) * rows.seen
    along = (away @ k_mat).reshape(b, n * p)
    flat = away.reshape(b, n * p)
    spread, lacking = np.zeros((b, p * p)), np.zeros(b)
    total = np.add.reduceat(weights[:, rows.order], rows.first, axis=1)
    for hole in rows.holes:
        at = hole.missing[:, :, None] * p + hole.missing[:, None, :]
        inverse, log_det = inverted(k_mat.reshape(b, -1)[:, np.moveaxis(at, 0, -1)])
        weight = total[:, hole.patterns]
        lacking += (weight * (log_det - at.shape[1])).sum(axis=1)
        position = np.moveaxis(at, 0, -1).reshape(-1) + p * p * np.arange(b)[:, None]
        part = (inverse * weight[:, None, None]).reshape(b, -1)
        spread += np.bincount(position.reshape(-1), part.reshape(-1), b * p * p).reshape(b, -1)
        place = (hole.rows * p + hole.missing[hole.of].T).astype(np.intp)  # (m, r)
        known = along[:, place]
        by_row = inverse if np.array_equal(hole.of, np.arange(len(weight[0]))) else inverse[..., hole.of]
        flat[:, place] = -(by_row * known[:, None]).sum(axis=2)
    heavy = away * weights[:, :, None]
    second = np.swapaxes(away, -1, -2) @ heavy + spread.reshape(b, p, p)
    return second, heavy.sum(axis=1), lacking


def saturated(
    batch: IncompleteBatch, cov: Array, mean: Array, *, tolerance: float, steps: int = 500
) -> tuple[Batch, Array]:
    """The moments that maximize each replicate's likelihood and their values, by EM from cov and mean.

    A replicate is done when a step changes the value Σ share (log|Σ| + …) by less than `tolerance`; those
    that do not get there are NaN.
    """
    b = len(batch.share)
    cov = np.broadcast_to(cov, (b, *cov.shape[-3:])).copy()
    mean = np.broadcast_to(mean, (b, *mean.shape[-2:])).copy()
    left, last = np.arange(b), np.full(b, np.inf)
    for _ in range(steps):
        part = batch.at(left)
        weight = np.asarray(np.linalg.inv(cov[left]), dtype=np.float64)
        with np.errstate(all="ignore"):
            seen = part.about(mean[left], weight)
            now = values(weight, seen, part.share)
        assert seen.shift is not None
        done = np.abs(last[left] - now) < tolerance
        last[left] = now
        mean[left] += seen.shift
        cov[left] = seen.second - seen.shift[..., :, None] * seen.shift[..., None, :]
        left = left[~done & np.isfinite(now)]
        if not len(left):
            break
    last[left] = np.nan
    sound = np.isfinite(last)
    return Batch(np.where(sound[:, None, None, None], cov, np.nan), mean, batch.share), last


def values(weight: Array, seen: Seen, share: Array) -> Array:
    """Σ share (log|Σ| + tr Σ⁻¹T) by replicate, less what incomplete rows lack; NaN where Σ is not positive
    definite."""
    try:
        roots = np.linalg.cholesky(weight)
    except np.linalg.LinAlgError:
        if len(weight) == 1:
            return np.array([np.nan])
        singly = [np.array([i]) for i in range(len(weight))]
        return np.concatenate([values(weight[i], chosen(seen, i), share[i]) for i in singly])
    parts = -2.0 * np.log(np.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=-1)
    parts += (weight * seen.second).sum(axis=(-1, -2))
    if seen.lacking is not None:
        parts += seen.lacking
    return np.asarray((share * parts).sum(axis=-1))


def chosen(seen: Seen, which: Sequence[int] | IntArray | Array) -> Seen:
    """Some replicates' part."""
    parts = (None if x is None else x[which] for x in (seen.second, seen.shift, seen.lacking))
    second, shift, lacking = parts
    assert second is not None
    return Seen(second, shift, lacking)


def joined(parts: Sequence[Seen]) -> Seen:
    """Replicates one after the other; what any of them has not is left out."""

    def together(of: list[Array | None]) -> Array | None:
        there = [x for x in of if x is not None]
        return np.concatenate(there) if len(there) == len(of) else None

    second = together([part.second for part in parts])
    assert second is not None
    return Seen(second, together([part.shift for part in parts]), together([part.lacking for part in parts]))
