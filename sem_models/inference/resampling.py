"""Resamples of the rows as what a batch of refits sees: moments, or weights of incomplete rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sem_models.estimation.batches import (
    Batch,
    IncompleteBatch,
    IncompleteRows,
    incomplete_rows,
    saturated,
)
from sem_models.inference.drawing import Times, Units, drawn_times, drawn_units, times_without
from sem_models.model.ram import Array, IntArray

Kind = Literal["ordinary", "bollen.stine", "parametric"]

WEIGHED = 3_000_000
"""Largest number of entries of the matrix of products and of a batch of draws; beyond it rows are drawn one
replicate at a time, and memory stays that of the data."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of each group as they are resampled: values (n_g, p), centered at `center` (p,)."""

    centered: tuple[Array, ...]
    center: tuple[Array, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(x) for x in self.centered)


def rows_to_draw(values: tuple[Array, ...], sigma: Array, mu: Array, kind: Kind) -> Rows:
    """Rows for the ordinary bootstrap, or moved so that the model holds in them exactly.

    Bollen & Stine (1992, Sociological Methods & Research 21): z = Σ^½ S^-½ (y − ȳ) + μ has the model's
    moments sigma (g, p, p) and mu (g, p), with divisor n, and the data's higher moments.
    """
    centered, center = [], []
    for g, x in enumerate(values):
        mean = x.mean(axis=0)
        away = x - mean
        if kind == "bollen.stine":
            away = away @ np.linalg.inv(_root(away.T @ away / len(x))) @ _root(sigma[g])
            mean = mu[g]
        centered.append(away)
        center.append(mean)
    return Rows(tuple(centered), tuple(center))


def _root(matrix: Array) -> Array:
    """The symmetric square root."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def resampled(
    rows: Rows, n_draws: int, rng: np.random.Generator, chunk: int, units: Units | None = None
) -> Iterator[Batch]:
    """Moments of resamples with replacement within groups, `chunk` replicates at a time.

    The draws come replicate by replicate from one stream, so the chunk does not change them.
    """
    units = units or Units(rows.sizes, (None,) * len(rows.sizes), (None,) * len(rows.sizes))
    if units.plain and max(rows.sizes) * max(_pairs(rows), chunk) > WEIGHED:
        yield from _many_rows(rows, n_draws, rng, chunk)
        return
    yield from _moments(rows, drawn_times(units, n_draws, rng, chunk), units)


def without_units(rows: Rows, units: Units, chunk: int) -> Iterator[Batch]:
    """Moments without each unit in turn (the jackknife)."""
    yield from left_out(rows, chunk) if units.plain else _moments(rows, times_without(units, chunk), units)


def _pairs(rows: Rows) -> int:
    p = rows.centered[0].shape[1]
    return p * (p + 1) // 2


def _moments(rows: Rows, draws: Iterator[Times], units: Units) -> Iterator[Batch]:
    g, p = len(rows.centered), rows.centered[0].shape[1]
    i, j = np.tril_indices(p)
    products = [x[:, i] * x[:, j] for x in rows.centered]
    for times in draws:
        weights, share = units.weighted(times)
        b = len(share)
        cov, mean = np.empty((b, g, p, p)), np.empty((b, g, p))
        for k, x in enumerate(rows.centered):
            first, second = weights[k] @ x, weights[k] @ products[k]
            cov[:, k, i, j] = cov[:, k, j, i] = second - first[:, i] * first[:, j]
            mean[:, k] = first + rows.center[k]
        yield Batch(cov, mean, share)


def _many_rows(rows: Rows, n_draws: int, rng: np.random.Generator, chunk: int) -> Iterator[Batch]:
    """The same without matrices of products and draws."""
    g, p = len(rows.centered), rows.centered[0].shape[1]
    share = np.array(rows.sizes) / sum(rows.sizes)
    for begin in range(0, n_draws, chunk):
        b = min(chunk, n_draws - begin)
        cov, mean = np.empty((b, g, p, p)), np.empty((b, g, p))
        for r in range(b):
            drawn = drawn_units(rows.sizes, 1, rng)
            for k, x in enumerate(rows.centered):
                times = np.bincount(drawn[k][0], minlength=len(x)).astype(float)
                first = times @ x / len(x)
                cov[r, k] = (x * times[:, None]).T @ x / len(x) - np.outer(first, first)
                mean[r, k] = first + rows.center[k]
        yield Batch(cov, mean, np.broadcast_to(share, (b, g)))


def drawn_from_model(
    sigma: Array, mu: Array, sizes: tuple[int, ...], n_draws: int, rng: np.random.Generator, chunk: int
) -> Iterator[Batch]:
    """Moments of normal samples of the model's population, sigma (g, p, p) and mu (g, p)."""
    g, p = mu.shape
    share = np.array(sizes) / sum(sizes)
    roots = np.linalg.cholesky(sigma)
    for begin in range(0, n_draws, chunk):
        b = min(chunk, n_draws - begin)
        cov, mean = np.empty((b, g, p, p)), np.empty((b, g, p))
        for r in range(b):
            for k, n in enumerate(sizes):
                x = rng.standard_normal((n, p)) @ roots[k].T
                mean[r, k] = x.mean(axis=0) + mu[k]
                x = x - x.mean(axis=0)
                cov[r, k] = x.T @ x / n
        yield Batch(cov, mean, np.broadcast_to(share, (b, g)))


def left_out(rows: Rows, chunk: int) -> Iterator[Batch]:
    """Moments without each row in turn, group by group (the jackknife)."""
    g, p = len(rows.centered), rows.centered[0].shape[1]
    sizes = np.array(rows.sizes, dtype=float)
    whole = np.stack([x.T @ x / len(x) for x in rows.centered])
    for k, x in enumerate(rows.centered):
        n = len(x)
        kept = sizes.copy()
        kept[k] -= 1.0
        for begin in range(0, n, chunk):
            out = x[begin : begin + chunk]
            b = len(out)
            cov = np.broadcast_to(whole, (b, g, p, p)).copy()
            mean = np.broadcast_to(np.stack(rows.center), (b, g, p)).copy()
            first = -out / (n - 1.0)
            second = (n * whole[k] - out[:, :, None] * out[:, None, :]) / (n - 1.0)
            cov[:, k] = second - first[:, :, None] * first[:, None, :]
            mean[:, k] = first + rows.center[k]
            yield Batch(cov, mean, np.broadcast_to(kept / kept.sum(), (b, g)))


@dataclass(frozen=True, slots=True)
class Gaps:
    """Incomplete rows as they are resampled: values by group, fixed covariates' positions, and the saturated
    moments of all rows, where those of covariates that lack values start; else None."""

    rows: tuple[IncompleteRows, ...]
    exogenous: IntArray
    start: tuple[Array, Array] | None


def gaps_of(values: tuple[Array, ...], exogenous: IntArray, cov: Array, mean: Array) -> Gaps:
    """The layout of rows (n_g, p) with NaN where missing; cov and mean are their saturated moments."""
    lacking = any(np.isnan(x[:, exogenous]).any() for x in values)
    return Gaps(tuple(incomplete_rows(x) for x in values), exogenous, (cov, mean) if lacking else None)


def resampled_gaps(gaps: Gaps, draws: Iterator[Times], units: Units) -> Iterator[IncompleteBatch]:
    """Batches of incomplete rows from how often each is drawn."""
    for times in draws:
        weights, share = units.weighted(times)
        yield with_covariates(gaps, IncompleteBatch(gaps.rows, tuple(weights), share, *_blank(gaps, share)))


def gaps_from_model(
    gaps: Gaps, sigma: Array, mu: Array, n_draws: int, rng: np.random.Generator, chunk: int
) -> Iterator[IncompleteBatch]:
    """Normal samples of the model's population with the values missing that are missing in the data."""
    roots = np.linalg.cholesky(sigma)
    sizes = [len(r.order) for r in gaps.rows]
    share = np.array(sizes) / sum(sizes)
    for begin in range(0, n_draws, chunk):
        b = min(chunk, n_draws - begin)
        drawn = [[rng.standard_normal((n, len(mu[0]))) for n in sizes] for _ in range(b)]
        rows = []
        for k, layout in enumerate(gaps.rows):
            x = np.stack([d[k] for d in drawn]) @ roots[k].T + mu[k]
            rows.append(replace(layout, values=x * layout.seen))
        weights = tuple(np.full((b, n), 1.0 / n) for n in sizes)
        shares = np.broadcast_to(share, (b, len(sizes)))
        yield with_covariates(gaps, IncompleteBatch(tuple(rows), weights, shares, *_blank(gaps, shares)))


def _blank(gaps: Gaps, share: Array) -> tuple[Array, Array]:
    p = gaps.rows[0].values.shape[-1]
    return np.zeros((*share.shape, p, p)), np.zeros((*share.shape, p))


def with_covariates(gaps: Gaps, batch: IncompleteBatch) -> IncompleteBatch:
    """The batch with its fixed covariates' moments, by the EM algorithm where covariates lack values."""
    x = gaps.exogenous
    if not len(x):
        return batch
    if gaps.start is not None:
        found = saturated(batch, *gaps.start, tolerance=1e-9)[0]
        return replace(batch, cov=found.cov, mean=found.mean)
    for g, (rows, weights) in enumerate(zip(batch.rows, batch.weights, strict=True)):
        values = np.broadcast_to(rows.values, (len(weights), *rows.values.shape[-2:]))[..., x]
        mean = (weights[:, None, :] @ values)[:, 0]
        away = values - mean[:, None]
        batch.mean[:, g, x] = mean
        batch.cov[:, g, x[:, None], x] = np.swapaxes(away, -1, -2) @ (away * weights[..., None])
    return batch
